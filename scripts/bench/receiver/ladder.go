package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/billable-events/billable/scripts/bench/ladder"
	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/testbed"
)

// fullRung is the receiver itself, above all other rungs.
const fullRung = "the full receiver"

func rungs() []string { return append(ladder.Rungs(), fullRung) }

// mode is how the ladder is loaded.
type mode struct {
	name      string
	plan      load.Plan
	most, aim float64 // CPU per request, the receiver's to that of do-nothing with body
}

func (l lengths) modes() []mode {
	return []mode{
		{"saturated", load.Plan{Shape: load.Closed, Connections: 512, Length: l.stint, Most: 500_000}, 2.5, 2.0},
		{"at 2,000/s", load.Plan{Shape: load.Open, Rate: 2000, Length: l.stint}, 1.8, 1.5},
	}
}

// rungName is under which a rung's numbers are recorded.
func rungName(mode, rung string) string { return "ladder, " + mode + ": " + rung }

// warmUp is how long servers are loaded before it counts, where it says so.
const warmUp = time.Second

// climb loads all rungs in turn, several times, so that what happens to the machine
// meanwhile happens to all of them. It puts into results the sum of each rung's stints.
func (l lengths) climb(ctx context.Context, binaries string, progress io.Writer, results map[string]Result) (err error) {
	b, err := newBed(ctx, binaries, nil)
	if err != nil {
		return fmt.Errorf("ladder: %w", err)
	}
	servers := map[string]*server{fullRung: b.receiver}
	defer func() {
		for name, server := range servers {
			if name != fullRung {
				server.end()
			}
		}
		err = errors.Join(err, b.close())
	}()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, name := range ladder.Rungs() {
		if servers[name], err = start(ctx, testbed.Command{Binary: self, Args: []string{RungCommand, name}, Env: b.queue.Environment}, nil); err != nil {
			delete(servers, name)
			return fmt.Errorf("ladder: %w", err)
		}
	}
	for _, mode := range l.modes() {
		for round := range l.rounds + 1 {
			plan := mode.plan
			if round == 0 {
				plan.Length = warmUp
			}
			for _, name := range rungs() {
				stint, err := b.stint(servers[name], name, plan)
				if err != nil {
					return fmt.Errorf("ladder: %s, %s: %w", mode.name, name, err)
				}
				if round > 0 {
					results[rungName(mode.name, name)] = results[rungName(mode.name, name)].plus(stint)
				}
			}
		}
		for _, name := range rungs() {
			r := results[rungName(mode.name, name)]
			_, _ = fmt.Fprintf(progress, "ladder, %-10s %-28s %7d requests, %.1f µs of CPU each\n", mode.name, name, r.Requests, microseconds(r.perRequest(r.CPU)))
		}
	}
	name := rungName(l.modes()[0].name, fullRung)
	full := results[name]
	if err := b.settle(&full, false); err != nil {
		return err
	}
	results[name] = full
	return nil
}

// stint loads one rung. Events of those that put them into the queue are looked for
// there at the end.
func (b *bed) stint(server *server, name string, plan load.Plan) (Result, error) {
	attack := b.attack
	if name == ladder.SendMessage || name == fullRung {
		attack = b.besiege
	}
	result, _, err := attack(server, plan)
	return result, err
}

// plus adds another stint.
func (r Result) plus(stint Result) Result {
	r.Requests += stint.Requests
	r.OK += stint.OK
	r.Took += stint.Took
	r.CPU += stint.CPU
	r.StandInCPU += stint.StandInCPU
	r.GeneratorCPU += stint.GeneratorCPU
	r.Latencies = Latencies{
		P50: max(r.Latencies.P50, stint.Latencies.P50), P95: max(r.Latencies.P95, stint.Latencies.P95),
		P99: max(r.Latencies.P99, stint.Latencies.P99), Max: max(r.Latencies.Max, stint.Latencies.Max),
	}
	if r.Wrong == "" {
		r.Wrong = stint.Wrong
	}
	return r
}
