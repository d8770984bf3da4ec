package dynamostore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/billable-events/billable/pkg/billing"
)

// attributeContent holds a manifest, a page or a part of a plan as JSON: it is never updated, and read as a whole.
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
	Parts int            `json:"parts"` // number of parts of the plan
	Lines []billing.Line `json:"lines"`
}

// Manifest returns the manifest of an epoch. The error is billing.ErrNotFound if there is none.
func (s *Store) Manifest(ctx context.Context, invoiceID, epoch string) (billing.Manifest, error) {
	manifest := billing.Manifest{InvoiceID: invoiceID, Epoch: epoch}
	err := s.load(ctx, manifestKey(invoiceID, epoch), &manifest)
	return manifest, err
}

// Page returns one page of an epoch. The error is billing.ErrNotFound if there is none.
func (s *Store) Page(ctx context.Context, invoiceID, epoch string, number int) (billing.Page, error) {
	page := billing.Page{Number: number}
	err := s.load(ctx, pageKey(invoiceID, epoch, number), &page.Events)
	return page, err
}

// Plan returns the plan of an epoch. The error is billing.ErrNotFound if a part is missing.
func (s *Store) Plan(ctx context.Context, invoiceID, epoch string) (billing.Plan, error) {
	var plan billing.Plan
	for number, parts := 0, 1; number < parts; number++ { // each part has the number of parts
		var stored storedPart
		if err := s.load(ctx, partKey(invoiceID, epoch, number), &stored); err != nil {
			return plan, err
		}
		parts = stored.Parts
		plan.Lines = append(plan.Lines, stored.Lines...)
	}
	return plan, nil
}

// load decodes the content of a manifest, page or part. The error is billing.ErrNotFound if there is no such item.
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
	return contentItem(manifestKey(manifest.InvoiceID, manifest.Epoch), manifest)
}

// encodePage returns the item of a page. It cuts descriptions to the length that a line can have.
func encodePage(record billing.Record, page billing.Page) item {
	events := slices.Clone(page.Events)
	for i := range events {
		events[i].Description = billing.Cut(events[i].Description, billing.MaxDescription)
	}
	return contentItem(pageKey(record.InvoiceID, record.Epoch, page.Number), events)
}

func encodePlan(record billing.Record, plan billing.Plan) []item {
	parts := plan.Parts()
	items := make([]item, len(parts))
	for number, lines := range parts {
		items[number] = contentItem(partKey(record.InvoiceID, record.Epoch, number), storedPart{Parts: len(parts), Lines: lines})
	}
	return items
}

// contentItem returns the item of a manifest, a page or a part.
func contentItem(key string, value any) item {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("dynamostore: " + err.Error()) // impossible for these types
	}
	return item{attributeInvoiceID: text(key), attributeContent: text(string(encoded))}
}
