package settlement

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// TestDecideCourse says in one table what follows from every kind of failure, for each
// thing that a call is made for.
func TestDecideCourse(t *testing.T) {
	t.Parallel()
	var (
		unknown      = billing.Failure{Kind: billing.Unknown}
		transient    = billing.Failure{Kind: billing.Transient}
		site         = billing.Failure{Kind: billing.Limited, RetryAfter: time.Minute}
		locked       = billing.Failure{Kind: billing.Limited, Resource: true}
		replayed     = billing.Failure{Kind: billing.Limited, Replayed: true}
		missing      = billing.Failure{Kind: billing.Missing, Status: http.StatusNotFound}
		conflict     = billing.Failure{Kind: billing.Missing, Status: http.StatusConflict}
		permanent    = billing.Failure{Kind: billing.Permanent}
		stored       = billing.Failure{Kind: billing.Permanent, Replayed: true}
		storedMiss   = billing.Failure{Kind: billing.Missing, Status: http.StatusConflict, Replayed: true}
		storedFault  = billing.Failure{Kind: billing.Unknown, Replayed: true}
		unauthorized = billing.Failure{Kind: billing.Unauthorized}

		soon     = course{ending: comeBack, wait: lockWait}
		calm     = course{ending: comeBack, wait: outageWait}
		repaired = course{ending: comeBack, wait: unauthorizedWait}
		waited   = course{ending: whenKeyExpires}
		chargeNo = course{ending: giveUp, reason: billing.ChargebeeRefused}
		closeNo  = course{looks: 2, ending: giveUp, reason: billing.CloseRefused, newKey: true}
		unread   = course{ending: comeBack, wait: readAgainWait}
	)
	unsent := func(c course) course { c.line = notSent; return c }
	looked := func(c course) course { c.looks = 1; return c }
	newKey := func(c course) course { c.newKey = true; return c }

	for _, row := range []struct {
		name    string
		failure billing.Failure
		outage  bool

		adding, again, closing, reading course
	}{
		{"it may have happened", unknown, false,
			course{line: inDoubt}, course{}, course{}, calm},
		{"it may have happened, replayed", storedFault, false,
			course{line: inDoubt}, course{}, course{newKey: true}, calm},
		{"it may have happened, and Chargebee answers nobody", unknown, true,
			course{line: inDoubt, ending: comeBack, wait: outageWait}, calm, calm, calm},
		{"not now", transient, false,
			unsent(calm), calm, calm, calm},
		{"the site's limit", site, false,
			unsent(course{ending: lookAnew}), course{ending: lookAnew}, course{ending: lookAnew}, course{ending: lookAnew}},
		{"another call on the same invoice", locked, false,
			unsent(soon), soon, soon, soon},
		{"a limit of some time ago, replayed", replayed, false,
			unsent(soon), soon, newKey(soon), soon},
		{"the invoice is not in the state", conflict, false,
			course{line: notSent, looks: 2, ending: giveUp, reason: billing.ChargebeeRefused},
			course{looks: 1, ending: whenKeyExpires}, closeNo, unread},
		{"it was not in the state some time ago", storedMiss, false,
			course{line: notSent, looks: 1, ending: whenKeyExpires},
			course{looks: 1, ending: whenKeyExpires}, closeNo, unread},
		{"the invoice is not there", missing, false,
			course{line: notSent, looks: 2, ending: giveUp, reason: billing.ChargebeeRefused},
			course{looks: 1, ending: whenKeyExpires}, closeNo, course{ending: takeAsMissing}},
		{"never", permanent, false,
			unsent(looked(chargeNo)), waited, closeNo, unread},
		{"not some time ago, replayed", stored, false,
			unsent(looked(waited)), waited, closeNo, unread},
		{"not with these credentials", unauthorized, false,
			unsent(repaired), repaired, repaired, repaired},
	} {
		for _, cell := range []struct {
			call call
			name string
			want course
		}{
			{adding, "adding a line", row.adding},
			{addingAgain, "adding a line in doubt", row.again},
			{closing, "closing", row.closing},
			{reading, "reading", row.reading},
		} {
			if got := decideCourse(cell.call, &row.failure, row.outage); got != cell.want {
				t.Errorf("%s, %s:\n got %+v\nwant %+v", row.name, cell.name, got, cell.want)
			}
		}
	}
}

// TestDecideRemedy looks at both sides of each bound: by the defaults a line is sent
// again for 30 min − 2 · 5 min − 30 s, and looked for from 30 min on.
func TestDecideRemedy(t *testing.T) {
	t.Parallel()
	settings := Settings{IdempotencyWindow: 30 * time.Minute, MaxEffectDelay: 5 * time.Minute, MaxSkew: 30 * time.Second}
	const until = 19*time.Minute + 30*time.Second
	for _, row := range []struct {
		elapsed time.Duration
		want    remedy
	}{
		{-time.Minute, sendAgain}, // another's clock was ahead
		{0, sendAgain},
		{until, sendAgain},
		{until + 1, waitForLine},
		{30*time.Minute - 1, waitForLine},
		{30 * time.Minute, lookForLine},
		{240 * time.Hour, lookForLine},
	} {
		if got := decideRemedy(row.elapsed, settings); got != row.want {
			t.Errorf("%s after the first send: %d, want %d", row.elapsed, got, row.want)
		}
	}
}

// TestDecideTaking says how each head that can be found is taken.
func TestDecideTaking(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	const skew = 30 * time.Second
	var (
		ago    = now.Add(-time.Hour).Unix()
		held   = billing.Head{State: billing.Charging, Owner: "other", LeaseUntil: now.Unix() + 20, UpdatedAt: ago}
		lapsed = billing.Head{State: billing.Charging, Owner: "other", LeaseUntil: now.Unix(), UpdatedAt: ago}
	)
	sending := func(head billing.Head) billing.Head { head.SendingSince = ago; return head }
	rejected := func(head billing.Head) billing.Head { head.State, head.UpdatedAt = billing.Rejected, ago; return head }
	lately := func(head billing.Head, age time.Duration) billing.Head {
		head.UpdatedAt = now.Add(-age).Unix()
		return head
	}
	for _, row := range []struct {
		name string
		head *billing.Head
		want taking
		wait time.Duration // not now
		done bool
	}{
		{name: "no head", want: taking{fresh: true}},
		{name: "finished", head: &billing.Head{State: billing.Finished}, done: true},
		{name: "finished and past its time to live", head: &billing.Head{State: billing.Finished, ExpiresAt: ago}, done: true},
		{name: "of a newer program", head: &billing.Head{State: billing.Finished, Version: billing.HeadVersion + 1}, wait: newerVersionWait},
		{name: "held", head: &held, wait: 21 * time.Second},
		{name: "its lease ran out", head: &lapsed},
		{name: "its lease ran out while it sent", head: new(sending(lapsed)), want: taking{doubt: true}},
		{name: "given up while it sent", head: &billing.Head{State: billing.Charging, SendingSince: ago}, want: taking{doubt: true}},
		{name: "rejected, nothing claimed", head: new(rejected(billing.Head{Resume: billing.Claiming})), want: taking{fresh: true}},
		{name: "rejected just now, nothing claimed", head: new(lately(rejected(billing.Head{Resume: billing.Claiming}), 0)), want: taking{fresh: true}},
		{
			name: "rejected, given back",
			head: new(rejected(billing.Head{Resume: billing.Claiming, Pages: 2})),
			want: taking{fresh: true, after: now.Add(-time.Hour + time.Second + releaseShows + skew)},
		},
		{
			name: "rejected, given back just now",
			head: new(lately(rejected(billing.Head{Resume: billing.Claiming, Pages: 2}), 0)),
			want: taking{fresh: true, after: now.Add(time.Second + releaseShows + skew)},
		},
		{
			name: "rejected, all lines given back",
			head: new(rejected(billing.Head{Resume: billing.Settling, Verdict: "rr", Pages: 1, Settled: 1})),
			want: taking{fresh: true, after: now.Add(-time.Hour + time.Second + releaseShows + skew)},
		},
		{name: "rejected while lines were given back", head: new(rejected(billing.Head{Resume: billing.Settling, Verdict: "rr", Pages: 2, Settled: 1})), want: taking{recheck: true}},
		{name: "rejected, a line held", head: new(rejected(billing.Head{Resume: billing.Settling, Verdict: "rh", Pages: 1})), want: taking{recheck: true}},
		{name: "rejected while charging", head: new(rejected(billing.Head{Resume: billing.Charging})), want: taking{recheck: true}},
		{
			name: "rejected with a line in doubt",
			head: new(sending(rejected(billing.Head{Resume: billing.Charging}))),
			want: taking{recheck: true, doubt: true},
		},
	} {
		var head billing.Head
		if row.head != nil {
			head = *row.head
		}
		got, err := decideTaking(head, row.head != nil, now, skew)
		later, _ := errors.AsType[*deferral](err)
		switch {
		case row.done:
			if !errors.Is(err, errDone) {
				t.Errorf("%s: %+v, %v; want %v", row.name, got, err, errDone)
			}
		case row.wait > 0:
			if later == nil || later.after != row.wait || later.attempt {
				t.Errorf("%s: %+v, %+v; want a wait of %s", row.name, got, err, row.wait)
			}
		case err != nil || got != row.want:
			t.Errorf("%s: %+v, %v; want %+v", row.name, got, err, row.want)
		}
	}
}

// TestDecideRelease says how the events of each invoice are given back, or that they are not.
func TestDecideRelease(t *testing.T) {
	t.Parallel()
	settings := Settings{MaxEffectDelay: 5 * time.Minute, MaxSkew: 30 * time.Second}
	now := time.Unix(1_000_000, 0)
	const shows, doubtful = 5*time.Minute + 31*time.Second, 10*time.Minute + 31*time.Second
	rejected := func(age time.Duration, head billing.Head) billing.Head {
		head.State, head.UpdatedAt = billing.Rejected, now.Add(-age).Unix()
		return head
	}
	ago := now.Add(-time.Hour).Unix()
	for _, row := range []struct {
		name string
		head billing.Head
		want way
		err  string
	}{
		{"of a newer program", billing.Head{State: billing.Rejected, Version: billing.HeadVersion + 1}, nothingHeld, "newer than this program"},
		{"done", billing.Head{State: billing.Finished, Outcome: billing.Closed}, nothingHeld, "is done (closed)"},
		{"claiming", billing.Head{State: billing.Claiming}, nothingHeld, "is claiming and not rejected"},
		{"charging", billing.Head{State: billing.Charging}, nothingHeld, "is charging and not rejected"},
		{"closing, its owner is gone", billing.Head{State: billing.Closing, Owner: "other", LeaseUntil: now.Unix()}, nothingHeld, "is closing and not rejected"},
		{"releasing", billing.Head{State: billing.Releasing, UpdatedAt: now.Unix()}, carryOut, ""},
		{"settling", billing.Head{State: billing.Settling, Verdict: "rr", UpdatedAt: now.Unix()}, carryOut, ""},
		{"releasing, held", billing.Head{State: billing.Releasing, Owner: "other", LeaseUntil: now.Unix() + 1}, nothingHeld, "is being worked on"},
		{"rejected, held", rejected(time.Hour, billing.Head{Resume: billing.Charging, Owner: "other", LeaseUntil: now.Unix() + 1}), nothingHeld, "is being worked on"},
		{"given back", rejected(0, billing.Head{Resume: billing.Claiming, Pages: 1}), nothingHeld, ""},
		{"given back by a verdict", rejected(0, billing.Head{Resume: billing.Settling, Verdict: "rr", Pages: 1, Settled: 1}), nothingHeld, ""},
		{"billed and given back", rejected(0, billing.Head{Resume: billing.Settling, Verdict: "sr", Pages: 1, Settled: 1}), nothingHeld, ""},
		{"a verdict half carried out", rejected(shows, billing.Head{Resume: billing.Settling, Verdict: "sr", Pages: 2, Settled: 1}), look, ""},
		{"a line held", rejected(shows, billing.Head{Resume: billing.Settling, Verdict: "sh", Pages: 1, Settled: 1}), look, ""},
		{"rejected while releasing", rejected(0, billing.Head{Resume: billing.Releasing, Pages: 1}), carryOut, ""},
		{"rejected while settling what was charged", rejected(0, billing.Head{Resume: billing.Settling, Pages: 1}), carryOut, ""},
		{"rejected", rejected(shows, billing.Head{Resume: billing.Charging, Pages: 1}), look, ""},
		{"rejected lately", rejected(shows-time.Second, billing.Head{Resume: billing.Charging, Pages: 1}), nothingHeld, "come again after 1970-01-12T13:46:41Z"},
		{"in doubt", rejected(doubtful, billing.Head{Resume: billing.Charging, Pages: 1, SendingSince: ago, Doubt: true}), look, ""},
		{"lately in doubt", rejected(doubtful-time.Second, billing.Head{Resume: billing.Charging, Pages: 1, SendingSince: ago, Doubt: true}), nothingHeld, "come again"},
	} {
		got, err := decideRelease(row.head, now, settings)
		if got != row.want || (err != nil) != (row.err != "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: %d, %v; want %d, %q", row.name, got, err, row.want, row.err)
		}
	}
}
