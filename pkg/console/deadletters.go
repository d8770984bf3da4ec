package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/billable-events/billable/pkg/deadletter"
)

const (
	maxRows      = 500 // of a table. Actions on all matching dead letters are not limited
	maxListedIDs = 20  // in the description of a selection
)

// filterFlags are the names of form fields, and of the flags of the dlq commands with the same values.
var filterFlags = []string{"reason", "customer", "subscription", "invoice", "event", "older-than", "newer-than"}

// parseFilter returns the filter of a form, and the fields that are not empty.
func (c *Console) parseFilter(form url.Values) (filter deadletter.Filter, fields url.Values, err error) {
	fields = url.Values{}
	for _, flag := range filterFlags {
		if value := strings.TrimSpace(form.Get(flag)); value != "" {
			fields.Set(flag, value)
		}
	}
	if filter, err = c.cfg.Operations.Filter(fields); err != nil {
		err = errBadRequest(err.Error())
	}
	return filter, fields, err
}

// orders has the comparison for each column that can sort dead letters. The default is by the time of failure.
var orders = map[string]func(a, b deadletter.Message) int{
	"reason":   func(a, b deadletter.Message) int { return cmp.Compare(orZero(a.Reason), orZero(b.Reason)) },
	"invoice":  func(a, b deadletter.Message) int { return cmp.Compare(orZero(a.InvoiceID), orZero(b.InvoiceID)) },
	"customer": func(a, b deadletter.Message) int { return cmp.Compare(orZero(a.CustomerID), orZero(b.CustomerID)) },
	"at-risk":  func(a, b deadletter.Message) int { return cmp.Compare(orZero(b.ChargeAtRisk), orZero(a.ChargeAtRisk)) }, // descending
	"replays":  func(a, b deadletter.Message) int { return cmp.Compare(b.ReplayCount, a.ReplayCount) },
}

type deadLettersView struct {
	deadletter.Listing

	Fields  url.Values // of the filter
	Sort    string     // a key of orders, or another text for the default
	Matches int        // number of matching dead letters, of which Messages has up to maxRows
}

func (c *Console) listDeadLetters(r request) (response, error) {
	filter, fields, err := c.parseFilter(r.URL.Query())
	if err != nil {
		return response{}, err
	}
	listing, err := c.cfg.Operations.DeadLetters(r.Context(), filter)
	if err != nil {
		return response{}, err
	}
	data := deadLettersView{listing, fields, r.URL.Query().Get("sort"), len(listing.Messages)}
	if order, ok := orders[data.Sort]; ok {
		slices.SortStableFunc(data.Messages, order)
	}
	data.Messages = data.Messages[:min(len(data.Messages), maxRows)]
	return response{template: "dead-letters", title: "Dead letters", data: data}, nil
}

func (c *Console) showDeadLetter(r request) (response, error) {
	deadLetter, err := c.cfg.Operations.DeadLetter(r.Context(), r.FormValue("id"))
	return response{template: "dead-letter", title: "Dead letter", data: deadLetter}, err
}

// parseSelection returns the filter of an action, for the selected dead letters or for all matching ones, and its
// description.
func (c *Console) parseSelection(r request) (filter deadletter.Filter, text string, err error) {
	if r.PostFormValue("scope") == "all" {
		filter, fields, err := c.parseFilter(r.PostForm)
		return filter, fields.Encode(), err
	}
	filter.Messages = map[string]bool{}
	for _, id := range r.PostForm["message"] {
		filter.Messages[id] = true
	}
	if len(filter.Messages) == 0 {
		return filter, "", errBadRequest("nothing is selected: select dead letters, or all that match")
	}
	listed := r.PostForm["message"][:min(len(filter.Messages), maxListedIDs)]
	return filter, fmt.Sprintf("%d selected: %s", len(filter.Messages), strings.Join(listed, " ")), nil
}

func (c *Console) replay(r request) (response, error) {
	filter, text, err := c.parseSelection(r)
	if err != nil {
		return response{}, err
	}
	options := deadletter.ReplayOptions{Filter: filter, DropDone: r.PostFormValue("drop-done") != ""}
	if limit := r.PostFormValue("limit"); limit != "" {
		if options.Limit, err = strconv.Atoi(limit); err != nil || options.Limit < 1 {
			return response{}, errBadRequest("invalid limit " + strconv.Quote(limit) + ": use a number from 1")
		}
		text += " limit=" + limit
	}
	return c.begin(operation{
		Title: "Replay dead letters", Back: "/dead-letters", Filter: text, name: "replay",
		apply: func(ctx context.Context, params runParams) (outcome, error) {
			options := options
			options.DryRun = params.dryRun
			if params.messages != nil {
				options.Filter, options.Limit = deadletter.Filter{Messages: params.messages}, 0
			}
			result, err := c.cfg.Operations.Replay(ctx, options, params.progress)
			return deadLetterOutcome(result), err
		},
	})
}

func (c *Console) discard(r request) (response, error) {
	filter, text, err := c.parseSelection(r)
	note := strings.TrimSpace(r.PostFormValue("note"))
	switch {
	case err != nil:
		return response{}, err
	case filter.IsEmpty():
		return response{}, errBadRequest(deadletter.ErrNoFilter.Error())
	case note == "":
		return response{}, errBadRequest("a reason is required: it is archived with the messages")
	}
	release := r.PostFormValue("release") != ""
	return c.begin(operation{
		Title: "Discard dead letters", Back: "/dead-letters", Filter: text, Reason: note, name: "discard",
		apply: func(ctx context.Context, params runParams) (outcome, error) {
			options := deadletter.DiscardOptions{Filter: filter, Note: note, DryRun: params.dryRun}
			if params.messages != nil {
				options.Filter = deadletter.Filter{Messages: params.messages}
			}
			result, err := c.cfg.Operations.Discard(ctx, options, release, params.progress)
			return deadLetterOutcome(result), err
		},
	})
}

// orZero returns the value, or the zero value if it is absent.
func orZero[T any](value *T) (zero T) {
	if value == nil {
		return zero
	}
	return *value
}
