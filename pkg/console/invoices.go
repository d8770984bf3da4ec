package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/settlement"
)

// listInvoices lists the invoices of a subscription or a customer. The id of an invoice redirects to its page.
func (c *Console) listInvoices(r request) (response, error) {
	query, by := strings.TrimSpace(r.FormValue("q")), cmp.Or(r.FormValue("by"), "id")
	if query != "" && by == "id" {
		return response{location: "/invoice?id=" + url.QueryEscape(query)}, nil
	}
	filter := inspect.Filter{Subscription: query}
	if by == "customer" {
		filter = inspect.Filter{Customer: query}
	}
	var listing inspect.Listing
	if query != "" {
		var err error
		if listing, err = c.cfg.Operations.Invoices(r.Context(), filter); err != nil {
			return response{}, err
		}
		slices.Reverse(listing.Invoices) // the latest first
	}
	return response{template: "invoices", title: "Invoices", data: struct {
		Query, By string
		Found     int // number of matches; Invoices has up to maxRows of them
		Invoices  []inspect.Summary
	}{query, by, len(listing.Invoices), listing.Invoices[:min(len(listing.Invoices), maxRows)]}}, nil
}

type moment struct {
	At   *time.Time
	Text string
}

// timeline returns the known times of an invoice in the ledger, the earliest first.
func timeline(invoice *inspect.Invoice) []moment {
	if invoice == nil {
		return nil
	}
	moments := []moment{
		{invoice.SendingSince, "the line at the cursor was sent first, and is in doubt since"},
		{invoice.MissingSince, "the draft is missing or not pending since"},
		{invoice.UpdatedAt, "last change: " + invoice.State},
		{invoice.LeaseUntil, "the lease of the present session ends"},
		{invoice.ExpiresAt, "the ledger may delete the record"},
	}
	if invoice.Claims != nil {
		moments = append(moments, moment{invoice.Claims.Date, "date of the invoice: earlier events are billed"}, moment{invoice.Claims.ClaimedAt, "events were claimed"})
	}
	moments = slices.DeleteFunc(moments, func(m moment) bool { return m.At == nil })
	slices.SortStableFunc(moments, func(a, b moment) int { return a.At.Compare(*b.At) })
	return moments
}

func (c *Console) showInvoice(r request) (response, error) {
	invoice, err := c.cfg.Operations.Invoice(r.Context(), r.FormValue("id"))
	if invoice.Ledger != nil {
		invoice.Ledger.Events = invoice.Ledger.Events[:min(len(invoice.Ledger.Events), maxRows)]
	}
	return response{template: "invoice", title: "Invoice " + invoice.ID, data: invoice}, err
}

func (c *Console) release(r request) (response, error) {
	order := settlement.Order{
		InvoiceID:  r.PostFormValue("id"),
		NotCharged: strings.TrimSpace(r.PostFormValue("assert-not-charged")),
		Reason:     strings.TrimSpace(r.PostFormValue("note")),
	}
	reason := order.Reason
	if order.NotCharged != "" {
		reason += " asserted as not charged: " + order.NotCharged
	}
	return c.begin(operation{
		Title: "Release the events of an invoice", Back: "/invoice?id=" + url.QueryEscape(order.InvoiceID), Filter: order.InvoiceID, Reason: reason, name: "release",
		apply: func(ctx context.Context, params runParams) (outcome, error) {
			order.DryRun = params.dryRun
			released, err := c.cfg.Operations.Release(ctx, order)
			if err != nil {
				return outcome{}, err
			}
			return outcome{Text: released.Summary(), Release: &released, Changes: released.Held}, nil
		},
	})
}

func (c *Console) showCalls(r request) (response, error) {
	rateLimit, err := c.cfg.Operations.RateLimit(r.Context())
	return response{template: "calls", title: "Pause and resume", data: rateLimit}, err
}

func (c *Console) pause(r request) (response, error) {
	reason := strings.TrimSpace(r.PostFormValue("note"))
	if reason == "" {
		return response{}, errBadRequest("a reason is required: all processes log it")
	}
	return c.begin(operation{
		Title: "Pause all calls to Chargebee", Back: "/calls", Filter: "all processes", Reason: reason, name: "pause",
		apply: func(ctx context.Context, params runParams) (outcome, error) {
			err := c.cfg.Operations.Pause(ctx, reason, params.dryRun)
			return outcome{Text: "All processes stop calling Chargebee within two seconds, until they are resumed.", Changes: err == nil}, err
		},
	})
}

func (c *Console) resume(r request) (response, error) {
	return c.begin(operation{
		Title: "Resume calls to Chargebee", Back: "/calls", Filter: "all processes", Reason: strings.TrimSpace(r.PostFormValue("note")), name: "resume",
		apply: func(ctx context.Context, params runParams) (outcome, error) {
			ended, err := c.cfg.Operations.Resume(ctx, params.dryRun)
			if err != nil || !ended.InForce() {
				return outcome{Text: "Calls are not paused."}, err
			}
			return outcome{Text: "All processes call Chargebee again within two seconds. They were paused: " + ended.Reason, Changes: true}, nil
		},
	})
}
