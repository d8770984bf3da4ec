package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

// fleet is a number of consumers that share a site's limit, through stages.
type fleet struct {
	name      string
	perMinute int
	neighbour float64 // part of the site's limit that somebody else uses
	stages    []stage
}

// stage is a stretch of time with so many consumers.
type stage struct {
	name      string
	consumers int
	killEvery time.Duration // one is killed and replaced; 0: none
	settling  time.Duration // not looked at
	length    time.Duration // looked at, after that
}

// fleets are what is measured.
func fleets(quick bool) []fleet {
	length := 3 * time.Minute
	if quick {
		length = 2 * time.Minute
	}
	steady := func(killEvery time.Duration) []stage {
		return []stage{{"steady", 4, killEvery, time.Minute, length}}
	}
	return []fleet{
		{"a: four", 3500, 0, steady(0)},
		{"b: four", 1000, 0, steady(0)},
		{"c: four", 150, 0, steady(0)},
		{"d: four, one killed and replaced every 20 s", 1000, 0, steady(20 * time.Second)},
		{"e: four, and a neighbour with 30 %", 600, 0.3, []stage{
			{"first", 4, 0, 0, 2 * time.Minute},
			{"after the first pause", 4, 0, 0, 2 * time.Minute},
		}},
	}
}

const (
	// slots are workers of each consumer: enough to have calls waiting all the time.
	slots = 20
	// callsPerInvoice of the invoices that are billed.
	callsPerInvoice = 4
)

// updates counts the updates of the rate limiter's item: consumers update no other.
type updates struct{ atomic.Int64 }

func (u *updates) count(service string, server *http.Server) {
	if service != "DynamoDB" {
		return
	}
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".UpdateItem") {
			u.Add(1)
		}
		handler.ServeHTTP(w, r)
	})
}

// run lets the fleet work through its stages.
func (f fleet) run(ctx context.Context, binaries string, progress io.Writer) ([][]string, error) {
	updates := &updates{}
	world, err := testbed.New(testbed.Options{
		Chargebee: chargebee.Config{
			KeepDate: true, Latency: 50 * time.Millisecond, RequestsPerMinute: f.perMinute, MaxConcurrent: 150,
		},
		Server: updates.count,
	})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	binary := filepath.Join(binaries, "consumer")
	if err := f.prepare(ctx, world, binary); err != nil {
		return nil, err
	}
	if f.neighbour > 0 {
		stop := f.meddle(ctx, world)
		defer stop()
	}
	var running []*testbed.Process
	defer func() { end(running, syscall.SIGKILL) }()
	start := func() error {
		consumer, err := f.start(ctx, world, binary)
		if err == nil {
			running = append(running, consumer)
		}
		return err
	}
	var rows [][]string
	for _, stage := range f.stages {
		for len(running) < stage.consumers {
			if err := start(); err != nil {
				return rows, err
			}
		}
		if err := sleep(ctx, stage.settling); err != nil {
			return rows, err
		}
		began, updated := time.Now(), updates.Load()
		for left := stage.length; left > 0; left = stage.length - time.Since(began) {
			if stage.killEvery == 0 {
				if err := sleep(ctx, left); err != nil {
					return rows, err
				}
				break
			}
			if err := sleep(ctx, min(stage.killEvery, left)); err != nil {
				return rows, err
			}
			end(running[:1], syscall.SIGKILL)
			running = running[1:]
			if err := start(); err != nil {
				return rows, err
			}
		}
		perSecond := float64(updates.Load()-updated) / time.Since(began).Seconds()
		rows = append(rows, append(f.look(world, stage, began), fmt.Sprintf("%.1f", perSecond)))
		_, _ = fmt.Fprintln(progress, rows[len(rows)-1])
	}
	if queued := len(world.SQS.Messages(testbed.QueueName)); queued == 0 {
		return rows, errors.New("there was not enough work")
	}
	if dead := len(world.SQS.Messages(testbed.DeadLetterName)); dead > 0 {
		return rows, fmt.Errorf("%d messages are dead letters", dead)
	}
	return rows, nil
}

func end(consumers []*testbed.Process, signal syscall.Signal) {
	for _, consumer := range consumers {
		consumer.Signal(signal)
	}
	for _, consumer := range consumers {
		<-consumer.Exited()
	}
}

func sleep(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// prepare makes more work than there is time for.
func (f fleet) prepare(ctx context.Context, world *testbed.Env, consumer string) error {
	var length time.Duration
	for _, stage := range f.stages {
		length += stage.settling + stage.length + 10*time.Second
	}
	s := scenario{
		Binaries: filepath.Dir(consumer),
		Invoices: int(float64(f.perMinute)*length.Minutes())/callsPerInvoice + 10*slots,
		Events:   6,
		Lines:    callsPerInvoice - 1,
	}
	return s.prepare(ctx, world)
}

func (f fleet) start(ctx context.Context, world *testbed.Env, binary string) (*testbed.Process, error) {
	admin, err := testbed.FreeAddress()
	if err != nil {
		return nil, err
	}
	consumer, err := testbed.Start(testbed.Command{Binary: binary, Admin: admin, Env: append(world.ConsumerEnviron(),
		fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", slots),
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", f.perMinute),
		"BILLABLE_CHARGEBEE_MAX_CONCURRENT=100",
		"BILLABLE_WORKER_DRAIN_TIMEOUT=10s",
	)})
	if err != nil {
		return nil, err
	}
	return consumer, consumer.Ready(ctx)
}

// meddle has somebody else call the site, evenly, until stop is called.
func (f fleet) meddle(ctx context.Context, world *testbed.Env) (stop func()) {
	ctx, stop = context.WithCancel(ctx)
	go func() {
		every := time.NewTicker(time.Duration(float64(time.Minute) / (f.neighbour * float64(f.perMinute))))
		defer every.Stop()
		for ctx.Err() == nil {
			<-every.C
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, world.ChargebeeURL+"/api/v2/events?limit=1", nil)
			if err != nil {
				return
			}
			request.SetBasicAuth(testbed.APIKey, "")
			if response, err := http.DefaultClient.Do(request); err == nil {
				_ = response.Body.Close()
			}
		}
	}()
	return stop
}

// look returns how much of the limit was used in a stage, and in the least of its minutes. The
// neighbour's calls are its own.
func (f fleet) look(world *testbed.Env, stage stage, began time.Time) []string {
	calls, refused, most, first := 0, 0, 0, 0
	minutes := make([]int, stage.length/time.Minute)
	var arrivals []time.Time
	for _, call := range world.Chargebee.Calls() {
		if call.Operation == "list_events" || call.At.Before(began.Add(-time.Minute)) {
			continue
		}
		arrivals = append(arrivals, call.At)
		for call.At.Sub(arrivals[first]) >= time.Minute {
			first++
		}
		if call.At.Before(began) || !call.At.Before(began.Add(stage.length)) {
			continue
		}
		most = max(most, len(arrivals)-first)
		calls++
		if minute := int(call.At.Sub(began) / time.Minute); minute < len(minutes) {
			minutes[minute]++
		}
		if call.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	perMinute := float64(calls) / stage.length.Minutes()
	used := func(perMinute float64) string { return fmt.Sprintf("%.1f %%", 100*perMinute/float64(f.perMinute)) }
	return []string{
		f.name, fmt.Sprint(f.perMinute), stage.name,
		fmt.Sprintf("%.0f", perMinute), used(perMinute), used(float64(slices.Min(minutes))),
		fmt.Sprint(most), fmt.Sprint(refused), fmt.Sprintf("%.2f %%", 100*float64(refused)/float64(max(calls, 1))),
	}
}
