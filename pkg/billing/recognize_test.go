package billing_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/billing"
)

// itemLines is a plan whose first line is of an item price, and that line as Chargebee shows
// it.
func itemLines() (plan []billing.Line, found billing.InvoiceLine) {
	return []billing.Line{
			{SubscriptionID: "s1", ItemPriceID: "sms-EUR", Amount: 10, From: 100_000, To: 200_000},
			{SubscriptionID: "s1", Amount: 20, Marker: "bbbbbbbbbbbb"},
			{SubscriptionID: "s2", ItemPriceID: "sms-EUR", Amount: 30, From: 100_000, To: 200_000},
		}, billing.InvoiceLine{
			ID: "li_1", SubscriptionID: "s1", EntityType: billing.EntityChargeItemPrice, EntityID: "sms-EUR",
			Description: "Text messages", Amount: 10, From: 100_000, To: 200_000,
		}
}

// The line of an item price is recognized, or a similar one is reported.
func TestRecognize_ItemPrice(t *testing.T) {
	t.Parallel()
	const day = 24 * 60 * 60
	for name, test := range map[string]struct {
		change    func(*billing.InvoiceLine)
		own       string // the invoice's subscription
		count     int
		resembles bool
	}{
		"as sent":                          {func(*billing.InvoiceLine) {}, "s1", 1, false},
		"another text":                     {func(l *billing.InvoiceLine) { l.Description = "as agreed" }, "s1", 1, false},
		"without subscription":             {func(l *billing.InvoiceLine) { l.SubscriptionID = "" }, "s1", 1, false},
		"without any subscription":         {func(l *billing.InvoiceLine) { l.SubscriptionID = "" }, "", 0, true},
		"another amount":                   {func(l *billing.InvoiceLine) { l.Amount++ }, "s1", 0, true},
		"dates rounded to the day in UTC":  {func(l *billing.InvoiceLine) { l.From, l.To = day, 3*day-1 }, "s1", 1, false},
		"rounded in another time zone":     {func(l *billing.InvoiceLine) { l.From, l.To = 100_000-day+1, 200_000+day-1 }, "s1", 1, false},
		"another beginning":                {func(l *billing.InvoiceLine) { l.From -= day }, "s1", 0, true},
		"another end":                      {func(l *billing.InvoiceLine) { l.To += day }, "s1", 0, true},
		"another item price":               {func(l *billing.InvoiceLine) { l.EntityID = "gb-EUR" }, "s1", 0, false},
		"of an addon":                      {func(l *billing.InvoiceLine) { l.EntityType = "addon_item_price" }, "s1", 0, false},
		"another subscription":             {func(l *billing.InvoiceLine) { l.SubscriptionID = "s9" }, "s9", 0, true},
		"of an earlier edit":               {func(l *billing.InvoiceLine) { l.SubscriptionID = "s9" }, "", 0, true},
		"another subscription of the plan": {func(l *billing.InvoiceLine) { l.SubscriptionID, l.Amount = "s2", 31 }, "", 0, false},
		"another line of the plan":         {func(l *billing.InvoiceLine) { l.SubscriptionID, l.Amount = "s2", 30 }, "", 0, false},
		"an original":                      {func(l *billing.InvoiceLine) { l.ID = "li_0" }, "s1", 0, false},
		"an original of another amount":    {func(l *billing.InvoiceLine) { l.ID, l.Amount = "li_0", 11 }, "s1", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, found := itemLines()
			test.change(&found)
			recognized := billing.Recognize(billing.Invoice{SubscriptionID: test.own, Lines: []billing.InvoiceLine{found}}, plan, []billing.InvoiceLine{{ID: "li_0"}})
			if got := recognized.Counts[0]; got != test.count {
				t.Errorf("it is there %d times, want %d", got, test.count)
			}
			if got := recognized.Resembles(0); got != test.resembles {
				t.Errorf("a line resembles it: %t", got)
			}
			if recognized.Resembles(1) {
				t.Error("the line of an item price resembles an ad-hoc line")
			}
		})
	}
}

// Our lines are distinguished from equal ones that were there before, also if the close changed the ids.
func TestRecognize_Originals(t *testing.T) {
	t.Parallel()
	plan, ours := itemLines()
	original := ours
	original.ID, original.Description = "li_0", ""
	withID := func(line billing.InvoiceLine, id string) billing.InvoiceLine { line.ID = id; return line }
	plain := billing.InvoiceLine{ID: "li_2", SubscriptionID: "s1", EntityType: "plan_item_price", EntityID: "team", Amount: 4900}
	for name, test := range map[string]struct {
		status    string
		originals []billing.InvoiceLine
		lines     []billing.InvoiceLine
		count     int
		resembles bool
	}{
		"on the draft, by id":                        {billing.StatusPending, []billing.InvoiceLine{original}, []billing.InvoiceLine{original, ours}, 1, false},
		"on the draft, the original was removed":     {billing.StatusPending, []billing.InvoiceLine{original}, []billing.InvoiceLine{ours}, 1, false},
		"issued, ids kept":                           {"paid", []billing.InvoiceLine{original}, []billing.InvoiceLine{original, ours}, 1, false},
		"issued, ids kept, ours is missing":          {"paid", []billing.InvoiceLine{original}, []billing.InvoiceLine{original}, 0, false},
		"issued, new ids":                            {"paid", []billing.InvoiceLine{original}, []billing.InvoiceLine{withID(original, "li_8"), withID(ours, "li_9")}, 1, true},
		"issued, new ids, one of two is left":        {"paid", []billing.InvoiceLine{original}, []billing.InvoiceLine{withID(ours, "li_9")}, 0, true},
		"issued, new ids, another original":          {"paid", []billing.InvoiceLine{plain}, []billing.InvoiceLine{withID(plain, "li_8"), withID(ours, "li_9")}, 1, false},
		"issued, new ids, originals by webhook":      {"paid", []billing.InvoiceLine{{ID: "li_0"}}, []billing.InvoiceLine{withID(original, "li_8"), withID(ours, "li_9")}, 2, false},
		"issued, new ids, of which one is kept":      {"paid", []billing.InvoiceLine{original, plain}, []billing.InvoiceLine{plain, withID(original, "li_8"), withID(ours, "li_9")}, 2, false},
		"issued, an original without a subscription": {"paid", []billing.InvoiceLine{withoutSubscription(original)}, []billing.InvoiceLine{withID(original, "li_8"), withID(ours, "li_9")}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			invoice := billing.Invoice{SubscriptionID: "s1", Status: test.status, Lines: test.lines}
			recognized := billing.Recognize(invoice, plan, test.originals)
			if got := recognized.Counts[0]; got != test.count {
				t.Errorf("it is there %d times, want %d", got, test.count)
			}
			if got := recognized.Resembles(0); got != test.resembles {
				t.Errorf("a line resembles it: %t", got)
			}
		})
	}
}

func withoutSubscription(line billing.InvoiceLine) billing.InvoiceLine {
	line.SubscriptionID = ""
	return line
}

// The result equals that of a simple search, on descriptions with many brackets.
func TestRecognize_Markers(t *testing.T) {
	t.Parallel()
	markers := []string{"aaaaaaaaaaaa", "bbbbbbbbbbbb", "c2c3c4c5c6c7"}
	var plan []billing.Line
	for _, marker := range markers {
		plan = append(plan, billing.Line{Marker: marker, Amount: 1})
	}
	originals := []billing.InvoiceLine{{ID: "li_3"}}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(
			rapid.SampledFrom([]string{"[", "]", "[]", "[short]", "[aaaaaaaaaaaa", "aaaaaaaaaaaa]", "[[aaaaaaaaaaaa]]", "ü", " "}),
			rapid.Map(rapid.SampledFrom(markers), func(marker string) string { return "[" + marker + "]" }),
		)
		var invoice billing.Invoice
		for range rapid.IntRange(0, 4).Draw(t, "lines") {
			invoice.Lines = append(invoice.Lines, billing.InvoiceLine{
				ID:          rapid.SampledFrom([]string{"li_1", "li_2", "li_3"}).Draw(t, "id"),
				EntityType:  billing.EntityAdHoc,
				Description: strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "text"), ""),
			})
		}
		want := make([]int, len(plan))
		for _, line := range invoice.Lines {
			for i, marker := range markers {
				if line.ID != "li_3" && strings.Contains(line.Description, "["+marker+"]") {
					want[i]++
				}
			}
		}
		if got := billing.Recognize(invoice, plan, originals).Counts; !slices.Equal(got, want) {
			t.Errorf("%+v: got %v, want %v", invoice.Lines, got, want)
		}
	})
}

func TestLine_Identity(t *testing.T) {
	t.Parallel()
	plan, _ := itemLines()
	for i, want := range []string{
		"of item price sms-EUR for s1 from 1970-01-02T03:46:40Z to 1970-01-03T07:33:20Z",
		"with marker bbbbbbbbbbbb",
	} {
		if got := plan[i].Identity(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestReconcile_ItemPrice decides on lines of item prices of a known final invoice.
func TestReconcile_ItemPrice(t *testing.T) {
	t.Parallel()
	plan, found := itemLines()
	edited := found
	edited.Amount = 11
	original := found
	original.ID = "li_0"
	for name, test := range map[string]struct {
		found   []billing.InvoiceLine
		verdict string
		certain bool
		reason  billing.Reason
	}{
		"it is there":               {[]billing.InvoiceLine{found}, "srr", true, billing.InvoiceNotPending},
		"twice":                     {[]billing.InvoiceLine{found, found}, "hrr", false, billing.DuplicateLine},
		"edited":                    {[]billing.InvoiceLine{edited}, "hrr", false, billing.LineRemoved},
		"missing":                   {nil, "rrr", false, billing.InvoiceNotPending},
		"missing, an original is":   {[]billing.InvoiceLine{original}, "rrr", false, billing.InvoiceNotPending},
		"new ids, only one of both": {[]billing.InvoiceLine{{ID: "li_9", SubscriptionID: "s1", EntityType: found.EntityType, EntityID: found.EntityID, Amount: 10, From: found.From, To: found.To}}, "hrr", false, billing.LineRemoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			originals := []billing.InvoiceLine{{ID: "li_0"}}
			if name == "new ids, only one of both" {
				originals = []billing.InvoiceLine{original}
			}
			got := billing.Reconcile(billing.ReconcileInput{
				Lines: plan, InDoubt: true, Originals: originals,
				Final: &billing.Invoice{ID: "1", Status: "paid", SubscriptionID: "s1", Lines: test.found},
			})
			if got.Dispositions != billing.Dispositions(test.verdict) || got.Certain != test.certain || got.Reason != test.reason {
				t.Errorf("got %+v", got)
			}
		})
	}
}
