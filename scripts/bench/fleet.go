package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/scripts/testbed"
)

// fleet is a number of consumers that share a site's budget, through stages.
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
	killed    bool          // one that was there is killed when the stage begins
	settling  time.Duration // not looked at
	length    time.Duration // looked at, after that
}

// fleets are what is measured.
func fleets(quick bool) []fleet {
	minutes := func(n int) time.Duration {
		if quick {
			n = 1
		}
		return time.Duration(n) * time.Minute
	}
	const settling = 15 * time.Second
	steady := func(consumers, n int) []stage {
		return []stage{{"steady", consumers, false, settling, minutes(n)}}
	}
	return []fleet{
		{"a: four", 600, 0, steady(4, 3)},
		{"b: four, and a neighbour with 30 %", 600, 0.3, []stage{
			{"first", 4, false, 0, minutes(2)},
			{"after the first pause", 4, false, 0, minutes(2)},
		}},
		{"c: four, one killed", 600, 0, []stage{
			{"before", 4, false, settling, time.Minute},
			{"from 15 s after the kill", 3, true, 15 * time.Second, time.Minute},
		}},
		{"d: one, four, one", 600, 0, []stage{
			{"one", 1, false, settling, minutes(2)},
			{"four", 4, false, settling, minutes(2)},
			{"one", 1, false, settling, minutes(2)},
		}},
		{"e: ten", 150, 0, steady(10, 3)},
	}
}

const (
	// slots is enough for each consumer to have calls waiting all the time.
	slots = 20
	// callsPerInvoice of the invoices that are billed.
	callsPerInvoice = 4
)

// run lets the fleet work through its stages.
func (f fleet) run(ctx context.Context, binaries string, progress io.Writer) ([][]string, error) {
	world, err := testbed.NewWorld(testbed.Options{Chargebee: chargebee.Config{
		KeepDate: true, Latency: 50 * time.Millisecond, RequestsPerMinute: f.perMinute, MaxConcurrent: 150,
	}})
	if err != nil {
		return nil, err
	}
	defer world.Close()
	if err := f.prepare(ctx, world, filepath.Join(binaries, "consumer")); err != nil {
		return nil, err
	}
	if f.neighbour > 0 {
		stop := f.meddle(ctx, world)
		defer stop()
	}
	var running []*testbed.Process
	defer func() { end(running, syscall.SIGKILL) }()
	var rows [][]string
	for _, stage := range f.stages {
		if stage.killed {
			end(running[:1], syscall.SIGKILL)
			running = running[1:]
		}
		if more := len(running) - stage.consumers; more > 0 {
			end(running[:more], syscall.SIGTERM)
			running = running[more:]
		}
		for len(running) < stage.consumers {
			consumer, err := f.start(ctx, world, filepath.Join(binaries, "consumer"))
			if err != nil {
				return rows, err
			}
			running = append(running, consumer)
		}
		if err := sleep(ctx, stage.settling); err != nil {
			return rows, err
		}
		began := time.Now()
		if err := sleep(ctx, stage.length); err != nil {
			return rows, err
		}
		rows = append(rows, f.look(world, stage, began))
		_, _ = fmt.Fprintln(progress, rows[len(rows)-1])
	}
	if queued := len(world.SQS.Messages(testbed.QueueName)); queued == 0 {
		return rows, errors.New("there was not enough work")
	}
	if dead := len(world.SQS.Messages(testbed.DeadName)); dead > 0 {
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
func (f fleet) prepare(ctx context.Context, world *testbed.World, consumer string) error {
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

func (f fleet) start(ctx context.Context, world *testbed.World, binary string) (*testbed.Process, error) {
	admin, err := testbed.FreeAddress()
	if err != nil {
		return nil, err
	}
	consumer, err := testbed.Start(testbed.Command{Binary: binary, Admin: admin, Env: append(world.ConsumerEnvironment(),
		fmt.Sprintf("BILLABLE_WORKER_CONCURRENCY=%d", slots),
		fmt.Sprintf("BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=%d", f.perMinute),
		"BILLABLE_WORKER_DRAIN_TIMEOUT=10s",
	)})
	if err != nil {
		return nil, err
	}
	return consumer, consumer.Ready(ctx)
}

// meddle has somebody else call the site, evenly, until stop is called.
func (f fleet) meddle(ctx context.Context, world *testbed.World) (stop func()) {
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

// look says how much of the budget was used in a stage, and in the least of its minutes. The
// neighbour's calls are its own.
func (f fleet) look(world *testbed.World, stage stage, began time.Time) []string {
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
		if call.At.Before(began) {
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
