package main

import (
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// rates is how often each stand-in fails.
type rates struct {
	sqs, dynamodb, chargebee sandbox.Rates
}

var faultRates = map[string]rates{
	"none": {},
	"light": {
		sqs:      sandbox.Rates{Throttle: 0.005, LoseReply: 0.005, Partial: 0.01, Duplicate: 0.02, DelayRate: 0.05, MaxDelay: 50 * time.Millisecond},
		dynamodb: sandbox.Rates{Throttle: 0.005, Refuse: 0.002, LoseReply: 0.005, DelayRate: 0.05, MaxDelay: 50 * time.Millisecond},
		chargebee: sandbox.Rates{
			Throttle: 0.005, Refuse: 0.005, LoseReply: 0.005, ApplyLate: 0.002, CutBody: 0.002,
			DelayRate: 0.1, MaxDelay: 200 * time.Millisecond, MaxLate: lateEffect,
		},
	},
	"heavy": {
		sqs:      sandbox.Rates{Throttle: 0.02, Refuse: 0.02, LoseReply: 0.03, Partial: 0.05, Duplicate: 0.1, CutBody: 0.01, DelayRate: 0.2, MaxDelay: 200 * time.Millisecond},
		dynamodb: sandbox.Rates{Throttle: 0.02, Refuse: 0.01, LoseReply: 0.02, ApplyLate: 0.005, CutBody: 0.005, Partial: 0.02, DelayRate: 0.1, MaxDelay: 100 * time.Millisecond, MaxLate: time.Second},
		chargebee: sandbox.Rates{
			Throttle: 0.02, Refuse: 0.02, LoseReply: 0.03, ApplyLate: 0.01, CutBody: 0.01,
			DelayRate: 0.2, MaxDelay: 500 * time.Millisecond, MaxLate: lateEffect,
		},
	},
}

// Times that let doubts be resolved within seconds, on both sides. A call has its
// effect within lateBound of being sent: it waits at most MaxDelay in the stand-in
// and takes effect at most lateEffect after that.
const (
	callTimeout = time.Second
	lateBound   = 3 * time.Second
	lateEffect  = 2 * time.Second
	maxSkew     = 500 * time.Millisecond
	window      = 12 * time.Second
	lease       = 6 * time.Second
	visibility  = 6 * time.Second
)

// switched is faults that strike only while work is being done: not while the
// sandbox fills the tables or reads the books.
type switched struct {
	faults sandbox.Faults
	on     *atomic.Bool
}

func (s switched) Next(operation string) sandbox.Fault {
	if !s.on.Load() {
		return sandbox.Fault{}
	}
	return s.faults.Next(operation)
}
