package settlement_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/settlement"
)

// TestReplayWhileReleasing comes while the release looks at the draft, whose line was
// removed, and finds the head held; or it finds a release that sleeps past its lease. Then
// the release changes nothing anymore.
func TestReplayWhileReleasing(t *testing.T) {
	t.Parallel()
	for _, sleep := range []time.Duration{0, 2 * settings.Lease} {
		t.Run("asleep for "+sleep.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				id, body := f.rejectedWithALine()
				f.let(removed, id)
				time.Sleep(quiet)
				f.meanwhile("retrieve", 1, func() error {
					time.Sleep(sleep)
					if sleep == 0 {
						f.wantRetry(f.settler(nil), body)
						return nil
					}
					f.wantRejected(f.settler(nil), body, billing.LineRemoved)
					return nil
				})
				releaser := f.settler(onTheWayTo("chargebee", func(request *http.Request) error {
					*request = *request.WithContext(context.WithoutCancel(request.Context()))
					return nil
				}))
				release, err := releaser.Release(t.Context(), settlement.Order{InvoiceID: id})
				if sleep == 0 {
					f.wantReleased(release, err, "rrr")
				} else {
					f.wantRefused(err, "another session acquired "+id)
					f.wantStatuses("claimed claimed claimed")
					time.Sleep(quiet)
					release, err = f.release(id)
					f.wantReleased(release, err, "rrr")
				}
				f.wantClosed(f.settler(nil), body)
			})
		})
	}
}

// TestRelease_PausedProcessContinues in the middle of charging: it sends nothing.
func TestRelease_PausedProcessContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		id, body := f.three()
		paused := f.settler(nil)
		permits := 0
		paused.RateLimiter = slowPermits{paused.RateLimiter, func() {
			if permits++; permits == 3 {
				time.Sleep(4 * time.Minute) // a permit is awaited for five
			}
		}}
		woken := make(chan queue.Outcome)
		go func() { woken <- f.handle(paused, body) }()
		time.Sleep(settings.Lease + 10*time.Second)
		f.settings.MaxEffectDelay, f.settings.MaxSkew = 40*time.Second, time.Second // as fast as it may be
		old := &queue.Delivery{Message: queue.Message{Body: body, SentAt: time.Now().Add(-6 * 24 * time.Hour)}}
		if outcome := f.settler(nil).Handle(t.Context(), old); outcome.Reason != string(billing.TooOld) {
			t.Fatalf("got %+v", outcome)
		}
		f.let(removed, id)
		time.Sleep(100 * time.Second) // what was sent shows
		release, err := f.release(id)
		f.wantReleased(release, err, "rrr")
		if outcome := <-woken; outcome.Action != queue.Retry {
			t.Errorf("got %+v", outcome)
		}
		if lines := f.adHoc(id); len(lines) != 0 {
			t.Errorf("the paused charged %+v", lines)
		}
		f.wantClosed(f.settler(nil), body)
	})
}

// TestCrashWhileReleasingHeldClaims ends a release at every call that it makes, before and
// after the call's effect. It is run again, or a replay comes first; in the end everything
// is billed once.
func TestCrashWhileReleasingHeldClaims(t *testing.T) {
	unraced(t)
	t.Parallel()
	for name, gone := range map[string]bool{"pending": false, "deleted": true} {
		for _, after := range []bool{false, true} {
			for _, replayed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, after the effect: %t, replayed first: %t", name, after, replayed), func(t *testing.T) {
					t.Parallel()
					calls := atEachCall(t, "crashed", func(t *testing.T, call int) (reached bool) {
						return crashWhileReleasing(t, &crash{at: call, after: after}, gone, replayed)
					})
					if calls < 8 {
						t.Errorf("only %d calls were made", calls)
					}
				})
			}
		}
	}
}

func crashWhileReleasing(t *testing.T, crash *crash, gone, replayed bool) (reached bool) {
	t.Helper()
	f := newFixture(t, nil)
	for range 150 { // two pages
		f.write("sub", "calls", "0.25")
	}
	id, body := f.rejectedWithALine()
	edit := removed
	if gone {
		edit = deleted
	}
	f.let(edit, id)
	time.Sleep(quiet)
	if gone {
		_, err := f.assertAndRelease(id) // takes note that it is gone
		f.wantRefused(err, "retry in")
		time.Sleep(quiet)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := f.settler(crash.wrap).Release(ctx, settlement.Order{InvoiceID: id, NotCharged: neverCharged})
	reached = crash.calls >= crash.at
	if err != nil && !reached {
		t.Fatal(err)
	}
	time.Sleep(2 * settings.Lease)
	if replayed { // a session may send something, so that the wait starts again
		f.deliver(f.settler(nil), body)
		time.Sleep(2 * quiet)
	}
	if record := f.head(id); record.State != billing.Finished {
		if _, err := f.assertAndRelease(id); err != nil {
			t.Fatal(err)
		}
		if got := f.allStatuses(); len(got) != 1 || got[0] != billing.EventUnbilled {
			t.Errorf("after the second release events are %s", got)
		}
		if record := f.head(id); !record.ClaimsReleased() || record.Owner != "" {
			t.Errorf("got %+v", record)
		}
	}
	if gone {
		_, body = f.renew("sub")
		time.Sleep(time.Minute)
	}
	f.wantDone(f.settler(nil), body)
	f.wantAllBilled()
	return reached
}

// TestReleaseKeepsItsWord: a replay that comes between the pages of a release goes on with
// it, and the dead letter has the cause.
func TestReleaseKeepsItsWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		for range 150 {
			f.write("sub", "calls", "0.25")
		}
		id, body := f.rejectedWithALine()
		f.let(removed, id)
		time.Sleep(quiet)
		releaser := f.settler(nil)
		slept := false
		releaser.Ledger = watched{Ledger: releaser.Ledger, after: func(step billing.Step) {
			if len(step.Release) > 0 && !slept {
				slept = true
				time.Sleep(2 * settings.Lease)
				f.wantRejected(f.settler(nil), body, billing.ChargebeeRefused)
			}
		}}
		_, err := releaser.Release(t.Context(), settlement.Order{InvoiceID: id})
		f.wantRefused(err, "another session acquired")
		if got := strings.Join(f.allStatuses(), " "); got != billing.EventUnbilled {
			t.Errorf("events are %s", got)
		}
		f.wantClosed(f.settler(nil), body)
	})
}
