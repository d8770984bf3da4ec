// Package deadletter is what an operator does with dead letters: list them with what the
// ledger says about each, look at one and at what a replay of it would do, replay and
// discard them.
package deadletter

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
)

// Browser shows the messages of the dead-letter queue without taking them.
type Browser interface {
	// Browse calls visit for each message, a few at a time, until it returns false.
	// Once visit has returned, nobody may use its messages: they are given back.
	// complete says whether all were seen.
	Browse(ctx context.Context, visit func([]queue.Message) bool) (complete bool, err error)
}

// Heads reads the ledger's heads.
type Records interface {
	Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error)
}

// Ledger reads heads and plans. A plan that is not there is billing.ErrNotFound.
type Ledger interface {
	Records
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// NoLedger is the ledger state of a message whose invoice the ledger does not know.
const NoLedger = "none"

// Listing is what lies in the dead-letter queue.
type Listing struct {
	Complete bool     `json:"complete"` // every message was seen
	Messages []Letter `json:"messages"` // oldest first
	Groups   []Group  `json:"groups"`   // by reason, most frequent first
}

// Group is the dead letters of one reason.
type Group struct {
	Reason *string    `json:"reason"`
	Count  int        `json:"count"`
	Oldest *time.Time `json:"oldest"`  // when the first of them failed, or was put into the queue
	AtRisk []Amount   `json:"at_risk"` // by currency; each invoice counts once
}

// Amount is an amount of money.
type Amount struct {
	CurrencyCode *string `json:"currency_code"` // null: no message says it
	Amount       int64   `json:"amount"`        // minor units
}

// List shows the dead letters that the filter chooses at a time, with what the ledger says
// about their invoices. It is asked once the messages are given back.
func List(ctx context.Context, browser Browser, ledger Ledger, filter Filter, now time.Time) (Listing, error) {
	listing := Listing{Messages: []Letter{}, Groups: []Group{}}
	complete, err := browser.Browse(ctx, func(messages []queue.Message) bool {
		for _, message := range messages {
			if letter := read(message); filter.chooses(letter, now) {
				listing.Messages = append(listing.Messages, letter)
			}
		}
		return true
	})
	if err == nil {
		err = consultAll(ctx, ledger, listing.Messages)
	}
	if err != nil {
		return listing, err
	}
	listing.Complete = complete
	slices.SortFunc(listing.Messages, func(a, b Letter) int {
		return cmp.Or(compareTimes(a.FailedAt, b.FailedAt), cmp.Compare(a.MessageID, b.MessageID))
	})
	listing.Groups = group(listing.Messages)
	return listing, nil
}

// askedAtOnce is of how many letters the ledger is asked at the same time. It bounds the
// plans in memory.
const askedAtOnce = 16

// consultAll adds what the ledger says of the letters, until its first error.
func consultAll(ctx context.Context, ledger Ledger, letters []Letter) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	slots := make(chan struct{}, askedAtOnce)
	var asking sync.WaitGroup
	for i := range letters {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		asking.Go(func() {
			defer func() { <-slots }()
			if err := letters[i].weigh(ctx, ledger); err != nil {
				end(err)
			}
		})
	}
	asking.Wait()
	return context.Cause(ctx)
}

// group counts letters by reason. They come oldest first.
func group(letters []Letter) []Group {
	groups := []Group{}
	counted := map[string]bool{} // invoices, each under its reason
	for _, letter := range letters {
		i := slices.IndexFunc(groups, func(group Group) bool { return same(group.Reason, letter.Reason) })
		if i < 0 {
			groups = append(groups, Group{Reason: letter.Reason, AtRisk: []Amount{}})
			i = len(groups) - 1
		}
		groups[i].Count++
		if since := letter.since(); !since.IsZero() && (groups[i].Oldest == nil || since.Before(*groups[i].Oldest)) {
			groups[i].Oldest = &since
		}
		if charge := letter.ChargeAtRisk; charge != nil && *charge > 0 {
			if key := *letter.InvoiceID + "\x00" + orEmpty(letter.Reason); !counted[key] {
				counted[key] = true
				groups[i].add(Amount{letter.CurrencyCode, *charge})
			}
		}
	}
	slices.SortStableFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareTimes(a.Oldest, b.Oldest))
	})
	return groups
}

func (g *Group) add(amount Amount) {
	i, found := slices.BinarySearchFunc(g.AtRisk, amount, func(a, b Amount) int {
		return cmp.Compare(orEmpty(a.CurrencyCode), orEmpty(b.CurrencyCode))
	})
	if !found {
		g.AtRisk = slices.Insert(g.AtRisk, i, Amount{CurrencyCode: amount.CurrencyCode})
	}
	g.AtRisk[i].Amount += amount.Amount
}

func same(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

func orEmpty(value *string) string {
	if value == nil {
		return ""
	}
	return *value
}

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
