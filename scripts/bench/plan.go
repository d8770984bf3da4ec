package main

import (
	"fmt"
	"strconv"
	"time"
)

// Limits of a run. What one scenario bills is bounded by its counts.
const (
	workLimit = 2 * time.Minute // of one scenario; a few seconds is usual
	runLimit  = 10 * time.Minute

	quickPart = 8 // a quick run bills one invoice of so many
)

// What the main scenario is, and the others are unless they say otherwise.
const (
	mainName           = "main"
	mainRuns           = 3 // of which the median counts
	mainInvoices       = 1000
	mainEvents         = 50
	mainLines          = 3
	defaultConcurrency = 10
)

// aim is how much CPU time an invoice of the main scenario may take.
const aim = 2 * time.Millisecond

// awayLatency is how long Chargebee takes for a call where consumers have to wait for
// it as they do in production.
const awayLatency = 100 * time.Millisecond

// question is a table of scenarios in which one thing grows.
type question struct {
	title, text string
	grows       []string // names of the first columns
	rows        []row
}

// row is one scenario with what grows in it.
type row struct {
	values   []string
	scenario scenario
}

func mainScenario() scenario {
	return scenario{
		Name: mainName, Consumers: 1, Concurrency: defaultConcurrency,
		Invoices: mainInvoices, Events: mainEvents, Lines: mainLines, Limit: workLimit,
	}
}

// questions are what is asked besides the main scenario.
func questions() []question {
	return []question{byTrust(), byConsumers(), byConsumersAway(), byEvents(), byLines(), byConcurrency()}
}

func byTrust() question {
	q := question{
		title: "invoice.trust_webhook",
		text:  "By default the invoice is read before it is charged. A webhook that is trusted saves that call.",
		grows: []string{"trusted"},
	}
	for _, trust := range []bool{false, true} {
		s := mainScenario()
		if s.Trust = trust; trust {
			s.Name = "trust_webhook"
		}
		q.add(s, strconv.FormatBool(trust))
	}
	return q
}

func byConsumers() question {
	q := question{
		title: "Consumers",
		text:  "Consumers and stand-ins share the cores of one machine: once these are busy, more consumers cannot bill more.",
		grows: []string{"consumers"},
	}
	for _, consumers := range []int{1, 2, 4} {
		s := mainScenario()
		if s.Consumers = consumers; consumers > 1 {
			s.Name = fmt.Sprintf("consumers=%d", consumers)
		}
		q.add(s, strconv.Itoa(consumers))
	}
	return q
}

func byConsumersAway() question {
	q := question{
		title: fmt.Sprintf("Consumers that wait for Chargebee, which takes %s for a call", awayLatency),
		text:  "What one consumer bills is bounded by its concurrency, so every consumer adds as much again.",
		grows: []string{"consumers"},
	}
	for _, consumers := range []int{1, 2, 4} {
		s := mainScenario()
		s.Name = fmt.Sprintf("latency=%s consumers=%d", awayLatency, consumers)
		s.Consumers, s.Latency, s.Invoices = consumers, awayLatency, 200*consumers
		q.add(s, strconv.Itoa(consumers))
	}
	return q
}

func byEvents() question {
	q := question{
		title: "Events per invoice",
		text:  fmt.Sprintf("%d lines each. Memory may grow with what one Query answers, at most 1 MB of items for each slot, but not with the number of events beyond that.", mainLines),
		grows: []string{"events"},
	}
	for _, size := range []struct{ events, invoices int }{{10, 1000}, {100, 500}, {1000, 100}, {10_000, 20}} {
		s := mainScenario()
		s.Name = fmt.Sprintf("events=%d", size.events)
		s.Events, s.Invoices = size.events, size.invoices
		q.add(s, strconv.Itoa(size.events))
	}
	return q
}

func byLines() question {
	q := question{title: "Lines per invoice", text: "100 events each.", grows: []string{"lines"}}
	for _, size := range []struct{ lines, invoices int }{{1, 500}, {10, 300}, {100, 50}} {
		s := mainScenario()
		s.Name = fmt.Sprintf("lines=%d", size.lines)
		s.Events, s.Lines, s.Invoices = 100, size.lines, size.invoices
		q.add(s, strconv.Itoa(size.lines))
	}
	return q
}

func byConcurrency() question {
	q := question{
		title: "worker.concurrency",
		text:  "Against stand-ins that answer at once, more slots only wait for the same cores. Away from Chargebee, throughput grows with them.",
		grows: []string{"slots", "Chargebee takes"},
	}
	for _, slots := range []int{1, defaultConcurrency, 50} {
		s := mainScenario()
		if s.Concurrency = slots; slots != defaultConcurrency {
			s.Name, s.Invoices = fmt.Sprintf("concurrency=%d", slots), 500
		}
		q.add(s, strconv.Itoa(slots), "0s")
	}
	s := mainScenario()
	s.Name, s.Concurrency, s.Latency, s.Invoices = fmt.Sprintf("latency=%s concurrency=50", awayLatency), 50, awayLatency, 500
	q.add(s, "50", awayLatency.String())
	return q
}

func (q *question) add(s scenario, values ...string) {
	q.rows = append(q.rows, row{values: values, scenario: s})
}

// quickly is a scenario that takes seconds, good for a first answer.
func (s scenario) quickly() scenario {
	s.Invoices = max(s.Invoices/quickPart, s.Consumers*2)
	return s
}
