package simulation_test

import (
	"cmp"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	gocmp "github.com/google/go-cmp/cmp"
)

var (
	seed        = flag.Uint64("seed", 0, "seed of TestSeed")
	first       = flag.Uint64("first", 1, "first seed of TestScenarios")
	seeds       = flag.Uint64("seeds", defaultSeeds, "number of seeds of TestScenarios")
	replaySeeds = flag.Uint64("replays", 22, "number of seeds of TestReplay")
	mutantSeeds = flag.Uint64("mutant-seeds", 220, "number of seeds that TestMutants tries for each mutant")
)

// TestMain makes the garbage collector run less often: scenarios allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// run runs the scenario of a seed. Scenarios run one after the other, since crypto/rand is set
// for the whole process.
func run(t *testing.T, seed uint64) (e *env) {
	t.Helper()
	rand.Reader = &entropy{rng: rng(seed)}
	synctest.Test(t, func(t *testing.T) {
		var err error
		if e, err = newEnv(t.Context(), seed); err != nil {
			t.Fatal(err)
		}
		e.run(t.Context())
	})
	return e
}

// TestSeed runs one scenario and prints its timeline.
func TestSeed(t *testing.T) {
	if *seed == 0 {
		t.Skip("needs -seed")
	}
	e := run(t, *seed)
	for _, entry := range e.timeline.entries {
		_, _ = fmt.Fprintln(os.Stdout, entry)
	}
	checkViolations(t, e)
}

// TestScenarios runs the scenarios of many seeds.
func TestScenarios(t *testing.T) {
	for seed := *first; seed < *first+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			checkViolations(t, run(t, seed))
		})
	}
}

func checkViolations(t *testing.T, e *env) {
	t.Helper()
	if len(e.violations.texts) > 0 {
		t.Errorf("seed %d, %s:\n%s", uint64(e.rng), e.scenario.profile, strings.Join(e.violations.texts, "\n"))
	}
	t.Logf("seed %d, %s: %d invoices, %d events, %d calls to Chargebee, %s",
		uint64(e.rng), e.scenario.profile, len(e.scenario.renewals), len(e.recorder.events), len(e.site.Calls()), e.took)
}

// TestReplay runs one scenario of each profile twice and compares the timelines. The race detector
// changes the order of goroutines that act at the same nanosecond; TestMutants runs this test
// without it.
func TestReplay(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector changes the order of goroutines")
	}
	for seed := *first; seed < *first+*replaySeeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			first, second := sortedEntries(run(t, seed)), sortedEntries(run(t, seed))
			if diff := gocmp.Diff(first, second, gocmp.AllowUnexported(entry{})); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// sortedEntries returns a timeline with an order of the entries of the same nanosecond.
func sortedEntries(e *env) []entry {
	return slices.SortedStableFunc(slices.Values(e.timeline.entries), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.source, b.source), strings.Compare(a.text, b.text))
	})
}
