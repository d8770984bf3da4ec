// Package conformance runs the checks of a contract against a service: against a
// stand-in in virtual time, one bubble of testing/synctest for each check, and against
// any other endpoint in real time.
package conformance

import (
	"crypto/rand"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Check is one rule of a contract. It makes what it needs under names of its own.
type Check[Bench any] struct {
	Name  string        // group/rule
	Lasts time.Duration // how long it sleeps, about
	Run   func(Bench)
}

// Outline is what is to be known of a check without running it.
type Outline struct {
	Name  string
	Lasts time.Duration
}

// Suite is a contract.
type Suite[Bench, Client any] struct {
	Checks []Check[Bench]
	// Bench makes what a check works with. The client must not retry: a check wants
	// to see each answer.
	Bench func(*testing.T, Client) Bench
}

// Target is an endpoint in real time.
type Target[Client any] struct {
	Client  Client
	Longest time.Duration     // checks that last longer are skipped
	Only    []string          // the names of the checks to run. Defaults to all
	Known   map[string]string // the names of checks that the target is known to fail: why
}

// Outline is the outline of all checks.
func (s Suite[Bench, Client]) Outline() []Outline {
	outlines := make([]Outline, len(s.Checks))
	for i, check := range s.Checks {
		outlines[i] = Outline{check.Name, check.Lasts}
	}
	return outlines
}

// InVirtualTime runs every check against a service of its own.
func (s Suite[Bench, Client]) InVirtualTime(t *testing.T, newClient func() Client) {
	t.Helper()
	for _, check := range s.Checks {
		t.Run(check.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { check.Run(s.Bench(t, newClient())) })
		})
	}
}

// Against runs the checks against a target, all at the same time.
func (s Suite[Bench, Client]) Against(t *testing.T, target Target[Client]) {
	t.Helper()
	s.mustHave(t, target)
	for _, check := range s.Checks {
		if len(target.Only) > 0 && !slices.Contains(target.Only, check.Name) {
			continue
		}
		t.Run(check.Name, func(t *testing.T) {
			if reason, ok := target.Known[check.Name]; ok {
				t.Skip("known to differ: " + reason)
			}
			if check.Lasts > target.Longest {
				t.Skipf("lasts %s", check.Lasts)
			}
			t.Parallel()
			check.Run(s.Bench(t, target.Client))
		})
	}
}

// mustHave finds names that no check bears: a check that was renamed must not be
// skipped, or left out, for ever.
func (s Suite[Bench, Client]) mustHave(t *testing.T, target Target[Client]) {
	t.Helper()
	names := map[string]bool{}
	for _, check := range s.Checks {
		names[check.Name] = true
	}
	for _, name := range target.Only {
		if !names[name] {
			t.Errorf("there is no check %q to run", name)
		}
	}
	for name := range target.Known {
		if !names[name] {
			t.Errorf("there is no check %q that could be known to fail", name)
		}
	}
}

// Known wants all that services are known to differ in to be checks, with a reason.
func Known(t *testing.T, checks []Outline, known map[string]map[string]string) {
	t.Helper()
	for service, differences := range known {
		for name, reason := range differences {
			if !slices.ContainsFunc(checks, func(check Outline) bool { return check.Name == name }) {
				t.Errorf("there is no check %q that %s could be known to fail", name, service)
			}
			if reason == "" {
				t.Errorf("it is not said why %s fails %q", service, name)
			}
		}
	}
}

// Name is a name that nothing else has.
func Name() string { return "contract-" + rand.Text() }
