// Package conformance runs a suite of checks against a service: against a fake in virtual
// time, one testing/synctest bubble for each check, and against any other endpoint in real
// time. The suites are in sqstest and dynamodbtest.
package conformance

import (
	"crypto/rand"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Check is one rule of a suite. It creates what it needs under names of its own.
type Check[Bench any] struct {
	Name  string        // group/rule
	Lasts time.Duration // how long it sleeps, about
	Run   func(Bench)
}

// Outline describes a check.
type Outline struct {
	Name  string
	Lasts time.Duration
}

// Suite is a set of checks.
type Suite[Bench, Client any] struct {
	Checks []Check[Bench]
	// Bench makes what a check works with. The client must not retry: a check sees each
	// response.
	Bench func(*testing.T, Client) Bench
}

// Target is an endpoint in real time.
type Target[Client any] struct {
	Client  Client
	Longest time.Duration     // checks that last longer are skipped
	Only    []string          // the names of the checks to run. Defaults to all
	Known   map[string]string // checks that the target is known to fail, and why: they are skipped
}

// Outline returns the outline of all checks.
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

// Against runs the checks against a target, in parallel.
func (s Suite[Bench, Client]) Against(t *testing.T, target Target[Client]) {
	t.Helper()
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

// RequireNames fails for names of known differences that no check has, so that a renamed
// check is not skipped forever, and for differences without a reason.
func (s Suite[Bench, Client]) RequireNames(t *testing.T, known map[string]map[string]string) {
	t.Helper()
	for service, differences := range known {
		for name, reason := range differences {
			if !slices.ContainsFunc(s.Checks, func(check Check[Bench]) bool { return check.Name == name }) {
				t.Errorf("no check is named %q, which %s is known to fail", name, service)
			}
			if reason == "" {
				t.Errorf("no reason is given why %s fails %q", service, name)
			}
		}
	}
}

// Name returns a unique name.
func Name() string { return "contract-" + rand.Text() }

// Repeatable fails unless the responses to a script depend on the seed only: play runs the
// script against a new service of that seed. Every part must occur in some response, or the
// script does not cover it.
func Repeatable(t *testing.T, play func(seed uint64) []string, parts ...string) {
	t.Helper()
	first := play(1)
	for range 3 {
		again := play(1)
		for i := range min(len(first), len(again)) {
			if first[i] != again[i] {
				t.Fatalf("response %d of %d is\n%s\nwas\n%s", i, len(first), again[i], first[i])
			}
		}
		if len(first) != len(again) {
			t.Fatalf("%d responses, then %d", len(first), len(again))
		}
	}
	if slices.Equal(first, play(2)) {
		t.Error("another seed gives the same responses")
	}
	for _, part := range parts {
		if !slices.ContainsFunc(first, func(response string) bool { return strings.Contains(response, part) }) {
			t.Errorf("no response has %q: the script does not cover it", part)
		}
	}
}

// PlainBodies hides that the bodies of an SDK's requests implement io.WriterTo: net/http
// drops the connection, with the response on it, when the SDK closes such a body while
// net/http still reads from it. Package awsclient does the same and explains it.
type PlainBodies struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p PlainBodies) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		request = request.Clone(request.Context())
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return p.RoundTripper.RoundTrip(request)
}
