package diagnosis_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/diagnosis"
	"github.com/billable-events/billable/pkg/pace"
)

// healthy is a budget of 600 calls a minute that three processes share, one of which has
// nothing to do.
func healthy() pace.Budget {
	return pace.Budget{
		Entries: map[string]pace.Entry{
			"pod-b":    {Beat: "1", Want: 1 << 31, Rate: 3000, Slots: 25, Cost: 186_500},
			"pod-a":    {Beat: "2", Want: 1 << 31, Rate: 6000, Slots: 25, Cost: 371_000},
			"pod-idle": {Beat: "3", Want: pace.ReadyWant},
			"pod-old":  {Beat: "4", Left: true, Cost: 2000},
		},
		Used: 559_500, Slots: 50, Limit: pace.FullLimit,
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	budget := healthy()
	budget.Entries["pod-waits"] = pace.Entry{Want: 1 << 31}
	want := []diagnosis.Share{
		{Process: "pod-a", State: "calls", CallsPerMinute: 360, Slots: 25},
		{Process: "pod-b", State: "calls", CallsPerMinute: 180, Slots: 25},
		{Process: "pod-idle", State: "has no work"},
		{Process: "pod-old", State: "has left"},
		{Process: "pod-waits", State: "waits for a share"},
	}
	if got := diagnosis.Shares(budget); !slices.Equal(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestBudget(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*pace.Budget)
		level  diagnosis.Level
		want   string // of the worst finding
	}{
		"healthy":    {func(*pace.Budget) {}, diagnosis.OK, "3 processes share 600 calls a minute, of which 540 are granted"},
		"new":        {func(b *pace.Budget) { *b = pace.Budget{Limit: pace.FullLimit} }, diagnosis.OK, "0 processes share 600"},
		"held":       {func(b *pace.Budget) { b.Hold = &pace.Hold{Reason: "month end", Since: 1_790_000_000} }, diagnosis.Warning, "an operator stopped all calls at 2026-09-21T14:13:20Z: month end"},
		"paused":     {func(b *pace.Budget) { b.Pause = &pace.Pause{Seconds: 30, Reason: "over"} }, diagnosis.Warning, "no calls for 30 s: over"},
		"backed off": {func(b *pace.Budget) { b.Limit = 620 }, diagnosis.Warning, "62.0 % of the limit"},
		"too many": {func(b *pace.Budget) { b.Entries["pod-z"] = pace.Entry{Want: 1000} }, diagnosis.Warning,
			"1 processes have work and no share"},
		"set differently": {func(b *pace.Budget) { b.Used = 600_001 }, diagnosis.Error, "the shares together cost 601 calls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := healthy()
			test.change(&budget)
			findings := diagnosis.Budget(budget, 600)
			worst := findings[len(findings)-1]
			if worst.Level != test.level || !strings.HasPrefix(worst.Finding, test.want) && !strings.Contains(worst.Finding, test.want) {
				t.Errorf("got %+v", findings)
			}
			if (worst.Level != diagnosis.OK) != (worst.Remedy != "") {
				t.Errorf("what is to be done about %q? %q", worst.Finding, worst.Remedy)
			}
			if diagnosis.Failed(findings) != (test.level == diagnosis.Error) {
				t.Errorf("failed is %t", diagnosis.Failed(findings))
			}
		})
	}
}
