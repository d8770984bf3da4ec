package sandbox_test

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// rates has every fault, and half of the calls meet none.
var rates = sandbox.Rates{
	Throttle: 0.02, Refuse: 0.04, LoseReply: 0.06, ApplyLate: 0.08, Partial: 0.09, Duplicate: 0.1, CutBody: 0.03,
	EffectThenError: 0.035, DeliverLate: 0.045,
	DelayRate: 0.3, MaxDelay: 10 * time.Second, MaxLate: 5 * time.Minute, LagRate: 0.2, MaxLag: time.Minute,
}

func draw(faults sandbox.Faults, count int) []sandbox.Fault {
	drawn := make([]sandbox.Fault, count)
	for i := range drawn {
		drawn[i] = faults.Next("SendMessage")
	}
	return drawn
}

func TestSameSeedSameFaults(t *testing.T) {
	t.Parallel()
	first := draw(sandbox.Seeded(7, rates), 1000)
	if !slices.Equal(first, draw(sandbox.Seeded(7, rates), 1000)) {
		t.Error("the same seed gave other faults")
	}
	if slices.Equal(first, draw(sandbox.Seeded(8, rates), 1000)) {
		t.Error("another seed gave the same faults")
	}
	other := sandbox.Seeded(7, rates)
	for i, want := range first {
		if got := other.Next(fmt.Sprint(i)); got != want {
			t.Fatalf("call %d: the operation's name changed the fault", i)
		}
	}
}

func TestRatesAreRespected(t *testing.T) {
	t.Parallel()
	const calls = 200_000
	counts := map[sandbox.Kind]int{}
	delayed, lagging, late := 0, 0, time.Duration(0)
	for _, fault := range draw(sandbox.Seeded(1, rates), calls) {
		counts[fault.Kind]++
		if fault.Delay != 0 {
			delayed++
		}
		if fault.Delay < 0 || fault.Delay > rates.MaxDelay {
			t.Fatalf("a delay of %s", fault.Delay)
		}
		comesLate := slices.Contains([]sandbox.Kind{sandbox.ApplyLate, sandbox.Duplicate, sandbox.DeliverLate}, fault.Kind)
		if comesLate != (fault.Late > 0) || fault.Late > rates.MaxLate {
			t.Fatalf("kind %d comes %s late", fault.Kind, fault.Late)
		}
		if chooses := fault.Kind == sandbox.Throttle || fault.Kind == sandbox.Partial; chooses != (fault.Choice != 0) {
			t.Fatalf("kind %d has the choice %d", fault.Kind, fault.Choice)
		}
		if fault.Lag != 0 {
			lagging++
		}
		if fault.Lag < 0 || fault.Lag > rates.MaxLag {
			t.Fatalf("a lag of %s", fault.Lag)
		}
		late = max(late, fault.Late)
	}
	for kind, want := range map[sandbox.Kind]float64{
		sandbox.None: 0.5, sandbox.Throttle: 0.02, sandbox.Refuse: 0.04, sandbox.LoseReply: 0.06,
		sandbox.ApplyLate: 0.08, sandbox.Partial: 0.09, sandbox.Duplicate: 0.1, sandbox.CutBody: 0.03,
		sandbox.EffectThenError: 0.035, sandbox.DeliverLate: 0.045,
	} {
		wantRate(t, fmt.Sprint("kind ", kind), counts[kind], calls, want)
	}
	wantRate(t, "delays", delayed, calls, rates.DelayRate)
	wantRate(t, "lags", lagging, calls, rates.LagRate)
	if late < rates.MaxLate*9/10 {
		t.Errorf("the latest effect comes after %s of %s", late, rates.MaxLate)
	}
}

// wantRate allows five standard deviations; the seed is fixed, so it never flickers.
func wantRate(t *testing.T, what string, count, of int, want float64) {
	t.Helper()
	deviation := math.Sqrt(float64(of) * want * (1 - want))
	if math.Abs(float64(count)-float64(of)*want) > 5*deviation {
		t.Errorf("%s: %d of %d, want %g", what, count, of, want)
	}
}

func TestExtremeRates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rates sandbox.Rates
		want  func(sandbox.Fault) bool
	}{
		"none":                {sandbox.Rates{}, func(f sandbox.Fault) bool { return f == sandbox.Fault{} }},
		"always":              {sandbox.Rates{CutBody: 1}, func(f sandbox.Fault) bool { return f == sandbox.Fault{Kind: sandbox.CutBody} }},
		"lag without bound":   {sandbox.Rates{LagRate: 1}, func(f sandbox.Fault) bool { return f == sandbox.Fault{} }},
		"the least lag":       {sandbox.Rates{LagRate: 1, MaxLag: 1}, func(f sandbox.Fault) bool { return f.Lag == 1 }},
		"the first of two":    {sandbox.Rates{Throttle: 1, CutBody: 1}, func(f sandbox.Fault) bool { return f.Kind == sandbox.Throttle }},
		"late without bound":  {sandbox.Rates{ApplyLate: 1}, func(f sandbox.Fault) bool { return f == sandbox.Fault{Kind: sandbox.ApplyLate} }},
		"delay without bound": {sandbox.Rates{DelayRate: 1}, func(f sandbox.Fault) bool { return f == sandbox.Fault{} }},
		"the least delay":     {sandbox.Rates{DelayRate: 1, MaxDelay: 1}, func(f sandbox.Fault) bool { return f.Delay == 1 }},
		"the least lateness":  {sandbox.Rates{ApplyLate: 1, MaxLate: 1}, func(f sandbox.Fault) bool { return f.Late == 1 }},
	} {
		for _, fault := range draw(sandbox.Seeded(3, test.rates), 1000) {
			if !test.want(fault) {
				t.Fatalf("%s: got %+v", name, fault)
			}
		}
	}
}

// TestFaultsAreShared by calls that come at the same time: what is drawn is the same,
// only who meets it differs.
func TestFaultsAreShared(t *testing.T) {
	t.Parallel()
	faults := sandbox.Seeded(7, rates)
	drawn := make([][]sandbox.Fault, 8)
	var group sync.WaitGroup
	for i := range drawn {
		group.Go(func() { drawn[i] = draw(faults, 100) })
	}
	group.Wait()
	count := map[sandbox.Fault]int{}
	for _, fault := range slices.Concat(drawn...) {
		count[fault]++
	}
	for _, fault := range draw(sandbox.Seeded(7, rates), 800) {
		count[fault]--
	}
	for fault, difference := range count {
		if difference != 0 {
			t.Errorf("%+v was drawn %+d times too often", fault, difference)
		}
	}
}

func ExampleFaultFunc() {
	sends := 0
	faults := sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if operation != "SendMessage" {
			return sandbox.Fault{}
		}
		if sends++; sends == 2 {
			return sandbox.Fault{Kind: sandbox.LoseReply}
		}
		return sandbox.Fault{}
	})
	for _, operation := range []string{"SendMessage", "ReceiveMessage", "SendMessage", "SendMessage"} {
		fmt.Println(operation, faults.Next(operation).Kind == sandbox.LoseReply)
	}
	// Output:
	// SendMessage false
	// ReceiveMessage false
	// SendMessage true
	// SendMessage false
}
