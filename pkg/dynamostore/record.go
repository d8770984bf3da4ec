package dynamostore

import (
	"context"

	"github.com/billable-events/billable/pkg/billing"
)

// Record returns the record of the invoice with the given draft id. ok is false if there is none, also if the key is
// that of another item: only records have a state.
func (s *Store) Record(ctx context.Context, invoiceID string) (record billing.Record, ok bool, err error) {
	found, err := s.get(ctx, invoiceID)
	if err != nil || found == nil {
		return record, false, err
	}
	record = decodeRecord(found)
	return record, record.State != "", nil
}

// FindRecord returns the record of the invoice with the given draft or final id. ok is false if there is none.
func (s *Store) FindRecord(ctx context.Context, id string) (record billing.Record, ok bool, err error) {
	record, ok, err = s.Record(ctx, id)
	if ok || err != nil {
		return record, ok, err
	}
	lookup, err := s.get(ctx, finalKey(id))
	if err != nil || lookup == nil {
		return record, false, err
	}
	return s.Record(ctx, reader(lookup).text("draft_id"))
}

// finalKey returns the key of the item that maps a final invoice id to the draft id.
func finalKey(finalInvoiceID string) string { return "#final#" + finalInvoiceID }

// encodeRecord returns the item of a record. Some attributes still have an earlier name of their field.
func encodeRecord(record billing.Record) item {
	w := writer{attributeInvoiceID: text(record.InvoiceID)}
	w.text("state", string(record.State))
	w.text("resume", string(record.Resume))
	w.text("owner", record.Owner)
	w.number("generation", record.Acquisitions)
	w.text(attributeWrite, record.Version)
	w.number("lease_until", record.LeaseUntil)
	w.number("attempts", int64(record.Attempts))
	w.text("epoch", record.Epoch)
	w.number("pages", int64(record.Pages))
	w.number("cursor", int64(record.Cursor))
	w.number("sending_since", record.SendingSince)
	w.text("sent_with", record.SentWith)
	w.flag("doubt", record.InDoubt)
	w.number("gone_at", record.MissingSince)
	w.flag("refused", record.Refused)
	w.number("close_refusals", int64(record.CloseRefusals))
	w.text("verdict", string(record.Dispositions))
	w.number("settled", int64(record.ProcessedPages))
	w.text("outcome", string(record.Outcome))
	w.text("reason", string(record.Reason))
	w.text("detail", record.Detail)
	w.text("final_invoice_id", record.FinalInvoiceID)
	w.number("updated_at", record.UpdatedAt)
	w.number(attributeExpiresAt, record.ExpiresAt)
	w.number("version", int64(record.SchemaVersion))
	return item(w)
}

func decodeRecord(from item) billing.Record {
	r := reader(from)
	return billing.Record{
		InvoiceID:      r.text(attributeInvoiceID),
		State:          billing.State(r.text("state")),
		Resume:         billing.State(r.text("resume")),
		Owner:          r.text("owner"),
		Acquisitions:   r.number("generation"),
		Version:        r.text(attributeWrite),
		LeaseUntil:     r.number("lease_until"),
		Attempts:       int(r.number("attempts")),
		Epoch:          r.text("epoch"),
		Pages:          int(r.number("pages")),
		Cursor:         int(r.number("cursor")),
		SendingSince:   r.number("sending_since"),
		SentWith:       r.text("sent_with"),
		InDoubt:        r.flag("doubt"),
		MissingSince:   r.number("gone_at"),
		Refused:        r.flag("refused"),
		CloseRefusals:  int(r.number("close_refusals")),
		Dispositions:   billing.Dispositions(r.text("verdict")),
		ProcessedPages: int(r.number("settled")),
		Outcome:        billing.Outcome(r.text("outcome")),
		Reason:         billing.Reason(r.text("reason")),
		Detail:         r.text("detail"),
		FinalInvoiceID: r.text("final_invoice_id"),
		UpdatedAt:      r.number("updated_at"),
		ExpiresAt:      r.number(attributeExpiresAt),
		SchemaVersion:  int(r.number("version")),
	}
}
