package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/nullable"
)

// ErrUnknown means that the invoice is not in the ledger.
var ErrUnknown = errors.New("no such invoice")

// Records finds the records of invoices, and reads the items of their epochs.
type Records interface {
	// FindRecord returns the record of the invoice with the given draft or final id.
	FindRecord(ctx context.Context, id string) (record billing.Record, ok bool, err error)
	Claims
}

// Claims reads the items of an epoch. The error of a missing item is billing.ErrNotFound.
type Claims interface {
	Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error)
	Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error)
	Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error)
}

// Invoice is the state of one invoice in the ledger. Absent values are null. Fields without a comment are
// those of billing.Record.
type Invoice struct {
	InvoiceID      string     `json:"invoice_id"`
	State          string     `json:"state"`
	Resume         *string    `json:"resume"`
	Owner          *string    `json:"owner"`
	Generation     int64      `json:"generation"` // Record.Acquisitions
	Write          string     `json:"write"`      // Record.Version
	LeaseUntil     *time.Time `json:"lease_until"`
	Attempts       int        `json:"attempts"`
	Epoch          string     `json:"epoch"`
	Pages          int        `json:"pages"`
	Cursor         int        `json:"cursor"`
	SendingSince   *time.Time `json:"sending_since"`
	Doubt          bool       `json:"doubt"` // Record.InDoubt
	MissingSince   *time.Time `json:"gone_at"`
	Verdict        *string    `json:"verdict"` // Record.Dispositions
	Settled        int        `json:"settled"` // Record.ProcessedPages
	Outcome        *string    `json:"outcome"`
	Reason         *string    `json:"reason"`
	Detail         *string    `json:"detail"`
	FinalInvoiceID *string    `json:"final_invoice_id"`
	UpdatedAt      *time.Time `json:"updated_at"`
	ExpiresAt      *time.Time `json:"expires_at"`
	Version        int        `json:"version"` // Record.SchemaVersion
	HoldsClaims    bool       `json:"held"`    // events may be claimed for it
	Claims         *Claimed   `json:"claims"`  // null without a manifest, before the first claim or after expiry
	Lines          []Line     `json:"lines"`   // of its plan
	Events         []Event    `json:"events"`  // null unless asked for, and if Claims is null
}

// Claimed describes the claims of the current epoch.
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
	Marker         *string `json:"marker"` // null for the line of an item price
	State          string  `json:"state"`

	Description    *string    `json:"description"` // as sent; null for the line of an item price
	DateFrom       *time.Time `json:"date_from"`   // of the first event
	DateTo         *time.Time `json:"date_to"`     // of the last event, at least DateFrom + 1 s
	ItemPriceID    *string    `json:"item_price_id"`
	IdempotencyKey *string    `json:"idempotency_key"`
}

// Event is a claimed event, with its values at the time of the claim.
type Event struct {
	SubscriptionID string     `json:"subscription_id"`
	EventID        string     `json:"event_id"`
	OccurredAt     *time.Time `json:"occurred_at"`
	ChargeCode     *string    `json:"charge_code"`
	Amount         *string    `json:"amount"` // decimal, in minor units
	Quantity       *string    `json:"quantity"`
	CurrencyCode   *string    `json:"currency_code"`
	Fault          *string    `json:"fault"` // why it is invalid
	State          *string    `json:"state"` // of its line in the plan; null without a plan
}

// The states of a line.
const (
	Planned        = "planned"         // not sent
	Sending        = "sending"         // in doubt: sent, perhaps not added
	Added          = "added"           // on the invoice
	Held           = "held"            // perhaps charged: an operator must decide
	Released       = "released"        // not charged, or voided: its events are unbilled again, or become so
	Zero           = "zero"            // the amount is 0: never sent
	CarriedForward = "carried_forward" // a credit: never sent, its events are for the next invoice
)

// Show returns the state of the invoice with the draft or final id. It returns ErrUnknown without a record.
func Show(ctx context.Context, ledger Records, id string, withEvents bool) (Invoice, error) {
	record, plan, err := Find(ctx, ledger, id)
	if err != nil {
		return Invoice{}, err
	}
	return Describe(ctx, ledger, record, plan, withEvents)
}

// Find returns the record and the plan of the invoice with the draft or final id. The plan is empty if the
// ledger has none. Without a record, the error is ErrUnknown.
func Find(ctx context.Context, ledger Records, id string) (record billing.Record, plan billing.Plan, err error) {
	record, ok, err := ledger.FindRecord(ctx, id)
	if err != nil {
		return record, plan, err
	}
	if !ok {
		return record, plan, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	if plan, err = ledger.Plan(ctx, record.InvoiceID, record.Epoch); errors.Is(err, billing.ErrNotFound) {
		err = nil
	}
	return record, plan, err
}

// Describe returns the state of the invoice with this record and this plan, which may be empty.
func Describe(ctx context.Context, claims Claims, record billing.Record, plan billing.Plan, withEvents bool) (Invoice, error) {
	invoice := describeRecord(record, plan)
	var err error
	if invoice.Claims, err = describeClaims(ctx, claims, record); err != nil || invoice.Claims == nil {
		return invoice, err
	}
	for _, line := range plan.Lines {
		invoice.Claims.Events += line.Events
	}
	hasPlan := len(plan.Lines) > 0
	if hasPlan && !withEvents {
		return invoice, nil
	}
	events, err := readEvents(ctx, claims, record, invoice.Lines)
	if err != nil {
		return invoice, err
	}
	if !hasPlan { // no line has counted its events
		invoice.Claims.Events = len(events)
	}
	if withEvents {
		invoice.Events = events
	}
	return invoice, nil
}

// describeClaims describes the claims of the record's epoch, without Events. It returns nil without a manifest.
func describeClaims(ctx context.Context, claims Claims, record billing.Record) (*Claimed, error) {
	manifest, err := claims.Manifest(ctx, record.InvoiceID, record.Epoch)
	switch {
	case errors.Is(err, billing.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &Claimed{
		ClaimedAt:     nullable.Unix(manifest.ClaimedAt),
		Date:          nullable.Unix(manifest.Date),
		CurrencyCode:  manifest.CurrencyCode,
		CustomerID:    manifest.CustomerID,
		Subscriptions: manifest.Subscriptions,
		Pages:         record.Pages,
	}, nil
}

// readEvents returns the claimed events with the states of their lines. It ignores expired pages.
func readEvents(ctx context.Context, claims Claims, record billing.Record, lines []Line) ([]Event, error) {
	states := make(map[billing.LineKey]*string, len(lines))
	for _, line := range lines {
		states[billing.LineKey{SubscriptionID: line.SubscriptionID, ChargeCode: line.ChargeCode}] = nullable.String(line.State)
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
				OccurredAt:     nullable.Unix(event.OccurredAt),
				ChargeCode:     nullable.String(event.ChargeCode),
				Amount:         nullable.String(event.Amount),
				Quantity:       nullable.String(event.Quantity),
				CurrencyCode:   nullable.String(event.CurrencyCode),
				Fault:          nullable.String(event.Fault),
				State:          states[event.Line()],
			})
		}
	}
	return events, nil
}

func describeRecord(record billing.Record, plan billing.Plan) Invoice {
	return Invoice{
		InvoiceID:      record.InvoiceID,
		State:          string(record.State),
		Resume:         nullable.String(record.Resume),
		Owner:          nullable.String(record.Owner),
		Generation:     record.Acquisitions,
		Write:          record.Version,
		LeaseUntil:     nullable.Unix(record.LeaseUntil),
		Attempts:       record.Attempts,
		Epoch:          record.Epoch,
		Pages:          record.Pages,
		Cursor:         record.Cursor,
		SendingSince:   nullable.Unix(record.SendingSince),
		Doubt:          record.InDoubt,
		MissingSince:   nullable.Unix(record.MissingSince),
		Verdict:        nullable.String(record.Dispositions),
		Settled:        record.ProcessedPages,
		Outcome:        nullable.String(record.Outcome),
		Reason:         nullable.String(record.Reason),
		Detail:         nullable.String(record.Detail),
		FinalInvoiceID: nullable.String(record.FinalInvoiceID),
		UpdatedAt:      nullable.Unix(record.UpdatedAt),
		ExpiresAt:      nullable.Unix(record.ExpiresAt),
		Version:        record.SchemaVersion,
		HoldsClaims:    record.HoldsClaims(),
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
			Quantity:       nullable.String(line.Quantity),
			Events:         line.Events,
			Marker:         nullable.String(line.Marker),
			State:          lineState(record, i, line),
			Description:    nullable.String(line.Description),
			DateFrom:       nullable.Unix(line.From),
			DateTo:         nullable.Unix(line.To),
			ItemPriceID:    nullable.String(line.ItemPriceID),
			IdempotencyKey: nullable.String(line.IdempotencyKey),
		}
	}
	return described
}

// lineState returns the state of the i-th line of the plan.
func lineState(record billing.Record, i int, line billing.Line) string {
	switch {
	case line.IsCredit():
		return CarriedForward
	case !line.IsCharge():
		return Zero
	case record.Dispositions != "":
		return stateOf(record.Dispositions.Of(i))
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

func stateOf(disposition billing.Disposition) string {
	switch disposition {
	case billing.Charged:
		return Added
	case billing.NotCharged:
		return Released
	default:
		return Held
	}
}
