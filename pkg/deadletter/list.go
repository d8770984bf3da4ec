// Package deadletter is what an operator does with dead letters: list, and see what
// the ledger says about each.
package deadletter

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/queue"
)

// Browser shows the messages of the dead-letter queue without taking them.
type Browser interface {
	// Browse calls visit for each message until it returns false. complete says
	// whether all were seen.
	Browse(ctx context.Context, visit func(queue.Message) bool) (complete bool, err error)
}

// Heads reads the ledger.
type Heads interface {
	Head(ctx context.Context, invoiceID string) (head billing.Head, ok bool, err error)
}

// NoLedger is the ledger state of a message whose invoice the ledger does not know.
const NoLedger = "none"

// Listing is what lies in the dead-letter queue.
type Listing struct {
	Complete bool     `json:"complete"` // every message was seen
	Messages []Letter `json:"messages"` // oldest first
	Groups   []Group  `json:"groups"`   // by reason, most frequent first
}

// Letter is one dead letter. What is not known is null.
type Letter struct {
	MessageID       string     `json:"message_id"`
	EventID         *string    `json:"event_id"`
	InvoiceID       *string    `json:"invoice_id"`
	CustomerID      *string    `json:"customer_id"`
	SubscriptionIDs []string   `json:"subscription_ids"`
	Reason          *string    `json:"reason"` // null: moved by the queue itself
	Detail          *string    `json:"detail"`
	FailedAt        *time.Time `json:"failed_at"`
	ReceivedAt      *time.Time `json:"received_at"` // by the receiver
	ReceiveCount    int        `json:"receive_count"`
	ReplayCount     int        `json:"replay_count"`
	LedgerState     string     `json:"ledger_state"`

	sent        time.Time // into the queue
	holdsClaims bool      // events are claimed for its invoice
}

// Group is the dead letters of one reason.
type Group struct {
	Reason *string    `json:"reason"`
	Count  int        `json:"count"`
	Oldest *time.Time `json:"oldest"` // when the first of them failed
}

// List shows the dead letters that the filter chooses at a time, with what the ledger says
// about their invoices.
func List(ctx context.Context, browser Browser, heads Heads, filter Filter, now time.Time) (Listing, error) {
	listing := Listing{Messages: []Letter{}, Groups: []Group{}}
	var failed error
	complete, err := browser.Browse(ctx, func(message queue.Message) bool {
		letter, err := read(ctx, heads, message)
		if filter.chooses(letter, now) {
			listing.Messages = append(listing.Messages, letter)
		}
		failed = err
		return err == nil
	})
	if err := errors.Join(failed, err); err != nil {
		return listing, err
	}
	listing.Complete = complete
	slices.SortFunc(listing.Messages, func(a, b Letter) int {
		return cmp.Or(compareTimes(a.FailedAt, b.FailedAt), cmp.Compare(a.MessageID, b.MessageID))
	})
	listing.Groups = group(listing.Messages)
	return listing, nil
}

// read describes one dead letter. Its body counts more than its attributes, which
// messages from elsewhere may lack.
func read(ctx context.Context, heads Heads, message queue.Message) (Letter, error) {
	letter := Letter{
		MessageID:       message.ID,
		EventID:         text(message.Attributes[queue.AttributeEventID]),
		InvoiceID:       text(message.Attributes[queue.AttributeInvoiceID]),
		SubscriptionIDs: []string{},
		Reason:          text(message.Attributes[queue.AttributeReason]),
		Detail:          text(message.Attributes[queue.AttributeDetail]),
		FailedAt:        instant(message.Attributes[queue.AttributeFailedAt]),
		ReceivedAt:      instant(message.Attributes[queue.AttributeReceivedAt]),
		ReceiveCount:    message.ReceiveCount,
		ReplayCount:     message.ReplayCount(),
		LedgerState:     NoLedger,
		sent:            message.SentAt,
	}
	if webhook, err := event.ParseMessage(message.Body); err == nil {
		letter.EventID = cmp.Or(text(webhook.ID), letter.EventID)
		letter.InvoiceID = cmp.Or(text(webhook.Invoice.ID), letter.InvoiceID)
		letter.CustomerID = text(webhook.Invoice.CustomerID)
		letter.SubscriptionIDs = subscriptions(webhook.Invoice)
	}
	if letter.InvoiceID == nil {
		return letter, nil
	}
	head, ok, err := heads.Head(ctx, *letter.InvoiceID)
	if err != nil || !ok || head.State == "" { // an item without a state is one of the ledger's own
		return letter, err
	}
	letter.LedgerState, letter.holdsClaims = string(head.State), holdsClaims(head)
	if letter.Reason == nil { // the queue moved it: the ledger's last error says more than nothing
		letter.Detail = text(head.Detail)
	}
	return letter, nil
}

func subscriptions(invoice event.Invoice) []string {
	if invoice.SubscriptionID != "" {
		return []string{invoice.SubscriptionID}
	}
	distinct := map[string]bool{}
	for _, line := range invoice.LineItems {
		if line.SubscriptionID != "" {
			distinct[line.SubscriptionID] = true
		}
	}
	found := slices.Sorted(maps.Keys(distinct))
	if found == nil {
		found = []string{}
	}
	return found
}

// group counts letters by reason. They come oldest first.
func group(letters []Letter) []Group {
	groups := []Group{}
	for _, letter := range letters {
		i := slices.IndexFunc(groups, func(group Group) bool { return same(group.Reason, letter.Reason) })
		if i < 0 {
			groups = append(groups, Group{Reason: letter.Reason, Oldest: letter.FailedAt})
			i = len(groups) - 1
		}
		groups[i].Count++
		if groups[i].Oldest == nil {
			groups[i].Oldest = letter.FailedAt
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(b.Count, a.Count) })
	return groups
}

func same(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// compareTimes orders unknown times last.
func compareTimes(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return a.Compare(*b)
	}
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func instant(value string) *time.Time {
	parsed, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return nil
	}
	parsed = parsed.UTC()
	if year := parsed.Year(); year < 0 || year > 9999 { // moved out of RFC 3339 by its offset
		return nil
	}
	return &parsed
}
