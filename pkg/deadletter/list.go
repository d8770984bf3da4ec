package deadletter

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Browser reads the messages of the dead-letter queue.
type Browser interface {
	// Browse calls visit with the messages in batches, until visit returns false. When visit has returned,
	// others may receive the messages of its batch. complete reports whether all messages were visited.
	Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error)
}

// Records reads invoice records from the ledger.
type Records interface {
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)
}

// Ledger reads invoice records and plans. The error for a missing plan is billing.ErrNotFound.
type Ledger interface {
	Records
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Incomplete is the text for operators that explains why not all messages were visited.
const Incomplete = "some messages are in flight with another reader, or there are too many"

// NoLedger is the ledger state of a message whose invoice has no record.
const NoLedger = "none"

// Listing is the content of the dead-letter queue.
type Listing struct {
	Complete bool      `json:"complete"` // every message was visited
	Messages []Message `json:"messages"` // by FailedAt; those without FailedAt last
	Groups   []Group   `json:"groups"`   // by reason, most frequent first
}

// Group summarizes the messages of one reason.
type Group struct {
	Reason *string    `json:"reason"`
	Count  int        `json:"count"`
	Oldest *time.Time `json:"oldest"`  // when the first message failed, or was sent if that is unknown
	AtRisk []Amount   `json:"at_risk"` // by currency; of the messages of one invoice, only the first counts
}

// Amount is an amount of money.
type Amount struct {
	CurrencyCode *string `json:"currency_code"` // null if the messages have none
	Amount       int64   `json:"amount"`        // minor units
}

// List returns the messages that match the filter. now is the present time, for the filter by age. The records
// of the invoices are read after the browse, so that the messages are hidden for a shorter time.
func List(ctx context.Context, browser Browser, ledger Ledger, filter Filter, now time.Time) (Listing, error) {
	listing := Listing{Messages: []Message{}, Groups: []Group{}}
	complete, err := browser.Browse(ctx, func(batch []queue.Message) bool {
		for _, received := range batch {
			if message := describe(received); filter.selects(message, now) {
				listing.Messages = append(listing.Messages, message)
			}
		}
		return true
	})
	if err == nil {
		err = addRecords(ctx, ledger, listing.Messages)
	}
	if err != nil {
		return listing, err
	}
	listing.Complete = complete
	slices.SortFunc(listing.Messages, func(a, b Message) int {
		return cmp.Or(compareTimes(a.FailedAt, b.FailedAt), cmp.Compare(a.MessageID, b.MessageID))
	})
	listing.Groups = groupByReason(listing.Messages)
	return listing, nil
}

// maxConcurrentReads limits concurrent reads of the ledger, and with them the plans in memory.
const maxConcurrentReads = 16

// addRecords calls addRecordAndCharge for each message, until the first error.
func addRecords(ctx context.Context, ledger Ledger, messages []Message) error {
	reads, readCtx := errgroup.WithContext(ctx)
	reads.SetLimit(maxConcurrentReads)
	for i := range messages {
		if readCtx.Err() != nil {
			break
		}
		reads.Go(func() error { return messages[i].addRecordAndCharge(readCtx, ledger) })
	}
	return cmp.Or(reads.Wait(), context.Cause(ctx))
}

// groupByReason summarizes messages by reason.
func groupByReason(messages []Message) []Group {
	groups := []Group{}
	counted := map[string]bool{} // pairs of invoice and reason
	for _, message := range messages {
		i := slices.IndexFunc(groups, func(group Group) bool { return equal(group.Reason, message.Reason) })
		if i < 0 {
			groups = append(groups, Group{Reason: message.Reason, AtRisk: []Amount{}})
			i = len(groups) - 1
		}
		groups[i].Count++
		if at := message.failedOrSentAt(); !at.IsZero() && (groups[i].Oldest == nil || at.Before(*groups[i].Oldest)) {
			groups[i].Oldest = &at
		}
		if charge := message.ChargeAtRisk; charge != nil && *charge > 0 {
			if key := *message.InvoiceID + "\x00" + orEmpty(message.Reason); !counted[key] {
				counted[key] = true
				groups[i].addAmount(Amount{message.CurrencyCode, *charge})
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareTimes(a.Oldest, b.Oldest))
	})
	return groups
}

// addAmount adds the amount to the total of its currency.
func (g *Group) addAmount(amount Amount) {
	i, found := slices.BinarySearchFunc(g.AtRisk, amount, func(a, b Amount) int {
		return cmp.Compare(orEmpty(a.CurrencyCode), orEmpty(b.CurrencyCode))
	})
	if !found {
		g.AtRisk = slices.Insert(g.AtRisk, i, Amount{CurrencyCode: amount.CurrencyCode})
	}
	g.AtRisk[i].Amount += amount.Amount
}

func equal(a, b *string) bool { return (a == nil) == (b == nil) && orEmpty(a) == orEmpty(b) }

func orEmpty(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

// compareTimes orders absent times last.
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
