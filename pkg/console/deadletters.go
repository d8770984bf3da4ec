package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/deadletter"
)

// maxRows is the maximum number of rows of a page. Actions on all that match are not limited.
const maxRows = 500

// filterKeys are the fields of a form that select dead letters, as the flags of the commands.
var filterKeys = []string{"reason", "customer", "subscription", "invoice", "event", "older-than", "newer-than"}

// parseFilter returns the filter of a form, and its fields with a value.
func parseFilter(form url.Values) (filter deadletter.Filter, fields url.Values, err error) {
	fields = url.Values{}
	for _, key := range filterKeys {
		if value := strings.TrimSpace(form.Get(key)); value != "" {
			fields.Set(key, value)
		}
	}
	filter = deadletter.Filter{
		Customer: fields.Get("customer"), Subscription: fields.Get("subscription"), Invoice: fields.Get("invoice"), Event: fields.Get("event"),
	}
	var errs [3]error
	if fields.Has("reason") {
		filter.Reason, errs[0] = cli.ParseChoice(fields.Get("reason"), reasons())
	}
	if fields.Has("older-than") {
		filter.OlderThan, errs[1] = cli.ParseDuration(fields.Get("older-than"))
	}
	if fields.Has("newer-than") {
		filter.NewerThan, errs[2] = cli.ParseDuration(fields.Get("newer-than"))
	}
	if err := errors.Join(errs[:]...); err != nil {
		return filter, fields, errBadRequest(err)
	}
	return filter, fields, nil
}

// reasons are the values of the filter.
func reasons() []string {
	var all []string
	for _, reason := range billing.Reasons() {
		all = append(all, string(reason))
	}
	return append(all, deadletter.NoReason)
}

// orders are the columns by which dead letters are sorted.
var orders = map[string]func(a, b deadletter.Message) int{
	"failed":   func(a, b deadletter.Message) int { return failedAt(a).Compare(failedAt(b)) },
	"reason":   func(a, b deadletter.Message) int { return cmp.Compare(orEmpty(a.Reason), orEmpty(b.Reason)) },
	"invoice":  func(a, b deadletter.Message) int { return cmp.Compare(orEmpty(a.InvoiceID), orEmpty(b.InvoiceID)) },
	"customer": func(a, b deadletter.Message) int { return cmp.Compare(orEmpty(a.CustomerID), orEmpty(b.CustomerID)) },
	"at-risk":  func(a, b deadletter.Message) int { return cmp.Compare(charge(b), charge(a)) }, // the largest first
	"replays":  func(a, b deadletter.Message) int { return cmp.Compare(b.ReplayCount, a.ReplayCount) },
}

func failedAt(message deadletter.Message) time.Time {
	if message.FailedAt == nil {
		return time.Time{}
	}
	return *message.FailedAt
}

func charge(message deadletter.Message) int64 {
	if message.ChargeAtRisk == nil {
		return 0
	}
	return *message.ChargeAtRisk
}

// deadLettersView is the data of the page.
type deadLettersView struct {
	deadletter.Listing

	Fields  url.Values // of the filter
	Sort    string
	Reasons []string
	Orders  []string
	Matches int // messages; at most maxRows of them are in Messages
}

// Query returns the address of the page with one field changed.
func (v deadLettersView) Query(key, value string) string {
	fields := maps.Clone(v.Fields)
	fields.Set("sort", v.Sort)
	fields.Set(key, value)
	return "/dead-letters?" + fields.Encode()
}

func (c *Console) listDeadLetters(r request) error {
	filter, fields, err := parseFilter(r.URL.Query())
	if err != nil {
		return err
	}
	listing, err := c.cfg.Operations.DeadLetters(r.Context(), filter)
	if err != nil {
		return err
	}
	data := deadLettersView{listing, fields, r.URL.Query().Get("sort"), reasons(), slices.Sorted(maps.Keys(orders)), len(listing.Messages)}
	if order, ok := orders[data.Sort]; ok {
		slices.SortStableFunc(data.Messages, order)
	}
	data.Messages = data.Messages[:min(len(data.Messages), maxRows)]
	c.render(r, http.StatusOK, "dead-letters", "Dead letters", data)
	return nil
}

func (c *Console) showDeadLetter(r request) error {
	shown, invoice, err := c.cfg.Operations.DeadLetter(r.Context(), r.FormValue("id"))
	switch {
	case errors.Is(err, deadletter.ErrUnknown):
		return httpError{http.StatusNotFound, err.Error()}
	case err != nil:
		return err
	}
	c.render(r, http.StatusOK, "dead-letter", "Dead letter", struct {
		deadletter.Shown
		Invoice Invoice
	}{shown, invoice})
	return nil
}

// selection returns the filter of an action: the selected messages, or all that match.
func selection(r request) (filter deadletter.Filter, text string, err error) {
	if r.PostFormValue("scope") == "all" {
		filter, fields, err := parseFilter(r.PostForm)
		return filter, fields.Encode(), err
	}
	filter.Messages = map[string]bool{}
	for _, id := range r.PostForm["message"] {
		filter.Messages[id] = true
	}
	if len(filter.Messages) == 0 {
		return filter, "", errBadRequest(errors.New("nothing is selected: select dead letters, or all that match"))
	}
	return filter, fmt.Sprintf("%d selected: %s", len(filter.Messages), strings.Join(r.PostForm["message"][:min(len(filter.Messages), 20)], " ")), nil
}

func (c *Console) replay(r request) error {
	filter, text, err := selection(r)
	if err != nil {
		return err
	}
	options := deadletter.ReplayOptions{Filter: filter, DropDone: r.PostFormValue("drop-done") != ""}
	if limit := r.PostFormValue("limit"); limit != "" {
		if options.Limit, err = strconv.Atoi(limit); err != nil || options.Limit < 1 {
			return errBadRequest(fmt.Errorf("invalid limit %q: use a number from 1", limit))
		}
		text += " limit=" + limit
	}
	return c.begin(r, operation{
		Title: "Replay dead letters", Back: "/dead-letters", Filter: text, name: "replay",
		run: func(ctx context.Context, run run) (outcome, error) {
			options := options
			options.DryRun = run.dryRun
			if run.messages != nil {
				options.Messages, options.Limit = run.messages, 0
			}
			result, err := c.cfg.Operations.Replay(ctx, options, run.progress)
			return deadLetterOutcome(result), err
		},
	})
}

func (c *Console) discard(r request) error {
	filter, text, err := selection(r)
	note := strings.TrimSpace(r.PostFormValue("note"))
	switch {
	case err != nil:
		return err
	case filter.IsEmpty():
		return errBadRequest(deadletter.ErrNoFilter)
	case note == "":
		return errBadRequest(errors.New("a reason is required: it is archived with the messages"))
	}
	release := r.PostFormValue("release") != ""
	return c.begin(r, operation{
		Title: "Discard dead letters", Back: "/dead-letters", Filter: text, Reason: note, name: "discard",
		run: func(ctx context.Context, run run) (outcome, error) {
			options := deadletter.DiscardOptions{Filter: filter, Note: note, DryRun: run.dryRun}
			if run.messages != nil {
				options.Messages = run.messages
			}
			result, err := c.cfg.Operations.Discard(ctx, options, release, run.progress)
			return deadLetterOutcome(result), err
		},
	})
}

func orEmpty(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}
