package consumer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// value returns a metric's value by its name and the values of its labels.
func value(t *testing.T, registry *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var values []string
			for _, label := range metric.GetLabel() {
				values = append(values, label.GetValue())
			}
			if family.GetName() == name && slices.Equal(values, labels) {
				return metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s%q", name, labels)
	return 0
}

// Alerts use increases: the series must exist before the first count.
func TestMetrics_StartAtZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	value(t, registry, "billable_settlements_total", "rejected", "duplicate_line")
	value(t, registry, "billable_messages_total", "done")
	value(t, registry, "billable_worker_failures_total", "handle")
	m.recordSession(settlement.Report{InvoiceID: "in_1", Reason: billing.LineRemoved, Outcome: queue.Outcome{Action: queue.DeadLetter}})
	if got := value(t, registry, "billable_revenue_at_risk_total", "line_removed"); got != 1 {
		t.Errorf("at risk: %g", got)
	}
	if got := value(t, registry, "billable_revenue_at_risk_total", "successor_unknown"); got != 0 {
		t.Errorf("at risk of another reason: %g", got)
	}
}

// Only the session that found an invoice to be unknown counts it.
func TestMetrics_UnknownInvoices(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	m.recordSession(settlement.Report{InvoiceID: "in_1", UnknownInvoice: true})
	m.recordSession(settlement.Report{InvoiceID: "in_1", Reason: billing.InvoiceNotPending, Outcome: queue.Outcome{Action: queue.DeadLetter}})
	if got := value(t, registry, "billable_unknown_invoices_total"); got != 1 {
		t.Errorf("unknown: %g", got)
	}
}

// Billed events, lines and amounts are counted by currency when the invoice is finished. An invoice that
// was closed without a charge is counted apart.
func TestMetrics_Billed(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	closed := func(billed settlement.Billed) settlement.Report {
		return settlement.Report{InvoiceID: "in_1", InvoiceOutcome: billing.Closed, Billed: billed, Outcome: queue.Outcome{Action: queue.Ack}}
	}
	m.recordSession(closed(settlement.Billed{CurrencyCode: "EUR", Events: 5, Lines: 2, Amount: 1234}))
	m.recordSession(closed(settlement.Billed{CurrencyCode: "EUR", Events: 1, Lines: 1, Amount: 6}))
	m.recordSession(closed(settlement.Billed{CurrencyCode: "EUR"}))
	for _, code := range []string{"", "eur", "EURO", "E1R", "\n"} { // only a forged webhook has them
		m.recordSession(closed(settlement.Billed{CurrencyCode: code, Events: 1, Lines: 1, Amount: 10}))
	}
	unfinished := closed(settlement.Billed{CurrencyCode: "EUR", Events: 1, Lines: 1, Amount: 1})
	unfinished.Outcome.Action = queue.Retry
	m.recordSession(unfinished)
	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"billable_billed_events_total", []string{"EUR"}, 6},
		{"billable_billed_lines_total", []string{"EUR"}, 3},
		{"billable_billed_amount_total", []string{"EUR"}, 1240},
		{"billable_billed_amount_total", []string{"other"}, 50},
		{"billable_settlements_total", []string{"closed", ""}, 7},
		{"billable_settlements_total", []string{"closed_without_charges", ""}, 1},
	} {
		if got := value(t, registry, want.name, want.labels...); got != want.value {
			t.Errorf("%s%q is %g, want %g", want.name, want.labels, got, want.value)
		}
	}
}

// A line in doubt that another process took over is no longer counted here.
func TestMetrics_DoubtOfOtherProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		m := newMetrics(registry)
		left := func(invoiceID string, after time.Duration) {
			m.recordSession(settlement.Report{InvoiceID: invoiceID, SendingSince: time.Now().Unix(), Outcome: queue.Outcome{Delay: after}})
		}
		expect := func(seconds float64) {
			t.Helper()
			if got := value(t, registry, "billable_sending_oldest_seconds"); got != seconds {
				t.Errorf("the oldest line in doubt is %g s old, want %g", got, seconds)
			}
		}
		left("in_1", 30*time.Minute)
		time.Sleep(10 * time.Minute)
		left("in_2", time.Minute)
		expect(600)
		time.Sleep(20 * time.Minute) // in_2 did not come back; in_1 is due
		expect(1800)
		m.recordSession(settlement.Report{InvoiceID: "in_1", Outcome: queue.Outcome{Action: queue.Ack}})
		expect(0)
		left("in_3", time.Minute)
		time.Sleep(17 * time.Minute)
		expect(0)
	})
}
