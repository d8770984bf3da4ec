package main

import (
	"strings"
	"time"
)

// result is what a scenario came to.
type result struct {
	Invoices    int            `json:"invoices"`
	Events      int            `json:"events"` // of all invoices
	Lines       int            `json:"lines"`
	Took        time.Duration  `json:"took_ns"`         // from the first poll to the last finished invoice
	CPU         time.Duration  `json:"cpu_ns"`          // of all consumers
	StandInCPU  time.Duration  `json:"stand_in_cpu_ns"` // of the process that is everything else
	PeakMemory  int64          `json:"peak_memory_bytes"`
	Calls       map[string]int `json:"calls"`       // "service operation" to how often
	Connections int            `json:"connections"` // that were opened to the stand-ins
}

func (r result) perSecond() float64 { return float64(r.Invoices) / r.Took.Seconds() }

func (r result) eventsPerSecond() float64 { return float64(r.Events) / r.Took.Seconds() }

// cpuPerInvoice is of all consumers together.
func (r result) cpuPerInvoice() time.Duration { return r.CPU / time.Duration(r.Invoices) }

func (r result) cpuPerEvent() time.Duration { return r.CPU / time.Duration(max(r.Events, 1)) }

func (r result) standInCPUPerInvoice() time.Duration {
	return r.StandInCPU / time.Duration(r.Invoices)
}

// callsOf counts the calls of one service.
func (r result) callsOf(service string) int {
	total := 0
	for call, count := range r.Calls {
		if strings.HasPrefix(call, service+" ") {
			total += count
		}
	}
	return total
}

// perInvoice is how often something happened for each invoice.
func (r result) perInvoice(count int) float64 { return float64(count) / float64(r.Invoices) }
