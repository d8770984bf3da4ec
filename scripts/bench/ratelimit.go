package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

const (
	sharingConsumers = 4
	sharingSlots     = 20 // of each consumer: enough that calls always wait
	callsPerInvoice  = 4
)

// sharing is consumers that share a site's rate limit, with more work than calls.
type sharing struct {
	name      string
	perMinute int
	neighbour float64       // part of the limit that another client uses
	killEvery time.Duration // one consumer is killed and replaced; 0 is never
	phases    []phase
}

// phase is a stretch of time. Only the time after settling is measured.
type phase struct {
	name             string
	settling, length time.Duration
}

func sharings(quick bool) []sharing {
	length := 3 * time.Minute
	if quick {
		length = 2 * time.Minute
	}
	steady := []phase{{"steady", time.Minute, length}}
	return []sharing{
		{"a: four", 3500, 0, 0, steady},
		{"b: four", 1000, 0, 0, steady},
		{"c: four", 150, 0, 0, steady},
		{"d: four, one killed and replaced every 20 s", 1000, 0, 20 * time.Second, steady},
		{"e: four, and a neighbour with 30 %", 600, 0.3, 0, []phase{{"first", 0, 2 * time.Minute}, {"after the first pause", 0, 2 * time.Minute}}},
	}
}

// benchRateLimit measures how much of a limit consumers use together.
func benchRateLimit(ctx context.Context, o options) error {
	s := section{
		title:  "Consumers that share a rate limit",
		text:   "Real consumers with more work than calls, against a site that answers 429 above its limit. A row is one stretch of time. Used are the calls that arrived at Chargebee, refused ones too. Most in 60 s is of any 60 s from a minute before it. Updates are those of the rate limiter's item, refused ones too.",
		header: []string{"consumers", "site, calls/min", "when", "calls/min", "used", "least minute", "most in 60 s", "429s", "of calls", "updates/s"},
		left:   3,
	}
	for _, sharing := range sharings(o.quick) {
		if !o.wants(sharing.name[:1]) {
			continue
		}
		rows, err := sharing.run(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", sharing.name, err)
		}
		s.rows = append(s.rows, rows...)
	}
	run, err := newRun[any](ctx)
	if err != nil {
		return err
	}
	if err := printSections(o.out, []section{s}, run.describe()); err != nil || o.quick || o.only != "" {
		return err
	}
	page := markdown([]section{s}, "# How consumers share the rate limit", "Measured by `make bench-ratelimit`, which wrote this page.", run.describe()+".", rateLimitIntroduction)
	return writeFile(filepath.Join(o.reports, "ratelimit.md"), page)
}

const rateLimitIntroduction = "With a jitter of 1 s, (N − burst) / 61.5 · 60 calls of a limit of N are expected, which is 96.8 % of 3,500 and 1,000, and 95.6 % of " +
	"150. A neighbour that uses a part of the site's limit costs 429s for about a minute, and then 40 % of the limit, of which 2 % are " +
	"added every minute. On a busy machine the use is lower: permits expire before their calls are sent."

func (s sharing) run(ctx context.Context, o options) (rows [][]string, err error) {
	var updates atomic.Int64 // of the rate limiter's item: consumers update no other
	env, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{KeepDate: true, Latency: 50 * time.Millisecond, RequestsPerMinute: s.perMinute, MaxConcurrent: 150},
		Server: func(_ string, server *http.Server) {
			handler := server.Handler
			server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if operationOf(r) == "UpdateItem" {
					updates.Add(1)
				}
				handler.ServeHTTP(w, r)
			})
		},
	})
	if err != nil {
		return nil, err
	}
	defer env.Close()
	if err := s.workload(o.binaries).prepare(ctx, env); err != nil {
		return nil, err
	}
	if s.neighbour > 0 {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		go s.callAsNeighbour(ctx, env)
	}
	var consumers []*testbed.Process
	defer func() { killAll(consumers) }()
	start := func() error {
		consumer, err := startConsumer(env, o.binaries,
			fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", sharingSlots),
			fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", s.perMinute),
			"BILLABLE_CHARGEBEE_MAX_CONCURRENT=100",
			"BILLABLE_WORKER_DRAIN_TIMEOUT=10s")
		if err != nil {
			return err
		}
		consumers = append(consumers, consumer)
		return consumer.Ready(ctx)
	}
	for range sharingConsumers {
		if err := start(); err != nil {
			return nil, err
		}
	}
	for _, phase := range s.phases {
		if err := sleep(ctx, phase.settling); err != nil {
			return rows, err
		}
		began, before := time.Now(), updates.Load()
		for left := phase.length; left > 0; left = phase.length - time.Since(began) {
			if s.killEvery == 0 {
				if err := sleep(ctx, left); err != nil {
					return rows, err
				}
				break
			}
			if err := sleep(ctx, min(s.killEvery, left)); err != nil {
				return rows, err
			}
			killAll(consumers[:1])
			consumers = consumers[1:]
			if err := start(); err != nil {
				return rows, err
			}
		}
		perSecond := float64(updates.Load()-before) / time.Since(began).Seconds()
		rows = append(rows, append(s.row(env.Chargebee.Calls(), phase, began), fmt.Sprintf("%.1f", perSecond)))
		_, _ = fmt.Fprintln(o.progress, strings.Join(rows[len(rows)-1], "  "))
	}
	queued, dead, err := env.Queued(ctx)
	switch {
	case err != nil:
		return rows, err
	case queued == 0:
		return rows, errors.New("there was not enough work")
	case dead > 0:
		return rows, fmt.Errorf("%d messages are dead letters", dead)
	}
	return rows, nil
}

// workload is more than there is time for.
func (s sharing) workload(binaries string) ConsumerScenario {
	var length time.Duration
	for _, phase := range s.phases {
		length += phase.settling + phase.length + 10*time.Second
	}
	invoices := int(float64(s.perMinute)*length.Minutes())/callsPerInvoice + 10*sharingSlots
	return ConsumerScenario{Binaries: binaries, Invoices: invoices, Events: 6, Lines: callsPerInvoice - 1}
}

// callAsNeighbour calls the site at a constant rate until ctx ends.
func (s sharing) callAsNeighbour(ctx context.Context, env *testbed.Env) {
	ticks := time.Tick(time.Duration(float64(time.Minute) / (s.neighbour * float64(s.perMinute))))
	for ctx.Err() == nil {
		<-ticks
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, env.ChargebeeURL+"/api/v2/customers?limit=1", nil)
		if err != nil {
			return
		}
		request.SetBasicAuth(testbed.APIKey, "")
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}
}

// row returns how much of the limit the consumers used in a phase. Only the neighbour calls
// what the fake does not have; that counts for the limit, too.
func (s sharing) row(all []chargebee.Call, phase phase, began time.Time) []string {
	var calls []chargebee.Call // of the phase and the minute before
	for _, call := range all {
		if call.Operation != "unknown" && !call.At.Before(began.Add(-time.Minute)) && call.At.Before(began.Add(phase.length)) {
			calls = append(calls, call)
		}
	}
	total, refused, minutes := 0, 0, make([]int, phase.length/time.Minute)
	for _, call := range calls {
		if call.At.Before(began) {
			continue
		}
		total++
		if minute := int(call.At.Sub(began) / time.Minute); minute < len(minutes) {
			minutes[minute]++
		}
		if call.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	perMinute := float64(total) / phase.length.Minutes()
	used := func(perMinute float64) string { return fmt.Sprintf("%.1f %%", 100*perMinute/float64(s.perMinute)) }
	return []string{
		s.name, fmt.Sprint(s.perMinute), phase.name,
		fmt.Sprintf("%.0f", perMinute), used(perMinute), used(float64(slices.Min(minutes))),
		fmt.Sprint(chargebee.Busiest(calls, time.Minute)), fmt.Sprint(refused), fmt.Sprintf("%.2f %%", 100*float64(refused)/float64(max(total, 1))),
	}
}
