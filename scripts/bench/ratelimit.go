package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/billable-events/billable/pkg/retry"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	sharingConsumers = 4
	sharingSlots     = 20 // of each consumer: enough that calls always wait
	callsPerInvoice  = 4
)

const rateLimitIntroduction = `Real consumers with more work than calls share the limit of a site that answers 429 above it. A row is one stretch of time.

With a jitter of 1 s, (N − burst) / 61.5 · 60 calls of a limit of N are expected, which is 96.8 % of 3,500 and 1,000, and 95.6 % of
150. A neighbour that uses a part of the site's limit costs 429s for about a minute, and then 40 % of the limit, of which 2 % are
added every minute. On a busy machine the use is lower: permits expire before their calls are sent.`

func newRateLimitReport() *report {
	r := &report{name: "ratelimit", title: "How consumers share the rate limit", target: "bench-ratelimit", introduction: rateLimitIntroduction}
	for _, scenario := range []string{"a, steady", "b, steady", "c, steady", "d, steady", "e, after the first pause"} {
		r.history = append(r.history, historyColumn{scenario + ", used, %", scenario, "used, %", "%.1f"})
	}
	return r
}

// sharing is consumers that share a site's rate limit, with more work than calls.
type sharing struct {
	name, description string
	perMinute         int
	neighbour         float64       // part of the limit that another client uses
	killEvery         time.Duration // one consumer is killed and replaced; 0 is never
	phases            []phase
}

// phase is a stretch of time. Only the time after settling is measured.
type phase struct {
	name             string
	settling, length time.Duration
}

func sharings(quick bool) []sharing {
	settling, length, neighbour := time.Minute, 3*time.Minute, 2*time.Minute
	if quick {
		settling, length, neighbour = 10*time.Second, 20*time.Second, 30*time.Second
	}
	steady := []phase{{"steady", settling, length}}
	return []sharing{
		{"a", "four", 3500, 0, 0, steady},
		{"b", "four", 1000, 0, 0, steady},
		{"c", "four", 150, 0, 0, steady},
		{"d", "four, one killed and replaced every 20 s", 1000, 0, 20 * time.Second, steady},
		{"e", "four, and a neighbour with 30 %", 600, 0.3, 0, []phase{{"first", 0, neighbour}, {"after the first pause", 0, neighbour}}},
	}
}

// benchRateLimit measures how much of a limit consumers use together.
func benchRateLimit(ctx context.Context, o options, r *report) error {
	s := sharingSection()
	r.sections = append(r.sections, s)
	for _, sharing := range sharings(o.quick) {
		if !o.wants(sharing.name) {
			continue
		}
		if err := sharing.run(ctx, o, r, s); err != nil {
			return fmt.Errorf("%s: %w", sharing.name, err)
		}
	}
	return nil
}

func sharingSection() *section {
	return &section{
		title: "Consumers that share a rate limit",
		text: "Used are the calls that arrived at Chargebee, refused ones too. Most in 60 s is of any 60 s from a minute before the stretch. " +
			"Updates are those of the rate limiter's item, refused ones too.",
		labels: []string{"scenario", "consumers", "when"},
		columns: []column{
			{"site, calls/min", "%.0f"},
			{"calls/min", "%.0f"},
			{"used, %", "%.1f"},
			{"least minute, %", "%.1f"},
			{"most in 60 s", "%.0f"},
			{"429s", "%.0f"},
			{"429s, %", "%.2f"},
			{"updates/s", "%.1f"},
		},
	}
}

func (s sharing) run(ctx context.Context, o options, r *report, table *section) error {
	var counter callCounter
	env, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{KeepDate: true, Latency: 50 * time.Millisecond, RequestsPerMinute: s.perMinute, MaxConcurrent: 150},
		Server:    counter.count,
	})
	if err != nil {
		return err
	}
	defer env.Close()
	announcements, err := s.workload().prepare(ctx, env, o.binaries)
	if err != nil {
		return err
	}
	if err := enqueue(ctx, env, announcements); err != nil {
		return err
	}
	if s.neighbour > 0 {
		defer s.callAsNeighbour(env)()
	}
	var running consumers
	defer func() { running.kill() }()
	start := func() error { return running.start(ctx, env, o.binaries, s.settings()...) }
	for range sharingConsumers {
		if err := start(); err != nil {
			return err
		}
	}
	for _, phase := range s.phases {
		if err := retry.Wait(ctx, phase.settling, nil); err != nil {
			return err
		}
		began := time.Now()
		counter.take()
		if err := s.wait(ctx, phase.length, &running, start); err != nil {
			return err
		}
		updates := float64(counter.take()["DynamoDB UpdateItem"]) / time.Since(began).Seconds() // of the rate limiter's item: consumers update no other
		result := s.figures(env.Chargebee.Calls(), phase, began)
		result["updates/s"] = updates
		r.add(table, s.name+", "+phase.name, []string{s.name, s.description, phase.name}, result)
	}
	queued, dead, err := env.Queued(ctx)
	switch {
	case err != nil:
		return err
	case queued == 0:
		return errors.New("there was not enough work")
	case dead > 0:
		return fmt.Errorf("%d messages are dead letters", dead)
	}
	return nil
}

// wait waits, and meanwhile kills and replaces consumers.
func (s sharing) wait(ctx context.Context, length time.Duration, running *consumers, start func() error) error {
	if s.killEvery == 0 {
		return retry.Wait(ctx, length, nil)
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := retry.Wait(ctx, min(s.killEvery, time.Until(end)), nil); err != nil {
			return err
		}
		(*running)[0].Kill()
		*running = (*running)[1:]
		if err := start(); err != nil {
			return err
		}
	}
	return nil
}

func (s sharing) settings() []string {
	return []string{
		fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", sharingSlots),
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", s.perMinute),
		"BILLABLE_CHARGEBEE_MAX_CONCURRENT=100",
		"BILLABLE_WORKER_DRAIN_TIMEOUT=10s",
	}
}

// workload is more than there is time for.
func (s sharing) workload() consumerScenario {
	var length time.Duration
	for _, phase := range s.phases {
		length += phase.settling + phase.length + 10*time.Second
	}
	invoices := int(float64(s.perMinute)*length.Minutes())/callsPerInvoice + 10*sharingSlots
	return consumerScenario{invoices: invoices, events: 6, lines: callsPerInvoice - 1}
}

// callAsNeighbour calls the site at a constant rate until the returned function is called.
func (s sharing) callAsNeighbour(env *testbed.Env) (stop func() bool) {
	request := &http.Request{Header: http.Header{}}
	request.SetBasicAuth(testbed.APIKey, "")
	attacker := vegeta.NewAttacker()
	results := attacker.Attack(vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodGet, URL: env.ChargebeeURL + "/api/v2/customers?limit=1", Header: request.Header}),
		vegeta.Rate{Freq: int(s.neighbour * float64(s.perMinute)), Per: time.Minute}, 0, "")
	go func() {
		for range results { // the site counts its calls
		}
	}()
	return attacker.Stop
}

// figures returns how much of the limit the consumers used in a phase. Only the neighbour calls what the
// fake does not have; that counts for the limit, too.
func (s sharing) figures(all []chargebee.Call, phase phase, began time.Time) figures {
	var calls []chargebee.Call // of the phase and the minute before
	total, refused, minutes := 0, 0, make([]float64, int(phase.length.Minutes()))
	for _, call := range all {
		at := call.At.Sub(began)
		if call.Operation == "unknown" || at < -time.Minute || at >= phase.length {
			continue
		}
		calls = append(calls, call)
		if at < 0 {
			continue
		}
		total++
		if minute := int(at.Minutes()); minute < len(minutes) {
			minutes[minute]++
		}
		if call.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	perMinute := float64(total) / phase.length.Minutes()
	found := figures{
		"site, calls/min": float64(s.perMinute),
		"calls/min":       perMinute,
		"used, %":         100 * perMinute / float64(s.perMinute),
		"most in 60 s":    float64(chargebee.Busiest(calls, time.Minute)),
		"429s":            float64(refused),
		"429s, %":         100 * float64(refused) / float64(max(total, 1)),
	}
	if len(minutes) > 0 { // a quick stretch is shorter
		found["least minute, %"] = 100 * slices.Min(minutes) / float64(s.perMinute)
	}
	return found
}
