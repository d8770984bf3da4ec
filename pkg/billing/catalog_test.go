package billing_test

import (
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// TestCatalog draws a plan of every kind of line.
func TestCatalog(t *testing.T) {
	t.Parallel()
	catalog := billing.Catalog{
		"SMS.eu":  {ItemPriceID: "sms-EUR"},
		"storage": {Tax: billing.Tax{HSNCode: "998313", AvalaraTransactionType: new(int32)}},
		"unsold":  {ItemPriceID: "unsold-EUR"},
	}
	sms := event("a", "SMS.eu", "2.5")
	sms.Quantity, sms.Description = "1e240", "Text messages" // neither shows on the line
	fold := billing.NewFold(manifest)
	for _, event := range []billing.Event{sms, event("b", "calls", "3"), event("c", "storage", "4"), event("d", "sms.eu", "5")} {
		fold.Add(event)
	}
	lines, err := fold.Plan(0, catalog)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	item, plain, other, taxed := lines[0], lines[1], lines[2], lines[3]
	if item.ItemPriceID != "sms-EUR" || item.Amount != 2 || item.Marker != "" || item.Description != "" || item.IdempotencyKey == "" {
		t.Errorf("of an item price: %+v", item)
	}
	for _, line := range []billing.Line{plain, other} {
		if line.ItemPriceID != "" || line.Tax != (billing.Tax{}) || !strings.Contains(line.Description, line.Marker) || line.Marker == "" {
			t.Errorf("plain: %+v", line)
		}
	}
	if taxed.Tax != catalog["storage"].Tax || !strings.Contains(taxed.Description, line(taxed.Marker)) {
		t.Errorf("with tax fields: %+v", taxed)
	}
	for name, test := range map[string]struct {
		lines []billing.Line
		want  int
	}{
		"none":             {nil, billing.HeadVersion},
		"plain":            {[]billing.Line{plain, other}, billing.HeadVersion},
		"of an item price": {[]billing.Line{plain, item}, billing.CatalogHeadVersion},
		"with tax fields":  {[]billing.Line{taxed}, billing.CatalogHeadVersion},
		"with a type of 0": {[]billing.Line{{Tax: billing.Tax{AvalaraServiceType: new(int32)}}}, billing.CatalogHeadVersion},
	} {
		if got := (billing.Plan{Lines: test.lines}).HeadVersion(); got != test.want {
			t.Errorf("%s: version %d, want %d", name, got, test.want)
		}
	}
}

func line(marker string) string { return "[" + marker + "]" }

// ours are lines of which the first is of an item price; found is the first as
// Chargebee shows it.
func ours() (lines []billing.Line, found billing.InvoiceLine) {
	return []billing.Line{
			{SubscriptionID: "s1", ItemPriceID: "sms-EUR", Amount: 10, From: 100, To: 200},
			{SubscriptionID: "s1", Amount: 20, Marker: "bbbbbbbbbbbb"},
			{SubscriptionID: "s2", ItemPriceID: "sms-EUR", Amount: 30, From: 100, To: 200},
		}, billing.InvoiceLine{
			ID: "li_1", SubscriptionID: "s1", EntityType: billing.EntityChargeItemPrice, EntityID: "sms-EUR",
			Description: "Text messages", Amount: 10, From: 100, To: 200,
		}
}

// TestFingerprint counts and doubts lines of an item price.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change    func(*billing.InvoiceLine)
		own       string // the invoice's subscription
		count     int
		lookalike bool
	}{
		"as sent":                      {func(*billing.InvoiceLine) {}, "s1", 1, false},
		"another text":                 {func(l *billing.InvoiceLine) { l.Description = "as agreed" }, "s1", 1, false},
		"without subscription":         {func(l *billing.InvoiceLine) { l.SubscriptionID = "" }, "s1", 1, false},
		"without any subscription":     {func(l *billing.InvoiceLine) { l.SubscriptionID = "" }, "", 0, true},
		"another amount":               {func(l *billing.InvoiceLine) { l.Amount++ }, "s1", 0, true},
		"another beginning":            {func(l *billing.InvoiceLine) { l.From-- }, "s1", 0, true},
		"another end":                  {func(l *billing.InvoiceLine) { l.To++ }, "s1", 0, true},
		"rounded to days":              {func(l *billing.InvoiceLine) { l.From, l.To = 0, 86400 }, "s1", 0, true},
		"another item price":           {func(l *billing.InvoiceLine) { l.EntityID = "gb-EUR" }, "s1", 0, false},
		"of an addon":                  {func(l *billing.InvoiceLine) { l.EntityType = "addon_item_price" }, "s1", 0, false},
		"another subscription":         {func(l *billing.InvoiceLine) { l.SubscriptionID = "s9" }, "s1", 0, false},
		"the line of another of ours":  {func(l *billing.InvoiceLine) { l.SubscriptionID, l.Amount = "s2", 30 }, "", 0, false},
		"it stood there before":        {func(l *billing.InvoiceLine) { l.ID = "li_0" }, "s1", 0, false},
		"so did one of another amount": {func(l *billing.InvoiceLine) { l.ID, l.Amount = "li_0", 11 }, "s1", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			originals := []string{"li_0"}
			lines, found := ours()
			test.change(&found)
			invoice := billing.Invoice{SubscriptionID: test.own, Lines: []billing.InvoiceLine{found}}
			mark := lines[0].Mark()
			if got := invoice.Count(mark, originals); got != test.count || invoice.Marks(originals)[mark] != got {
				t.Errorf("it stands %d times, and %d times", got, invoice.Marks(originals)[mark])
			}
			if got := billing.Lookalike(invoice, lines, 0, originals); got != test.lookalike {
				t.Errorf("a lookalike: %t", got)
			}
			if billing.Lookalike(invoice, lines, 1, originals) {
				t.Error("an ad-hoc line looks like it")
			}
		})
	}
}

// TestMarksTellTheirLines to a person.
func TestMarksTellTheirLines(t *testing.T) {
	t.Parallel()
	lines, _ := ours()
	for i, want := range []string{
		"of item price sms-EUR for s1 from 1970-01-01T00:01:40Z to 1970-01-01T00:03:20Z",
		"with marker bbbbbbbbbbbb",
	} {
		if got := lines[i].Mark().String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if lines[0].Mark().Unique() || !lines[1].Mark().Unique() {
		t.Error("a marker is of one plan alone, a fingerprint is not")
	}
}

// TestJudgeFingerprints: once the successor is known, they say as much as markers.
func TestJudgeFingerprints(t *testing.T) {
	t.Parallel()
	lines, found := ours()
	edited := found
	edited.Amount = 11
	hers := found
	hers.ID = "li_0"
	for name, test := range map[string]struct {
		found   []billing.InvoiceLine
		verdict string
		certain bool
		reason  billing.Reason
	}{
		"it stands":                         {[]billing.InvoiceLine{found}, "srr", true, billing.InvoiceNotPending},
		"twice":                             {[]billing.InvoiceLine{found, found}, "hrr", false, billing.DuplicateLine},
		"changed":                           {[]billing.InvoiceLine{edited}, "hrr", false, billing.LineRemoved},
		"not there":                         {nil, "rrr", false, billing.InvoiceNotPending},
		"not there, one stood there before": {[]billing.InvoiceLine{hers}, "rrr", false, billing.InvoiceNotPending},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := billing.Judge(billing.Evidence{
				Lines: lines, Doubt: true, LineIDs: []string{"li_0"},
				Successor: &billing.Invoice{ID: "1", SubscriptionID: "s1", Lines: test.found},
			})
			if got.Verdict != test.verdict || got.Certain != test.certain || got.Reason != test.reason {
				t.Errorf("got %+v", got)
			}
		})
	}
}
