package ratelimittest

import (
	"testing"

	"github.com/billable-events/billable/pkg/ratelimit"
)

// RunContract runs the contract of ratelimit.Store. open returns an empty store.
func RunContract(t *testing.T, open func(*testing.T) ratelimit.Store) {
	t.Helper()
	full := ratelimit.Control{Scale: ratelimit.FullScale}
	paused := ratelimit.Control{Scale: 600, ScaleChanged: 7, Pause: ratelimit.Pause{ID: "one", Seconds: 10, Reason: "429"}}
	held := ratelimit.Control{Scale: 600, ScaleChanged: 7, OperatorPause: ratelimit.OperatorPause{Reason: "price", Since: 9}}
	busy := ratelimit.Grant{From: 1000, Until: 2000, Cost: 300, Clock: 2005, Scale: 1000, RequestsPerMinute: 150}
	idle := busy
	idle.Idle = true
	reduced := idle
	reduced.Scale = 600

	type step struct {
		grant         *ratelimit.Grant
		read, control ratelimit.Control // of SetControl; grant is nil
		applied       bool
		want          ratelimit.State // after it
	}
	at := func(tat int64, control ratelimit.Control) ratelimit.State {
		if tat == 0 {
			return ratelimit.State{Control: control}
		}
		return ratelimit.State{TAT: tat, Clock: 2005, RequestsPerMinute: 150, Control: control}
	}
	for name, steps := range map[string][]step{
		"a grant on an empty store": {
			{grant: &busy, want: at(0, full)},
			{grant: &idle, applied: true, want: at(1300, full)},
		},
		"grants until the bucket is empty": {
			{grant: &idle, applied: true, want: at(1300, full)},
			{grant: &idle, want: at(1300, full)}, // not idle any more
			{grant: &busy, applied: true, want: at(1600, full)},
			{grant: &busy, applied: true, want: at(1900, full)},
			{grant: &busy, want: at(1900, full)},
			{
				grant:   &ratelimit.Grant{From: 1900, Until: 2000, Cost: 100, Clock: 2100, Scale: 1000, RequestsPerMinute: 3500},
				applied: true, want: ratelimit.State{TAT: 2000, Clock: 2100, RequestsPerMinute: 3500, Control: full},
			},
		},
		"a grant below the bucket's depth": {
			{grant: &idle, applied: true, want: at(1300, full)},
			{grant: &ratelimit.Grant{From: 1301, Until: 9000, Cost: 1, Clock: 2005, Scale: 1000}, want: at(1300, full)},
			{grant: &ratelimit.Grant{Idle: true, From: 1300, Until: 9000, Cost: 1, Clock: 2005, Scale: 1000}, want: at(1300, full)},
			{grant: &ratelimit.Grant{Idle: true, From: 1301, Until: 9000, Cost: 1, Clock: 2005, Scale: 1000, RequestsPerMinute: 150}, applied: true, want: at(1302, full)},
		},
		"no grant for another scale": {
			{grant: &reduced, want: at(0, full)},
			{read: full, control: ratelimit.Control{Scale: 600}, applied: true, want: at(0, ratelimit.Control{Scale: 600})},
			{grant: &idle, want: at(0, ratelimit.Control{Scale: 600})},
			{grant: &reduced, applied: true, want: at(1300, ratelimit.Control{Scale: 600})},
		},
		"no grant while paused": {
			{grant: &idle, applied: true, want: at(1300, full)},
			{read: full, control: paused, applied: true, want: at(1300, paused)},
			{grant: &ratelimit.Grant{From: 1000, Until: 2000, Cost: 300, Clock: 2005, Scale: 600}, want: at(1300, paused)},
			{read: paused, control: held, applied: true, want: at(1300, held)},
			{grant: &ratelimit.Grant{From: 1000, Until: 2000, Cost: 300, Clock: 2005, Scale: 600}, want: at(1300, held)},
			{read: held, control: full, applied: true, want: at(1300, full)},
			{grant: &busy, applied: true, want: at(1600, full)},
		},
		"a control is replaced by its reader": {
			{read: paused, control: full, want: at(0, full)},
			{read: held, control: full, want: at(0, full)},
			{read: ratelimit.Control{Scale: 600}, control: full, want: at(0, full)},
			{read: full, control: paused, applied: true, want: at(0, paused)},
			{read: full, control: held, want: at(0, paused)},
			{read: ratelimit.Control{Scale: 600, ScaleChanged: 7, Pause: ratelimit.Pause{ID: "two", Seconds: 10, Reason: "429"}}, control: full, want: at(0, paused)},
			{read: ratelimit.Control{Scale: 600, ScaleChanged: 8, Pause: paused.Pause}, control: full, want: at(0, paused)},
			{read: ratelimit.Control{Scale: 620, ScaleChanged: 7, Pause: paused.Pause}, control: full, want: at(0, paused)},
			{read: paused, control: held, applied: true, want: at(0, held)},
			{read: paused, control: full, want: at(0, held)},
			{read: ratelimit.Control{Scale: 600, ScaleChanged: 7}, control: full, want: at(0, held)},
			{read: ratelimit.Control{Scale: 600, ScaleChanged: 7, OperatorPause: ratelimit.OperatorPause{Reason: "price", Since: 8}}, control: full, want: at(0, held)},
			{read: held, control: full, applied: true, want: at(0, full)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			for i, step := range steps {
				var found ratelimit.State
				var applied bool
				var err error
				if step.grant != nil {
					found, applied, err = store.Grant(t.Context(), *step.grant)
				} else {
					found, applied, err = store.SetControl(t.Context(), step.read, step.control)
				}
				if err != nil || applied != step.applied || found != step.want {
					t.Fatalf("step %d: got %+v, %t, %v; want %+v, %t", i, found, applied, err, step.want, step.applied)
				}
				if found, err = store.Read(t.Context()); err != nil || found != step.want {
					t.Fatalf("read after step %d: got %+v, %v; want %+v", i, found, err, step.want)
				}
			}
		})
	}
}
