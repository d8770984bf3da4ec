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

	"github.com/billable-events/billable/pkg/simulation"
)

var (
	seed    = flag.Uint64("seed", 0, "the seed that TestSeed replays, with its timeline")
	first   = flag.Uint64("first", 1, "the first seed of TestHistories")
	replays = flag.Uint64("replays", 22, "how many seeds TestReplay tries")
	seeds   = flag.Uint64("seeds", usualSeeds, "how many seeds TestHistories tries")
	hunted  = flag.Uint64("hunted", 220, "how many seeds TestMutants tries, without the race detector")
)

// TestMain has garbage lie a little longer: histories make much of it, and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// run lets the history of a seed happen. Histories run one after the other: the
// randomness that the product draws is set for the whole process.
func run(t *testing.T, seed uint64) (report *simulation.Report) {
	t.Helper()
	rand.Reader = simulation.NewEntropy(seed)
	synctest.Test(t, func(t *testing.T) {
		var err error
		if report, err = simulation.Run(t.Context(), seed); err != nil {
			t.Fatal(err)
		}
	})
	return report
}

// TestSeed replays one seed and shows what happened.
func TestSeed(t *testing.T) {
	if *seed == 0 {
		t.Skip("-seed says which")
	}
	report := run(t, *seed)
	if _, err := report.Timeline.WriteTo(os.Stdout); err != nil {
		t.Fatal(err)
	}
	judge(t, report)
}

// TestHistories tries many.
func TestHistories(t *testing.T) {
	for seed := *first; seed < *first+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			judge(t, run(t, seed))
		})
	}
}

func judge(t *testing.T, report *simulation.Report) {
	t.Helper()
	if len(report.Faults) > 0 {
		t.Errorf("seed %d, %s:\n%s", report.Seed, report.Profile, strings.Join(report.Faults, "\n"))
	}
	t.Logf("seed %d, %s: %d invoices, %d events, %d calls to Chargebee, %s", report.Seed, report.Profile, report.Invoices, report.Events, report.Calls, report.Took)
}

// TestReplay lets one history of each kind happen twice: what happens is the same,
// entry by entry. The race detector leaves to chance what goroutines do at the same
// nanosecond; TestMutants lets this run without it.
func TestReplay(t *testing.T) {
	if raced {
		t.Skip("the race detector shuffles goroutines")
	}
	for seed := *first; seed < *first+*replays; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			once, again := moments(run(t, seed)), moments(run(t, seed))
			for i := range min(len(once), len(again)) {
				if once[i] != again[i] {
					t.Fatalf("after\n%v\nentry %d of %d was\n%v\nand is\n%v", once[max(i-5, 0):i], i, len(once), once[i:min(i+3, len(once))], again[i:min(i+3, len(again))])
				}
			}
			if len(once) != len(again) {
				t.Fatalf("%d entries, and then %d", len(once), len(again))
			}
		})
	}
}

// moments is a timeline in which what happened at the same nanosecond has an order.
func moments(report *simulation.Report) []simulation.Entry {
	entries := slices.Clone(report.Timeline.Entries())
	slices.SortStableFunc(entries, func(a, b simulation.Entry) int {
		return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.Who, b.Who), strings.Compare(a.What, b.What))
	})
	return entries
}
