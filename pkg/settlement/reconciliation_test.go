package settlement_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/reconciliation"
)

// write puts an event into the table: code, amount, and further attributes as
// name=value; a value that is a number becomes one.
func (f *fixture) write(subscription, code, amount string, more ...string) string {
	f.t.Helper()
	item := f.event(subscription, code, amount, more...)
	if _, err := f.sdk.PutItem(f.t.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: item}); err != nil {
		f.t.Fatal(err)
	}
	return value(item, "event_id")
}

// event is the next event, as write puts it.
func (f *fixture) event(subscription, code, amount string, more ...string) map[string]types.AttributeValue {
	f.written++
	item := map[string]types.AttributeValue{
		"subscription_id": text(subscription),
		"event_id":        text(fmt.Sprintf("event_%05d", f.written)),
		"unbilled":        text(subscription),
		"occurred_at":     number(strconv.FormatInt(time.Now().Unix()-3600, 10)),
		"charge_code":     text(code),
		"amount":          number(amount),
		"currency_code":   text("EUR"),
	}
	for _, attribute := range more {
		name, value, _ := strings.Cut(attribute, "=")
		switch _, err := strconv.ParseFloat(value, 64); {
		case value == "":
			delete(item, name)
		case err == nil && name != "charge_code":
			item[name] = number(value)
		default:
			item[name] = text(value)
		}
	}
	return item
}

// correct makes an event billable.
func (f *fixture) correct(eventID string) { f.rewrite(eventID, "corrected", "3") }

// rewrite writes an event again, which a producer must not do.
func (f *fixture) rewrite(eventID, code, amount string) {
	f.t.Helper()
	written := f.written
	_, _ = fmt.Sscanf(eventID, "event_%d", &f.written)
	f.written--
	f.write("sub", code, amount)
	f.written = written
}

func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }

func number(value string) types.AttributeValue { return &types.AttributeValueMemberN{Value: value} }

func value(item map[string]types.AttributeValue, name string) string {
	switch value := item[name].(type) {
	case *types.AttributeValueMemberS:
		return value.Value
	case *types.AttributeValueMemberN:
		return value.Value
	default:
		return ""
	}
}

// events returns all events in the table, by id.
func (f *fixture) events() map[string]reconciliation.Event {
	f.t.Helper()
	all := map[string]reconciliation.Event{}
	pages := awsdynamodb.NewScanPaginator(f.sdk, &awsdynamodb.ScanInput{TableName: aws.String("events")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		for _, item := range page.Items {
			event := reconciliation.NewEvent(func(name string) string { return value(item, name) })
			if unbilled := value(item, "unbilled"); (unbilled != "") != (event.Status == "" || event.Status == billing.EventUnbilled) {
				f.t.Errorf("event %s is %q and shows in the index as %q", event.EventID, event.Status, unbilled)
			}
			all[event.EventID] = event
		}
	}
	return all
}

// statuses of the events, in the order of their writing.
func (f *fixture) statuses() string {
	events := f.events()
	var statuses []string
	for i := range f.written {
		statuses = append(statuses, cmp.Or(events[fmt.Sprintf("event_%05d", i+1)].Status, billing.EventUnbilled))
	}
	return strings.Join(statuses, " ")
}

func (f *fixture) wantStatuses(want string) {
	f.t.Helper()
	if got := f.statuses(); got != want {
		f.t.Errorf("events are %s, want %s", got, want)
	}
}

// adHoc are the ad-hoc lines on an invoice.
func (f *fixture) adHoc(id string) []chargebee.LineItem { return f.lines(id, chargebee.EntityAdhoc) }

// items are the lines of item prices on an invoice.
func (f *fixture) items(id string) []chargebee.LineItem {
	return f.lines(id, chargebee.EntityChargeItemPrice)
}

// lines are the lines of one kind on an invoice.
func (f *fixture) lines(id, entityType string) []chargebee.LineItem {
	invoice, _ := f.chargebee.Invoice(id)
	return slices.DeleteFunc(invoice.LineItems, func(line chargebee.LineItem) bool { return line.EntityType != entityType })
}

// invoices are all invoices at Chargebee that charge something.
func (f *fixture) invoices() []reconciliation.Invoice {
	var all []reconciliation.Invoice
	for _, invoice := range f.chargebee.Invoices() {
		if invoice.Deleted || invoice.Status == chargebee.StatusVoided {
			continue
		}
		all = append(all, reconciliation.NewInvoice(invoice))
	}
	return all
}

// itemPrices are the item prices of the settings, by charge code.
func (f *fixture) itemPrices() map[string]string {
	prices := map[string]string{}
	for code, product := range f.settings.Catalog {
		prices[code] = product.ItemPriceID
	}
	return prices
}

// wantReconciled compares owed, billed and ledger.
func (f *fixture) wantReconciled() {
	f.t.Helper()
	result := reconciliation.Compare(slices.Collect(maps.Values(f.events())), f.invoices(), f.itemPrices())
	for _, difference := range result.Differences {
		f.t.Error(difference)
	}
	for _, event := range f.notes.mismatched {
		f.t.Errorf("alarmed about %+v", event)
	}
}

// wantEachBilledOnce compares events and lines, invoice by invoice: each carries the lines of the
// events that are billed on it, and no other charge. Events that are not billed are on
// none.
func (f *fixture) wantEachBilledOnce() {
	f.t.Helper()
	billed := map[string][]reconciliation.Event{}
	for _, event := range f.events() {
		if event.Status == billing.EventBilled {
			billed[event.InvoiceID] = append(billed[event.InvoiceID], event)
		}
	}
	for _, invoice := range f.invoices() {
		result := reconciliation.Compare(billed[invoice.DraftID], []reconciliation.Invoice{invoice}, f.itemPrices())
		for _, difference := range result.Differences {
			f.t.Error(difference)
		}
		delete(billed, invoice.DraftID)
	}
	for id, events := range billed {
		f.t.Errorf("%d events are billed on %s, which does not exist", len(events), id)
	}
	for _, event := range f.notes.mismatched {
		f.t.Errorf("alarmed about %+v", event)
	}
}

// wantAllBilled compares all invoices with their events; no event is left.
func (f *fixture) wantAllBilled() {
	f.t.Helper()
	for _, event := range f.events() {
		if event.Status != billing.EventBilled {
			f.t.Errorf("got %+v", event)
		}
	}
	f.wantEachBilledOnce()
}
