package billing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/billable-events/billable/pkg/billing"
)

var manifest = billing.Manifest{InvoiceID: "draft_1", Epoch: "epoch", CurrencyCode: "EUR", SubscriptionID: "s1"}

func event(id, code, amount string) billing.Event {
	return billing.Event{
		EventKey:     billing.EventKey{SubscriptionID: "s1", EventID: id},
		OccurredAt:   100,
		ChargeCode:   code,
		Amount:       amount,
		CurrencyCode: "EUR",
	}
}

func plan(t *testing.T, events ...billing.Event) []billing.Line {
	t.Helper()
	lines, err := foldAll(events, 0)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func foldAll(events []billing.Event, maxAmount int64) ([]billing.Line, error) {
	fold := billing.NewAggregator(manifest)
	for _, event := range events {
		fold.Add(event)
	}
	return fold.Plan(maxAmount, nil)
}

// A line is rounded once, half to even.
func TestPlan_Rounding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		amounts string
		want    int64
	}{
		{"0.5", 0},
		{"1.5", 2},
		{"2.5", 2},
		{"2.5000000000000000000000000000000001", 3},
		{"0.25 0.25", 0},
		{"0.3 0.3 0.3 0.3 0.3", 2},
		{"0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1 0.1", 1},
		{"12.5 1e2", 112},
		{"0 0.0", 0},
		{"9007199254740991", 9007199254740991},
		{"10 -4.5 -0.5", 5},
		{"1 -1.4", 0},
		{"1 -1.5", 0},
		{"1 -1.6", -1},
		{"-3", -3},
	} {
		var events []billing.Event
		for i, amount := range strings.Fields(test.amounts) {
			events = append(events, event(fmt.Sprint(i), "calls", amount))
		}
		if got := plan(t, events...)[0].Amount; got != test.want {
			t.Errorf("%s comes to %d, want %d", test.amounts, got, test.want)
		}
	}
}

func TestPlan_SortsAndSums(t *testing.T) {
	t.Parallel()
	second := event("z", "calls", "1")
	second.SubscriptionID = "s0"
	late := event("b", "calls", "2")
	late.OccurredAt, late.Quantity = 300, "2.50"
	early := event("a", "calls", "3")
	early.OccurredAt, early.Quantity = 50, "1e2"
	lines := plan(t, event("x", "storage", "4"), late, early, second)
	if len(lines) != 3 {
		t.Fatalf("got %d lines", len(lines))
	}
	var order []string
	for _, line := range lines {
		order = append(order, line.SubscriptionID+"/"+line.ChargeCode)
	}
	if got := strings.Join(order, " "); got != "s0/calls s1/calls s1/storage" {
		t.Errorf("in the order %s", got)
	}
	if got := lines[1]; got.Amount != 5 || got.Events != 2 || got.From != 50 || got.To != 300 || got.Quantity != "102.5" {
		t.Errorf("got %+v", got)
	}
}

func TestPlan_Description(t *testing.T) {
	t.Parallel()
	with := func(id, text, quantity string, at int64) billing.Event {
		e := event(id, "calls", "1")
		e.Description, e.Quantity, e.OccurredAt = text, quantity, at
		return e
	}
	long := strings.Repeat("ü", 300)
	for name, test := range map[string]struct {
		events []billing.Event
		want   string // <marker> stands for the marker
	}{
		"no text, no quantity":             {[]billing.Event{with("a", "", "", 1)}, "calls [<marker>]"},
		"the latest event's text":          {[]billing.Event{with("a", "new", "", 2), with("b", "old", "", 1)}, "new [<marker>]"},
		"the latest that has one":          {[]billing.Event{with("a", "old", "", 1), with("b", "", "", 2)}, "old [<marker>]"},
		"by event id at the same moment":   {[]billing.Event{with("b", "second", "", 1), with("a", "first", "", 1)}, "second [<marker>]"},
		"a quantity without exponent":      {[]billing.Event{with("a", "x", "1E+3", 1)}, "x (1000) [<marker>]"},
		"a quantity without zeros":         {[]billing.Event{with("a", "x", "1.500", 1)}, "x (1.5) [<marker>]"},
		"a quantity of zero":               {[]billing.Event{with("a", "x", "0", 1)}, "x (0) [<marker>]"},
		"quantities that some events lack": {[]billing.Event{with("a", "x", "2", 1), with("b", "x", "", 1)}, "x (2) [<marker>]"},
		"a long text":                      {[]billing.Event{with("a", long, "7", 1)}, strings.Repeat("ü", 230) + "… (7) [<marker>]"},
		"a long text of surrogate pairs":   {[]billing.Event{with("a", strings.Repeat("😀", 300), "7", 1)}, strings.Repeat("😀", 115) + "… (7) [<marker>]"},
		"a negative quantity":              {[]billing.Event{with("a", "x", "-2", 1), with("b", "x", "0.5", 1)}, "x (-1.5) [<marker>]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := plan(t, test.events...)[0]
			if want := strings.ReplaceAll(test.want, "<marker>", line.Marker); line.Description != want {
				t.Errorf("got  %q\nwant %q", line.Description, want)
			}
			if length := len(utf16.Encode([]rune(line.Description))); length > billing.MaxDescription {
				t.Errorf("it has %d code units", length)
			}
		})
	}
}

func TestPlan_Rejections(t *testing.T) {
	t.Parallel()
	spoilt := func(spoil func(*billing.Event)) []billing.Event {
		e := event("bad", "calls", "1")
		spoil(&e)
		return []billing.Event{event("good", "calls", "1"), e}
	}
	many := make([]billing.Event, billing.MaxLines+1)
	for i := range many {
		many[i] = event(fmt.Sprint(i), fmt.Sprintf("code_%04d", i), "1")
	}
	for name, test := range map[string]struct {
		events    []billing.Event
		maxAmount int64
		reason    billing.Reason
		detail    string
	}{
		"no amount":              {spoilt(func(e *billing.Event) { e.Amount = "" }), 0, billing.InvalidEvent, "s1/bad: amount is not a number"},
		"no charge code":         {spoilt(func(e *billing.Event) { e.ChargeCode = "" }), 0, billing.InvalidEvent, "s1/bad: charge_code is missing"},
		"another type":           {spoilt(func(e *billing.Event) { e.Fault = "amount is not a number" }), 0, billing.InvalidEvent, "s1/bad: amount is not a number"},
		"quantity a word":        {spoilt(func(e *billing.Event) { e.Quantity = "x" }), 0, billing.InvalidEvent, "quantity"},
		"foreign":                {spoilt(func(e *billing.Event) { e.CurrencyCode = "USD" }), 0, billing.CurrencyMismatch, `s1/bad: currency_code is "USD"`},
		"no currency":            {spoilt(func(e *billing.Event) { e.CurrencyCode = "" }), 0, billing.CurrencyMismatch, "s1/bad"},
		"invalid before both":    {append(spoilt(func(e *billing.Event) { e.CurrencyCode = "USD" }), event("worse", "", "1")), 1, billing.InvalidEvent, "worse"},
		"801 lines":              {many, 0, billing.LineLimits, "801 lines"},
		"2^53":                   {spoilt(func(e *billing.Event) { e.Amount = "9007199254740992" }), 0, billing.InvalidEvent, "s1/bad: amount is 9007199254740992"},
		"-2^53":                  {spoilt(func(e *billing.Event) { e.Amount = "-9007199254740992" }), 0, billing.InvalidEvent, "s1/bad: amount"},
		"1e30":                   {spoilt(func(e *billing.Event) { e.Amount = "1E+30" }), 0, billing.InvalidEvent, "s1/bad: amount is 1E+30"},
		"2^53 in one line":       {[]billing.Event{event("a", "calls", "9007199254740991"), event("b", "calls", "1")}, 0, billing.LineLimits, "at most EUR 90071992547409.91 is possible: the largest event is s1/a"},
		"2^53 together":          {[]billing.Event{event("a", "calls", "9007199254740991"), event("b", "storage", "1")}, 0, billing.LineLimits, "the invoice would amount to EUR 90071992547409.92, at most EUR 90071992547409.91 is possible: the largest event is s1/a (EUR 90071992547409.91)"},
		"a quantity too long":    {spoilt(func(e *billing.Event) { e.Quantity = "1e240" }), 0, billing.InvalidEvent, "s1/bad: quantity is 1e240"},
		"a charge code too long": {spoilt(func(e *billing.Event) { e.ChargeCode = strings.Repeat("ü", 101) }), 0, billing.InvalidEvent, "s1/bad: charge_code has 101 characters"},
		"a long description":     {spoilt(func(e *billing.Event) { e.Description = strings.Repeat("x", 4097) }), 0, billing.InvalidEvent, "s1/bad: description has 4097 bytes"},
		"an item too large":      {spoilt(func(e *billing.Event) { e.Size = billing.MaxEventSize + 1 }), 0, billing.InvalidEvent, "s1/bad: the item has 358401 bytes"},
		"above the limit":        {[]billing.Event{event("a", "calls", "60"), event("b", "storage", "41")}, 100, billing.AboveLimit, "the charges amount to EUR 1.01, invoice.max_amount is 100 (EUR 1.00): the largest event is s1/a (EUR 0.60)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := foldAll(test.events, test.maxAmount)
			rejection, ok := errors.AsType[*billing.Rejection](err)
			if !ok || rejection.Reason != test.reason || !strings.Contains(rejection.Detail, test.detail) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := foldAll([]billing.Event{event("a", "calls", "100.4")}, 100); err != nil {
		t.Errorf("the total of rounded lines counts: %v", err)
	}
	if _, err := foldAll(many[:billing.MaxLines], 0); err != nil {
		t.Errorf("800 lines are allowed: %v", err)
	}
	if _, err := foldAll([]billing.Event{event("a", "calls", "100"), event("b", "storage", "-100")}, 100); err != nil {
		t.Errorf("credits of other lines do not count: %v", err)
	}
}

func TestPlan_CountsFaults(t *testing.T) {
	t.Parallel()
	var events []billing.Event
	for i := range 300 {
		events = append(events, event(fmt.Sprintf("bad%d", i), "", "1"))
	}
	_, err := foldAll(events, 0)
	if err == nil || !strings.Contains(err.Error(), "s1/bad0: ") || !strings.Contains(err.Error(), "and 290 more") {
		t.Errorf("got %v", err)
	}
}

// The sum equals that of the events in another order.
func TestPlan_SumIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amounts := rapid.SliceOfN(rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,9})?`), 1, 50).Draw(t, "amounts")
		fold, total := billing.NewAggregator(manifest), decimal.Zero
		for i, amount := range amounts {
			fold.Add(event(fmt.Sprint(i), "calls", amount))
			total = total.Add(decimal.RequireFromString(amounts[len(amounts)-1-i]))
		}
		lines, err := fold.Plan(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := total.RoundBank(0).IntPart(); lines[0].Amount != want {
			t.Errorf("got %d, want %d", lines[0].Amount, want)
		}
	})
}

func TestPlan_FitsLedgerItems(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(0, billing.MaxLines).Draw(t, "lines")
		id := strings.Repeat("s", rapid.IntRange(1, 2048).Draw(t, "id"))
		var plan billing.Plan
		for range count {
			plan.Lines = append(plan.Lines, billing.Line{SubscriptionID: id, ChargeCode: "code", Description: strings.Repeat("ü", 250), ItemPriceID: strings.Repeat("ü", 100)})
		}
		parts, lines := plan.Parts(), 0
		for _, part := range parts {
			size := 0
			for _, line := range part {
				size += len(line.SubscriptionID) + len(line.Description) + len(line.ItemPriceID)
			}
			if size > 300<<10 {
				t.Errorf("a part has %d bytes", size)
			}
			lines += len(part)
		}
		if lines != count || len(parts) < 1 || len(parts) > 10 {
			t.Errorf("%d lines in %d parts, want %d lines", lines, len(parts), count)
		}
	})
}

// Texts are cut by characters and by bytes, and not within a character.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text       string
		most       int
		characters string
		bytes      string
	}{
		{"", 0, "", ""},
		{"abcde", 5, "abcde", "abcde"},
		{"abcdef", 5, "abcd…", "ab…"},
		{"üöä", 6, "üöä", "üöä"},
		{"üöäß", 7, "üöäß", "üö…"},
		{"üöäß", 3, "üö…", "…"},
		{"abcd", 2, "a…", ""},
		{"😀😀😀", 6, "😀😀😀", "…"},
		{"😀😀😀", 5, "😀😀…", "…"},
		{"😀😀😀", 4, "😀…", "…"},
	} {
		if got := billing.Cut(test.text, test.most); got != test.characters {
			t.Errorf("%q cut to %d characters is %q, want %q", test.text, test.most, got, test.characters)
		}
		if got := billing.CutBytes(test.text, test.most); got != test.bytes {
			t.Errorf("%q cut to %d bytes is %q, want %q", test.text, test.most, got, test.bytes)
		}
	}
}

// It is at least the actual size, and not much more.
func TestEncodedSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<", ">", "&", `"`, `\`, "\x00", "\n", "\x7f", "\u2028", "\u2029", "\ufffd", "\xff", "😀"}))
		text := strings.Join(rapid.SliceOf(piece).Draw(t, "text"), "")
		encoded, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := billing.EncodedSize(text), len(encoded)-2; got < want || got > 3*want {
			t.Errorf("%q takes %d bytes, %d are counted", text, want, got)
		}
	})
}

// Lines and amount that the invoice already has are counted.
func TestPlan_Originals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		originals int
		amount    int64 // of each
		codes     int
		reason    billing.Reason
	}{
		"as many as fit":        {790, 1, 10, ""},
		"one more":              {791, 1, 10, billing.LineLimits},
		"nothing to charge":     {800, 1, 0, ""},
		"the largest amount":    {1, billing.MaxAmount - 1, 1, ""},
		"above the largest one": {1, billing.MaxAmount, 1, billing.LineLimits},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			described := manifest
			for range test.originals {
				described.Originals = append(described.Originals, billing.InvoiceLine{Amount: test.amount})
			}
			fold := billing.NewAggregator(described)
			for i := range test.codes {
				fold.Add(event(fmt.Sprint(i), fmt.Sprintf("code_%d", i), "1"))
			}
			_, err := fold.Plan(0, nil)
			rejection, _ := errors.AsType[*billing.Rejection](err)
			if (rejection == nil) != (test.reason == "") || rejection != nil && rejection.Reason != test.reason {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The dates are those of the first and the last event, and never equal.
func TestPlan_Dates(t *testing.T) {
	t.Parallel()
	later := event("b", "calls", "1")
	later.OccurredAt = 300
	if line := plan(t, event("a", "calls", "1"))[0]; line.From != 100 || line.To != 101 {
		t.Errorf("one event: from %d to %d", line.From, line.To)
	}
	if line := plan(t, event("a", "calls", "1"), later)[0]; line.From != 100 || line.To != 300 {
		t.Errorf("two events: from %d to %d", line.From, line.To)
	}
}
