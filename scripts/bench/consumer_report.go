package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const consumerIntroduction = "Consumers are the real binary, each in its own process; the fakes of SQS, DynamoDB and Chargebee are another process, " +
	"on loopback, without faults, limits or latency unless a table has them. Messages, events and pending invoices exist before the consumers " +
	"start. Polls are held back until every consumer is ready and idle: its usage until then (/proc/PID/stat, user and system) does not count. " +
	"The time runs from then until the last message is deleted. After each scenario billed and expected charges are compared, and Chargebee must " +
	"have been called once for each line and once for each invoice. CPU is per invoice, of all consumers together; memory is the peak of the " +
	"largest one (VmHWM)."

// chargebeeLatency is the time of a call where consumers wait for Chargebee as in production.
const chargebeeLatency = 100 * time.Millisecond

// ConsumerResult is the result of a scenario.
type ConsumerResult struct {
	Invoices    int            `json:"invoices"`
	Events      int            `json:"events"` // of all invoices
	Lines       int            `json:"lines"`
	Took        time.Duration  `json:"took_ns"` // until the last message was deleted
	CPU         time.Duration  `json:"cpu_ns"`  // of all consumers
	FakesCPU    time.Duration  `json:"fakes_cpu_ns"`
	PeakMemory  int64          `json:"peak_memory_bytes"`
	Calls       map[string]int `json:"calls"`       // by service and operation
	Connections int            `json:"connections"` // opened to the fakes
}

func (r ConsumerResult) perSecond(count int) float64 {
	return float64(count) / max(r.Took.Seconds(), 1e-9)
}

func (r ConsumerResult) perInvoice(value float64) float64 { return value / float64(max(r.Invoices, 1)) }

func (r ConsumerResult) cpuPerInvoice() float64 { return r.perInvoice(milliseconds(r.CPU)) }

func (r ConsumerResult) fakesPerInvoice() float64 { return r.perInvoice(milliseconds(r.FakesCPU)) }

func (r ConsumerResult) callsOf(service string) (total int) {
	for call, count := range r.Calls {
		if strings.HasPrefix(call, service+" ") {
			total += count
		}
	}
	return total
}

// callsPer returns the calls of a service, or one of its operations, per invoice.
func (r ConsumerResult) callsPer(call string) float64 {
	if strings.Contains(call, " ") {
		return r.perInvoice(float64(r.Calls[call]))
	}
	return r.perInvoice(float64(r.callsOf(call)))
}

// expectedCalls are all calls that a consumer makes, with the reason. Any other call is a defect, of
// the consumer or of this table.
var expectedCalls = []struct{ call, reason string }{
	{"Chargebee add_charge", "One for each line: the API adds one at a time."},
	{"Chargebee close", "One for each invoice."},
	{"Chargebee GET", "One for each invoice: of the webhook only the id is trusted, unless invoice.trust_webhook is set. With 100 lines or more, all are read once before closing and once on the closed invoice."},
	{"DynamoDB GetItem", "The invoice record, and the invoices of each subscription with events, once. Pages of claimed events are read again to settle them, except for the last one, which is in memory."},
	{"DynamoDB Query", "The unbilled events of each subscription, as many at a time as DynamoDB returns."},
	{"DynamoDB PutItem", "The invoice record before each call to Chargebee that changes something, so that the next owner can read that it may have happened. It also records the line before as added. The lease, when it would expire before the end of the next call."},
	{"DynamoDB TransactWriteItems", "What must change atomically: the manifest, each page of up to 96 events with its claim, the plan, each page of events that become billed, the end."},
	{"DynamoDB UpdateItem", "Permits for calls to Chargebee, as many at a time as calls wait: about one for each call while few wait, two or three a second for each consumer while the limit is used up."},
	{"SQS ReceiveMessage", "Up to 10 messages at a time, as many as there are free slots."},
	{"SQS ChangeMessageVisibility", "None for messages finished within 20 s. The heartbeat of longer ones, together with one more PutItem for the lease."},
	{"SQS DeleteMessageBatch", "Invoices that finish while another batch is in flight share one."},
}

// callRows returns the calls with their reasons, and an error for other calls.
func callRows(r ConsumerResult) (rows [][]string, err error) {
	other := maps.Clone(r.Calls)
	for _, expected := range expectedCalls {
		service, operation, _ := strings.Cut(expected.call, " ")
		rows = append(rows, []string{service, operation, fmt.Sprintf("%.2f", r.callsPer(expected.call)), expected.reason})
		delete(other, expected.call)
	}
	if len(other) > 0 {
		err = fmt.Errorf("unexpected calls: %s", strings.Join(slices.Sorted(maps.Keys(other)), ", "))
	}
	return rows, err
}

// comparison is a table of scenarios in which one thing changes.
type comparison struct {
	title, text string
	columns     []string // what changes
	cells       func(ConsumerScenario) []string
	scenarios   []ConsumerScenario
}

// scenarios returns variants of the main scenario. A variant without a name is the main scenario.
func scenarios(variants ...func(*ConsumerScenario)) (all []ConsumerScenario) {
	for _, variant := range variants {
		s := mainScenario()
		variant(&s)
		all = append(all, s)
	}
	return all
}

func comparisons() []comparison {
	count := func(of func(ConsumerScenario) int) func(ConsumerScenario) []string {
		return func(s ConsumerScenario) []string { return []string{strconv.Itoa(of(s))} }
	}
	consumers := func(s ConsumerScenario) int { return s.Consumers }
	more := func(n int) func(*ConsumerScenario) {
		return func(s *ConsumerScenario) { s.Name, s.Consumers = fmt.Sprintf("consumers=%d", n), n }
	}
	waiting := func(n int) func(*ConsumerScenario) {
		return func(s *ConsumerScenario) {
			s.Name, s.Consumers, s.Invoices, s.Latency = fmt.Sprintf("latency=%s consumers=%d", chargebeeLatency, n), n, 200*n, chargebeeLatency
		}
	}
	events := func(n, invoices int) func(*ConsumerScenario) {
		return func(s *ConsumerScenario) { s.Name, s.Events, s.Invoices = fmt.Sprintf("events=%d", n), n, invoices }
	}
	lines := func(n, invoices int) func(*ConsumerScenario) {
		return func(s *ConsumerScenario) {
			s.Name, s.Events, s.Lines, s.Invoices = fmt.Sprintf("lines=%d", n), 100, n, invoices
		}
	}
	slots := func(n int, latency time.Duration, name string) func(*ConsumerScenario) {
		return func(s *ConsumerScenario) { s.Name, s.Concurrency, s.Latency, s.Invoices = name, n, latency, 500 }
	}
	asMain := func(*ConsumerScenario) {}
	return []comparison{
		{
			"invoice.trust_webhook", "By default the invoice is read before it is charged. A trusted webhook saves that call.",
			[]string{"trusted"}, func(s ConsumerScenario) []string { return []string{strconv.FormatBool(s.Trust)} },
			scenarios(asMain, func(s *ConsumerScenario) { s.Name, s.Trust = "trust_webhook", true }),
		}, {
			"Consumers", "Consumers and fakes share the cores of one machine: once these are busy, more consumers cannot bill more.",
			[]string{"consumers"}, count(consumers), scenarios(asMain, more(2), more(4)),
		}, {
			fmt.Sprintf("Consumers that wait for Chargebee, %s for each call", chargebeeLatency),
			"A consumer's throughput is bounded by its concurrency, so every consumer adds the same.",
			[]string{"consumers"}, count(consumers), scenarios(waiting(1), waiting(2), waiting(4)),
		}, {
			"Events per invoice", "3 lines each. Memory may grow with the size of a Query's answer, at most 1 MB of items for each slot, but not with the number of events beyond that.",
			[]string{"events"}, count(func(s ConsumerScenario) int { return s.Events }),
			scenarios(events(10, 1000), events(100, 500), events(1000, 100), events(10_000, 20)),
		}, {
			"Lines per invoice", "100 events each.",
			[]string{"lines"}, count(func(s ConsumerScenario) int { return s.Lines }), scenarios(lines(1, 500), lines(10, 300), lines(100, 50)),
		}, {
			"worker.concurrency", "With fakes that answer at once, more slots only wait for the same cores. With Chargebee's latency, throughput grows with them.",
			[]string{"slots", "Chargebee's latency"},
			func(s ConsumerScenario) []string { return []string{strconv.Itoa(s.Concurrency), s.Latency.String()} },
			scenarios(slots(1, 0, "concurrency=1"), asMain, slots(50, 0, "concurrency=50"),
				slots(50, chargebeeLatency, fmt.Sprintf("latency=%s concurrency=50", chargebeeLatency))),
		},
	}
}

// consumerReport is the report of one run.
type consumerReport struct {
	run         benchRun[ConsumerResult]
	mainRuns    []ConsumerResult
	comparisons []comparison
	before      benchRun[ConsumerResult]
	baseline    benchRun[ConsumerResult]
}

func (r consumerReport) sections() ([]section, error) {
	rows, err := callRows(r.run.Results[mainName])
	sections := []section{r.mainSection(), {title: "Calls", header: []string{"service", "call", "per invoice", "reason"}, rows: rows, left: -1}}
	for _, comparison := range r.comparisons {
		sections = append(sections, r.section(comparison))
	}
	return sections, err
}

func (r consumerReport) mainSection() section {
	s, now := mainScenario(), r.run.Results[mainName]
	var each []string
	for _, run := range r.mainRuns {
		each = append(each, fmt.Sprintf("%.2f", run.cpuPerInvoice()))
	}
	result := section{
		title:  fmt.Sprintf("An invoice of %d events and %d lines", s.Events, s.Lines),
		text:   fmt.Sprintf("One consumer, %d invoices, the median of %d runs (CPU per invoice: %s ms).", now.Invoices, len(r.mainRuns), strings.Join(each, ", ")),
		header: []string{"", "now", "run before", "ratio", "baseline", "ratio"},
		left:   1,
	}
	for _, row := range []struct {
		name, format string
		value        func(ConsumerResult) float64
	}{
		{"invoices per second", "%.1f", func(r ConsumerResult) float64 { return r.perSecond(r.Invoices) }},
		{"CPU per invoice, ms (goal: 2)", "%.2f", ConsumerResult.cpuPerInvoice},
		{"CPU of the fakes per invoice, ms", "%.2f", ConsumerResult.fakesPerInvoice},
		{"peak memory, MB", "%.0f", func(r ConsumerResult) float64 { return megabytes(r.PeakMemory) }},
		{"calls to Chargebee per invoice", "%.2f", func(r ConsumerResult) float64 { return r.callsPer("Chargebee") }},
		{"calls to DynamoDB per invoice", "%.2f", func(r ConsumerResult) float64 { return r.callsPer("DynamoDB") }},
		{"calls to SQS per invoice", "%.2f", func(r ConsumerResult) float64 { return r.callsPer("SQS") }},
		{"connections opened", "%.0f", func(r ConsumerResult) float64 { return float64(r.Connections) }},
	} {
		values := compared(row.format, row.value(now), row.value(r.before.Results[mainName]), row.value(r.baseline.Results[mainName]))
		result.rows = append(result.rows, append([]string{row.name}, values...))
	}
	return result
}

func (r consumerReport) section(c comparison) section {
	s := section{title: c.title, text: c.text, header: append(c.columns,
		"invoices", "invoices/s", "events/s", "CPU, ms", "CPU per event, µs", "fakes' CPU, ms", "peak, MB",
		"Chargebee calls", "DynamoDB calls", "SQS calls", "invoices/s to before", "CPU to before")}
	for _, scenario := range c.scenarios {
		now, before := r.run.Results[scenario.Name], r.before.Results[scenario.Name]
		row := append(c.cells(scenario), strconv.Itoa(now.Invoices))
		for _, value := range []struct {
			format string
			value  float64
		}{
			{"%.1f", now.perSecond(now.Invoices)},
			{"%.0f", now.perSecond(now.Events)},
			{"%.2f", now.cpuPerInvoice()},
			{"%.1f", microseconds(now.CPU) / float64(max(now.Events, 1))},
			{"%.2f", now.fakesPerInvoice()},
			{"%.0f", megabytes(now.PeakMemory)},
			{"%.2f", now.callsPer("Chargebee")},
			{"%.2f", now.callsPer("DynamoDB")},
			{"%.2f", now.callsPer("SQS")},
		} {
			row = append(row, fmt.Sprintf(value.format, value.value))
		}
		s.rows = append(s.rows, append(row, ratio(now.perSecond(now.Invoices), before.perSecond(before.Invoices)), ratio(now.cpuPerInvoice(), before.cpuPerInvoice())))
	}
	return s
}

func consumerHistory(past record[ConsumerResult]) section {
	s := section{
		title:  "Runs",
		text:   "The main scenario; ratios are to the first run.",
		header: []string{"date", "commit", "machine", "load", "invoices/s", "ratio", "CPU per invoice, ms", "ratio", "DynamoDB calls per invoice"},
		left:   3,
	}
	for _, run := range past.Runs {
		now, first := run.Results[mainName], past.Runs[0].Results[mainName]
		s.rows = append(s.rows, append(run.cells(),
			fmt.Sprintf("%.1f", now.perSecond(now.Invoices)), ratio(now.perSecond(now.Invoices), first.perSecond(first.Invoices)),
			fmt.Sprintf("%.2f", now.cpuPerInvoice()), ratio(now.cpuPerInvoice(), first.cpuPerInvoice()),
			fmt.Sprintf("%.2f", now.callsPer("DynamoDB"))))
	}
	return s
}

func (r consumerReport) page(sections []section) []byte {
	return markdown(sections, "# What a consumer costs", "Measured by `make bench-consumer`, which wrote this page.",
		r.run.describe()+".", consumerIntroduction, r.run.warning(r.before))
}
