package chargebee_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// chargeSwitch is a charge whose default answer a switch of Config changes.
type chargeSwitch struct {
	name          string
	config        chargebee.Config
	subscriptions []string // defaults to ada-1
	item          bool     // the charge is of an item price
	form          string
	param         string // of the refusal; "": the charge is accepted
}

func (test chargeSwitch) send(t *testing.T) response {
	t.Helper()
	s := newSite(t, test.config)
	s.sell()
	if test.subscriptions == nil {
		test.subscriptions = []string{"ada-1"}
	}
	draft := s.renew(test.subscriptions...)
	if test.item {
		return s.must(itemRequest(draft.ID, test.form))
	}
	return s.must(request{path: "invoices/" + draft.ID + "/add_charge", form: "amount=7&" + test.form})
}

func TestChargeSwitches(t *testing.T) {
	t.Parallel()
	consolidated := []string{"ada-1", "ada-2"}
	const (
		equal = "description=d&line_item[date_from]=9&line_item[date_to]=9"
		seat  = "item_price[item_price_id]=seat"
		setup = "item_price[item_price_id]=setup"
	)
	emoji := "description=" + url.QueryEscape(strings.Repeat("😀", 126))
	for _, test := range []chargeSwitch{
		{name: "consolidated without subscription", subscriptions: consolidated, form: "description=d", param: "subscription_id"},
		{
			name: "consolidated without subscription, lenient", config: chargebee.Config{LenientSubscription: true},
			subscriptions: consolidated, form: "description=d",
		},
		{name: "given subscription", form: "description=d&subscription_id=ada-2", param: "subscription_id"},
		{name: "given subscription, accepted", config: chargebee.Config{AnySubscription: true}, form: "description=d&subscription_id=ada-2"},
		{
			name: "another customer's subscription, accepted", config: chargebee.Config{AnySubscription: true},
			form: "description=d&subscription_id=bob-1", param: "subscription_id",
		},
		{name: "no dates", form: "description=d"},
		{name: "equal dates", form: equal, param: "line_item[date_to]"},
		{name: "equal dates, accepted", config: chargebee.Config{EqualDates: true}, form: equal},
		{
			name: "equal dates of an item price", item: true,
			form: setup + "&item_price[date_from]=9&item_price[date_to]=9", param: "item_price[date_to]",
		},
		{name: "no dates of an item price", item: true, form: setup},
		{name: "252 code units", form: emoji, param: "description"},
		{name: "126 code points", config: chargebee.Config{DescriptionInCodePoints: true}, form: emoji},
		{name: "per unit without quantity", item: true, form: seat, param: "item_price[quantity]"},
		{name: "per unit without quantity, defaulted", config: chargebee.Config{QuantityDefaultsToOne: true}, item: true, form: seat},
		{name: "tiered without quantity", item: true, form: "item_price[item_price_id]=tiered", param: "item_price[unit_price]"},
		{name: "flat fee with quantity", item: true, form: setup + "&item_price[quantity]=3", param: "item_price[quantity]"},
		{
			name: "flat fee with quantity, ignored", config: chargebee.Config{IgnoresFlatFeeQuantity: true}, item: true,
			form: setup + "&item_price[quantity]=3",
		},
	} {
		answer := test.send(t)
		accepted := answer.status == http.StatusOK && test.param == ""
		refused := answer.status == http.StatusBadRequest && test.param != "" && answer.Param == test.param
		if !accepted && !refused {
			t.Errorf("%s: %d %s", test.name, answer.status, answer.raw)
		}
	}
}

// A charge that the switches accept has the expected line.
func TestAcceptedCharges(t *testing.T) {
	t.Parallel()
	lenient := chargebee.Config{
		LenientSubscription: true, AnySubscription: true, QuantityDefaultsToOne: true, IgnoresFlatFeeQuantity: true,
	}
	for _, test := range []struct {
		chargeSwitch

		subscription string
		amount       int64
		quantity     int32
	}{
		{chargeSwitch{name: "no subscription", subscriptions: []string{"ada-1", "ada-2"}, form: "description=d"}, "", 7, 1},
		{chargeSwitch{name: "another subscription", form: "description=d&subscription_id=ada-2"}, "ada-2", 7, 1},
		{chargeSwitch{name: "one unit", item: true, form: "item_price[item_price_id]=seat"}, "ada-1", 250, 1},
		{
			chargeSwitch{name: "flat fee", item: true, form: "item_price[item_price_id]=setup&item_price[quantity]=2"},
			"ada-1", 999, 1,
		},
	} {
		test.config = lenient
		lines := test.send(t).Invoice.LineItems
		if len(lines) < 2 {
			t.Errorf("%s: refused", test.name)
			continue
		}
		line := lines[len(lines)-1]
		if line.SubscriptionID != test.subscription || line.Amount != test.amount || line.Quantity != test.quantity {
			t.Errorf("%s: line %+v", test.name, line)
		}
	}
}

func TestRoundDates(t *testing.T) {
	t.Parallel()
	at := func(text string) int64 {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment.Unix()
	}
	from, to := at("2025-03-04T10:11:12Z"), at("2025-03-05T22:30:00Z")
	for _, test := range []struct {
		name           string
		config         chargebee.Config
		wantFrom, want int64
	}{
		{name: "default", wantFrom: from, want: to},
		{
			name: "UTC", config: chargebee.Config{RoundDates: true},
			wantFrom: at("2025-03-04T00:00:00Z"), want: at("2025-03-05T23:59:59Z"),
		},
		{
			name: "east", config: chargebee.Config{RoundDates: true, RoundDatesOffset: 2 * time.Hour},
			wantFrom: at("2025-03-04T00:00:00+02:00"), want: at("2025-03-06T23:59:59+02:00"),
		},
		{
			name: "west", config: chargebee.Config{RoundDates: true, RoundDatesOffset: -11 * time.Hour},
			wantFrom: at("2025-03-03T00:00:00-11:00"), want: at("2025-03-05T23:59:59-11:00"),
		},
	} {
		s := newSite(t, test.config)
		s.sell()
		draft := s.renew("ada-1")
		answer := s.must(itemRequest(draft.ID, "item_price[item_price_id]=setup&item_price[date_from]="+
			strconv.FormatInt(from, 10)+"&item_price[date_to]="+strconv.FormatInt(to, 10)))
		line := answer.Invoice.LineItems[1]
		if line.DateFrom != test.wantFrom || line.DateTo != test.want {
			t.Errorf("%s: from %d to %d, want %d to %d", test.name, line.DateFrom, line.DateTo, test.wantFrom, test.want)
		}
		adhoc := chargeRequest(draft.ID, "1", "")
		adhoc.form += "&line_item[date_from]=9&line_item[date_to]=12"
		if line := s.must(adhoc).Invoice.LineItems[2]; line.DateFrom != 9 || line.DateTo != 12 {
			t.Errorf("%s: ad-hoc line %+v", test.name, line)
		}
	}
}

func TestMaxAmount(t *testing.T) {
	t.Parallel()
	const largest = "9007199254740991"
	s := newSite(t, chargebee.Config{})
	s.sell()
	draft := s.renew("ada-2") // without a line
	if answer := s.charge(draft.ID, largest, ""); answer.status != http.StatusOK || answer.Invoice.Total != 1<<53-1 {
		t.Errorf("largest amount: %d %s", answer.status, answer.raw)
	}
	if answer := s.charge(draft.ID, "1", ""); answer.status != http.StatusBadRequest || answer.Param != "amount" {
		t.Errorf("larger total: %d %s", answer.status, answer.raw)
	}
	other := s.renew("ada-2")
	item := "item_price[item_price_id]=seat&item_price[quantity]="
	if answer := s.must(itemRequest(other.ID, item+"1&item_price[unit_price]="+largest)); answer.status != http.StatusOK {
		t.Errorf("largest unit price: %d %s", answer.status, answer.raw)
	}
	other = s.renew("ada-2")
	if answer := s.must(itemRequest(other.ID, item+"2&item_price[unit_price]="+largest)); answer.Param != "item_price[item_price_id]" {
		t.Errorf("larger product: %d %s", answer.status, answer.raw)
	}
	if _, err := s.AddLine(draft.ID, chargebee.LineItem{Amount: 1}); err == nil {
		t.Error("a manual line makes the total larger")
	}
}

func TestMaxLines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		limit int
		lines int // before the charge
		full  bool
	}{
		{name: "default, room for one", lines: 799},
		{name: "default, full", lines: 800, full: true},
		{name: "three, room for one", limit: 3, lines: 2},
		{name: "three, full", limit: 3, lines: 3, full: true},
		{name: "none", limit: -1, lines: 801},
	} {
		s := newSite(t, chargebee.Config{MaxLines: test.limit, WholeInvoices: true})
		draft := s.draftOf(test.lines)
		answer := s.charge(draft.ID, "1", "")
		if full := answer.status == http.StatusBadRequest && answer.Code == "resource_limit_exceeded"; full != test.full {
			t.Errorf("%s: %d %s", test.name, answer.status, answer.Code)
		}
		if got, _ := s.Invoice(draft.ID); (len(got.LineItems) == test.lines) != test.full {
			t.Errorf("%s: %d lines afterwards", test.name, len(got.LineItems))
		}
	}
}
