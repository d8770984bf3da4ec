package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/billable-events/billable/pkg/billing"
)

// attributeContent holds an item of an epoch as JSON: it does not change and is read as a whole.
const attributeContent = "content"

func manifestKey(invoiceID, epoch string) string { return invoiceID + "#" + epoch + "#m" }

func pageKey(invoiceID, epoch string, number int) string {
	return invoiceID + "#" + epoch + "#p" + strconv.Itoa(number)
}

func partKey(invoiceID, epoch string, number int) string {
	return invoiceID + "#" + epoch + "#l" + strconv.Itoa(number)
}

// storedPart is one part of a plan.
type storedPart struct {
	Parts int            `json:"parts"` // of the whole plan
	Lines []billing.Line `json:"lines"`
}

// Manifest returns the manifest of an epoch.
func (s *Store) Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error) {
	manifest := billing.Manifest{InvoiceID: invoiceID, Epoch: epoch}
	err := s.load(ctx, manifestKey(invoiceID, epoch), &manifest)
	return manifest, err
}

// Page returns one page of an epoch.
func (s *Store) Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error) {
	page := billing.Page{Number: number}
	err := s.load(ctx, pageKey(invoiceID, epoch, number), &page.Events)
	return page, err
}

// Plan returns the plan of an epoch.
func (s *Store) Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error) {
	var plan billing.Plan
	for number, parts := 0, 1; number < parts; number++ {
		var stored storedPart
		if err := s.load(ctx, partKey(invoiceID, epoch, number), &stored); err != nil {
			return plan, err
		}
		parts = stored.Parts
		plan.Lines = append(plan.Lines, stored.Lines...)
	}
	return plan, nil
}

// load decodes the content of an item of an epoch.
func (s *Store) load(ctx context.Context, key string, into any) error {
	found, err := s.get(ctx, key)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("%s: %w", key, billing.ErrNotFound)
	}
	if err := json.Unmarshal([]byte(reader(found).text(attributeContent)), into); err != nil {
		return fmt.Errorf("%s: content: %w", key, err)
	}
	return nil
}

func encodeManifest(manifest billing.Manifest) item {
	return content(manifestKey(manifest.InvoiceID, manifest.Epoch), manifest)
}

// encodePage encodes a page. It cuts descriptions to the part that a line can show.
func encodePage(record billing.Record, page billing.Page) item {
	events := slices.Clone(page.Events)
	for i := range events {
		events[i].Description = billing.Cut(events[i].Description, billing.MaxDescription)
	}
	return content(pageKey(record.InvoiceID, record.Epoch, page.Number), events)
}

func encodePlan(record billing.Record, plan billing.Plan) []item {
	parts := plan.Parts()
	items := make([]item, len(parts))
	for number, lines := range parts {
		items[number] = content(partKey(record.InvoiceID, record.Epoch, number), storedPart{Parts: len(parts), Lines: lines})
	}
	return items
}

// content returns an item of an epoch.
func content(key string, value any) item {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("dynamostore: " + err.Error()) // strings and numbers only
	}
	return item{attributeInvoiceID: text(key), attributeContent: text(string(encoded))}
}
