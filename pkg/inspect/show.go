package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// ErrUnknown says that the ledger knows no such invoice.
var ErrUnknown = errors.New("inspect: no such invoice")

// Heads finds heads.
type Records interface {
	// FindHead returns the head of the invoice with the given draft or final id.
	FindRecord(ctx context.Context, id string) (record billing.Record, ok bool, err error)
}

// Claims reads what belongs to an epoch; what is not there is billing.ErrNotFound.
type Claims interface {
	Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error)
	Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error)
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Query asks for an invoice.
type Query struct {
	ID     string // of the draft, or the final one
	Events bool   // with all claimed events
}

// Invoice is what the ledger knows of one invoice. Absent values are null.
type Invoice struct {
	InvoiceID      string     `json:"invoice_id"`
	State          string     `json:"state"`
	Resume         *string    `json:"resume"`
	Owner          *string    `json:"owner"`
	Generation     int64      `json:"generation"`
	Write          string     `json:"write"`
	LeaseUntil     *time.Time `json:"lease_until"`
	Attempts       int        `json:"attempts"`
	Epoch          string     `json:"epoch"`
	Pages          int        `json:"pages"`
	Cursor         int        `json:"cursor"`
	SendingSince   *time.Time `json:"sending_since"`
	Doubt          bool       `json:"doubt"`
	GoneAt         *time.Time `json:"gone_at"`
	Verdict        *string    `json:"verdict"`
	Settled        int        `json:"settled"`
	Outcome        *string    `json:"outcome"`
	Reason         *string    `json:"reason"`
	Detail         *string    `json:"detail"`
	FinalInvoiceID *string    `json:"final_invoice_id"`
	UpdatedAt      *time.Time `json:"updated_at"`
	ExpiresAt      *time.Time `json:"expires_at"`
	Version        int        `json:"version"`
	Held           bool       `json:"held"`   // events are claimed for it, and neither billed nor given back
	Claims         *Claimed   `json:"claims"` // null before anything is claimed, and once it expired
	Lines          []Line     `json:"lines"`
	Events         []Event    `json:"events"` // null unless asked for
}

// Claimed is what the present epoch claimed, and what its first message said.
type Claimed struct {
	ClaimedAt     *time.Time `json:"claimed_at"`
	Date          *time.Time `json:"date"` // only events before it are billed
	CurrencyCode  string     `json:"currency_code"`
	CustomerID    string     `json:"customer_id"`
	Subscriptions []string   `json:"subscriptions"`
	Pages         int        `json:"pages"`
	Events        int        `json:"events"`
}

// Line is one line of the invoice's plan.
type Line struct {
	SubscriptionID string  `json:"subscription_id"`
	ChargeCode     string  `json:"charge_code"`
	Amount         int64   `json:"amount"` // minor units
	Quantity       *string `json:"quantity"`
	Events         int     `json:"events"`
	Marker         *string `json:"marker"` // the line of an item price has none
	State          string  `json:"state"`

	Description    *string    `json:"description"` // as sent; the line of an item price has none
	DateFrom       *time.Time `json:"date_from"`   // of the first event
	DateTo         *time.Time `json:"date_to"`     // of the last event
	ItemPriceID    *string    `json:"item_price_id"`
	IdempotencyKey *string    `json:"idempotency_key"`
}

// Event is a claimed event, its values as they were when it was claimed.
type Event struct {
	SubscriptionID string     `json:"subscription_id"`
	EventID        string     `json:"event_id"`
	OccurredAt     *time.Time `json:"occurred_at"`
	ChargeCode     *string    `json:"charge_code"`
	Amount         *string    `json:"amount"` // decimal, in minor units
	Quantity       *string    `json:"quantity"`
	CurrencyCode   *string    `json:"currency_code"`
	Fault          *string    `json:"fault"` // why it cannot be read
	State          *string    `json:"state"` // of its line; null without a plan
}

// The states of a line.
const (
	Planned  = "planned"  // not sent
	Sending  = "sending"  // sent; whether it stands on the invoice is not known
	Added    = "added"    // stands on the invoice
	Held     = "held"     // may have been charged: a person has to look
	Released = "released" // never charged; its events are unbilled again
	Zero     = "zero"     // comes to nothing and is not sent

	CarriedForward = "carried_forward" // a credit: not sent, its events are for the next invoice
)

// Show returns what the ledger knows of an invoice, or ErrUnknown.
func Show(ctx context.Context, records Records, claims Claims, query Query) (Invoice, error) {
	record, ok, err := records.FindRecord(ctx, query.ID)
	if err != nil {
		return Invoice{}, err
	}
	if !ok {
		return Invoice{}, fmt.Errorf("%w: %s", ErrUnknown, query.ID)
	}
	plan, err := claims.Plan(ctx, record.InvoiceID, record.Epoch)
	planned := err == nil
	if err != nil && !errors.Is(err, billing.ErrNotFound) {
		return Invoice{}, err
	}
	invoice := describe(record, plan)
	if invoice.Claims, err = claimed(ctx, claims, record); err != nil || invoice.Claims == nil {
		return invoice, err
	}
	for _, line := range plan.Lines {
		invoice.Claims.Events += line.Events
	}
	if planned && !query.Events {
		return invoice, nil
	}
	events, err := claimedEvents(ctx, claims, record, invoice.Lines)
	if err != nil {
		return invoice, err
	}
	if !planned { // nothing else knows how many there are
		invoice.Claims.Events = len(events)
	}
	if query.Events {
		invoice.Events = events
	}
	return invoice, nil
}

// claimed describes the epoch; nil when there is none, or no longer.
func claimed(ctx context.Context, claims Claims, record billing.Record) (*Claimed, error) {
	manifest, err := claims.Manifest(ctx, record.InvoiceID, record.Epoch)
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Claimed{
		ClaimedAt:     instant(manifest.ClaimedAt),
		Date:          instant(manifest.Date),
		CurrencyCode:  manifest.CurrencyCode,
		CustomerID:    manifest.CustomerID,
		Subscriptions: manifest.Subscriptions,
		Pages:         record.Pages,
	}, nil
}

// claimedEvents reads the claimed events, each in the state of its line. Pages that expired
// are left out.
func claimedEvents(ctx context.Context, claims Claims, record billing.Record, lines []Line) ([]Event, error) {
	states := make(map[billing.LineKey]*string, len(lines))
	for _, line := range lines {
		states[billing.LineKey{SubscriptionID: line.SubscriptionID, ChargeCode: line.ChargeCode}] = text(line.State)
	}
	events := []Event{}
	for number := range record.Pages {
		page, err := claims.Page(ctx, record.InvoiceID, record.Epoch, number)
		if errors.Is(err, billing.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, event := range page.Events {
			events = append(events, Event{
				SubscriptionID: event.SubscriptionID,
				EventID:        event.EventID,
				OccurredAt:     instant(event.OccurredAt),
				ChargeCode:     text(event.ChargeCode),
				Amount:         text(event.Amount),
				Quantity:       text(event.Quantity),
				CurrencyCode:   text(event.CurrencyCode),
				Fault:          text(event.Fault),
				State:          states[event.Line()],
			})
		}
	}
	return events, nil
}

func describe(record billing.Record, plan billing.Plan) Invoice {
	return Invoice{
		InvoiceID:      record.InvoiceID,
		State:          string(record.State),
		Resume:         text(record.Resume),
		Owner:          text(record.Owner),
		Generation:     record.Acquisitions,
		Write:          record.Version,
		LeaseUntil:     instant(record.LeaseUntil),
		Attempts:       record.Attempts,
		Epoch:          record.Epoch,
		Pages:          record.Pages,
		Cursor:         record.Cursor,
		SendingSince:   instant(record.SendingSince),
		Doubt:          record.InDoubt,
		GoneAt:         instant(record.MissingSince),
		Verdict:        text(record.Dispositions),
		Settled:        record.ProcessedPages,
		Outcome:        text(record.Outcome),
		Reason:         text(record.Reason),
		Detail:         text(record.Detail),
		FinalInvoiceID: text(record.FinalInvoiceID),
		UpdatedAt:      instant(record.UpdatedAt),
		ExpiresAt:      instant(record.ExpiresAt),
		Version:        record.SchemaVersion,
		Held:           record.HoldsClaims(),
		Lines:          Lines(record, plan.Lines),
	}
}

// Lines describes the lines of an invoice's plan.
func Lines(record billing.Record, lines []billing.Line) []Line {
	described := make([]Line, len(lines))
	for i, line := range lines {
		described[i] = Line{
			SubscriptionID: line.SubscriptionID,
			ChargeCode:     line.ChargeCode,
			Amount:         line.Amount,
			Quantity:       text(line.Quantity),
			Events:         line.Events,
			Marker:         text(line.Marker),
			State:          lineState(record, i, line),
			Description:    text(line.Description),
			DateFrom:       instant(line.From),
			DateTo:         instant(line.To),
			ItemPriceID:    text(line.ItemPriceID),
			IdempotencyKey: text(line.IdempotencyKey),
		}
	}
	return described
}

// lineState says where a line stands, by the head alone.
func lineState(record billing.Record, i int, line billing.Line) string {
	switch {
	case line.IsCredit():
		return CarriedForward
	case !line.IsCharge():
		return Zero
	case record.Dispositions != "":
		return decidedState(record.Dispositions.Of(i))
	case record.State == billing.Releasing, record.Resume == billing.Releasing, record.Resume == billing.Claiming:
		return Released
	case i < record.Cursor:
		return Added
	case i == record.Cursor && record.IsSending():
		return Sending
	default:
		return Planned
	}
}

// decidedState returns the state of a line whose disposition is decided.
func decidedState(disposition billing.Disposition) string {
	switch disposition {
	case billing.Charged:
		return Added
	case billing.NotCharged:
		return Released
	default:
		return Held
	}
}

func text[S ~string](value S) *string {
	if value == "" {
		return nil
	}
	return new(string(value))
}

// instant is nil for a time that is not set, or that RFC 3339 cannot say: events are what
// others wrote.
func instant(seconds int64) *time.Time {
	moment := time.Unix(seconds, 0).UTC()
	if year := moment.Year(); seconds == 0 || year < 0 || year > 9999 {
		return nil
	}
	return &moment
}
