package conformance_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// bench notes in ran which checks ran, and against which client.
type bench struct {
	*testing.T
	client string
}

type noted struct {
	mu  sync.Mutex
	ran []string
}

func (n *noted) suite() conformance.Suite[bench, string] {
	check := func(name string, lasts time.Duration) conformance.Check[bench] {
		return conformance.Check[bench]{Name: name, Lasts: lasts, Run: func(b bench) {
			time.Sleep(lasts)
			n.mu.Lock()
			defer n.mu.Unlock()
			_, name, _ := strings.Cut(b.Name(), "/all/")
			n.ran = append(n.ran, name+" "+b.client)
		}}
	}
	return conformance.Suite[bench, string]{
		Checks: []conformance.Check[bench]{check("a/short", 0), check("a/long", time.Hour), check("b/known", 0)},
		Bench:  func(t *testing.T, client string) bench { t.Helper(); return bench{t, client} },
	}
}

func (n *noted) want(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(n.ran)
	if !slices.Equal(n.ran, want) {
		t.Errorf("%q ran, want %q", n.ran, want)
	}
}

func TestInVirtualTime(t *testing.T) {
	var n noted
	t.Run("all", func(t *testing.T) { n.suite().InVirtualTime(t, func() string { return "new" }) })
	n.want(t, "a/long new", "a/short new", "b/known new")
}

func TestAgainst(t *testing.T) {
	for name, test := range map[string]struct {
		target conformance.Target[string]
		want   []string
	}{
		"what is short":     {conformance.Target[string]{Client: "c"}, []string{"a/short c", "b/known c"}},
		"what is not known": {conformance.Target[string]{Client: "c", Known: map[string]string{"b/known": "it differs"}}, []string{"a/short c"}},
		"only one":          {conformance.Target[string]{Client: "c", Only: []string{"b/known"}}, []string{"b/known c"}},
	} {
		t.Run(name, func(t *testing.T) {
			var n noted
			t.Run("all", func(t *testing.T) { n.suite().Against(t, test.target) })
			n.want(t, test.want...)
		})
	}
}

func TestNamesAreDifferent(t *testing.T) {
	if one, two := conformance.Name(), conformance.Name(); one == two || len(one) > 60 {
		t.Errorf("names %q and %q", one, two)
	}
}
