package settlement

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// TestDecideRecovery is the table of what follows from every kind of failure, for each
// operation.
func TestDecideRecovery(t *testing.T) {
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

		soon     = recovery{action: deferDelay, delay: callLimitDelay}
		calm     = recovery{action: deferDelay, delay: outageDelay}
		repaired = recovery{action: deferDelay, delay: unauthorizedDelay}
		waited   = recovery{action: deferKeyExpiry}
		chargeNo = recovery{action: rejectMessage, reason: billing.ChargebeeRefused}
		closeNo  = recovery{draftReads: 2, action: rejectMessage, reason: billing.CloseRefused, newCloseKey: true}
		unread   = recovery{action: deferDelay, delay: readAgainDelay}
	)
	unsent := func(c recovery) recovery { c.effect = lineNotAdded; return c }
	looked := func(c recovery) recovery { c.draftReads = 1; return c }
	newKey := func(c recovery) recovery { c.newCloseKey = true; return c }

	for _, row := range []struct {
		name    string
		failure billing.Failure
		outage  bool

		adding, again, closing, reading recovery
	}{
		{"it may have happened", unknown, false,
			recovery{effect: lineInDoubt}, recovery{}, recovery{}, calm},
		{"it may have happened, replayed", storedFault, false,
			recovery{effect: lineInDoubt}, recovery{}, recovery{newCloseKey: true}, calm},
		{"it may have happened, and Chargebee answers nobody", unknown, true,
			recovery{effect: lineInDoubt, action: deferDelay, delay: outageDelay}, calm, calm, calm},
		{"not now", transient, false,
			unsent(calm), calm, calm, calm},
		{"the site's limit", site, false,
			unsent(recovery{action: reload}), recovery{action: reload}, recovery{action: reload}, recovery{action: reload}},
		{"another call on the same invoice", locked, false,
			unsent(soon), soon, soon, soon},
		{"a limit of some time ago, replayed", replayed, false,
			unsent(soon), soon, newKey(soon), soon},
		{"the invoice is not in the state", conflict, false,
			recovery{effect: lineNotAdded, draftReads: 2, action: rejectMessage, reason: billing.ChargebeeRefused},
			recovery{draftReads: 1, action: deferKeyExpiry}, closeNo, unread},
		{"it was not in the state some time ago", storedMiss, false,
			recovery{effect: lineNotAdded, draftReads: 1, action: deferKeyExpiry},
			recovery{draftReads: 1, action: deferKeyExpiry}, closeNo, unread},
		{"the invoice is not there", missing, false,
			recovery{effect: lineNotAdded, draftReads: 2, action: rejectMessage, reason: billing.ChargebeeRefused},
			recovery{draftReads: 1, action: deferKeyExpiry}, closeNo, recovery{action: returnFailure}},
		{"never", permanent, false,
			unsent(looked(chargeNo)), waited, closeNo, unread},
		{"not some time ago, replayed", stored, false,
			unsent(looked(waited)), waited, closeNo, unread},
		{"not with these credentials", unauthorized, false,
			unsent(repaired), repaired, repaired, repaired},
	} {
		for _, cell := range []struct {
			call operation
			name string
			want recovery
		}{
			{opAdd, "adding a line", row.adding},
			{opResend, "adding a line in doubt", row.again},
			{opClose, "closing", row.closing},
			{opRead, "reading", row.reading},
		} {
			if got := decideRecovery(cell.call, &row.failure, row.outage); got != cell.want {
				t.Errorf("%s, %s:\n got %+v\nwant %+v", row.name, cell.name, got, cell.want)
			}
		}
	}
}

// TestDecideDoubt looks at both sides of each bound: by the defaults a line is sent
// again for 30 min − 2 · 5 min − 30 s, and looked for from 30 min on.
func TestDecideDoubt(t *testing.T) {
	t.Parallel()
	settings := Settings{IdempotencyWindow: 30 * time.Minute, MaxEffectDelay: 5 * time.Minute, MaxSkew: 30 * time.Second}
	const until = 19*time.Minute + 30*time.Second
	for _, row := range []struct {
		elapsed     time.Duration
		want        doubtAction
		otherAPIKey doubtAction
	}{
		{-time.Minute, resendLine, waitForExpiry}, // another's clock was ahead
		{0, resendLine, waitForExpiry},
		{until, resendLine, waitForExpiry},
		{until + 1, waitForExpiry, waitForExpiry},
		{30*time.Minute - 1, waitForExpiry, waitForExpiry},
		{30 * time.Minute, readBackLine, readBackLine},
		{240 * time.Hour, readBackLine, readBackLine},
	} {
		if got := decideDoubt(row.elapsed, true, settings); got != row.want {
			t.Errorf("%s after the first send: %d, want %d", row.elapsed, got, row.want)
		}
		if got := decideDoubt(row.elapsed, false, settings); got != row.otherAPIKey {
			t.Errorf("%s after the first send, with another API key: %d, want %d", row.elapsed, got, row.otherAPIKey)
		}
	}
}

// TestDecideAcquire is the table of how each record is acquired.
func TestDecideAcquire(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	const skew = 30 * time.Second
	var (
		ago    = now.Add(-time.Hour).Unix()
		held   = billing.Record{State: billing.Charging, Owner: "other", LeaseUntil: now.Unix() + 20, UpdatedAt: ago}
		lapsed = billing.Record{State: billing.Charging, Owner: "other", LeaseUntil: now.Unix(), UpdatedAt: ago}
	)
	sending := func(record billing.Record) billing.Record { record.SendingSince = ago; return record }
	rejected := func(record billing.Record) billing.Record {
		record.State, record.UpdatedAt = billing.Rejected, ago
		return record
	}
	lately := func(record billing.Record, age time.Duration) billing.Record {
		record.UpdatedAt = now.Add(-age).Unix()
		return record
	}
	for _, row := range []struct {
		name string
		head *billing.Record
		want acquisition
		wait time.Duration // not now
		done bool
	}{
		{name: "no head", want: acquisition{newEpoch: true}},
		{name: "finished", head: &billing.Record{State: billing.Finished}, done: true},
		{name: "finished and past its time to live", head: &billing.Record{State: billing.Finished, ExpiresAt: ago}, done: true},
		{name: "of a newer program", head: &billing.Record{State: billing.Finished, SchemaVersion: billing.SchemaVersion + 1}, wait: newerSchemaDelay},
		{name: "held", head: &held, wait: 21 * time.Second},
		{name: "its lease ran out", head: &lapsed},
		{name: "its lease ran out while it sent", head: new(sending(lapsed)), want: acquisition{inDoubt: true}},
		{name: "given up while it sent", head: &billing.Record{State: billing.Charging, SendingSince: ago}, want: acquisition{inDoubt: true}},
		{name: "rejected, nothing claimed", head: new(rejected(billing.Record{Resume: billing.Claiming})), want: acquisition{newEpoch: true}},
		{name: "rejected just now, nothing claimed", head: new(lately(rejected(billing.Record{Resume: billing.Claiming}), 0)), want: acquisition{newEpoch: true}},
		{
			name: "rejected, given back",
			head: new(rejected(billing.Record{Resume: billing.Claiming, Pages: 2})),
			want: acquisition{newEpoch: true, notBefore: now.Add(-time.Hour + time.Second + indexDelay + skew)},
		},
		{
			name: "rejected, given back just now",
			head: new(lately(rejected(billing.Record{Resume: billing.Claiming, Pages: 2}), 0)),
			want: acquisition{newEpoch: true, notBefore: now.Add(time.Second + indexDelay + skew)},
		},
		{
			name: "rejected, all lines given back",
			head: new(rejected(billing.Record{Resume: billing.Settling, Dispositions: "rr", Pages: 1, ProcessedPages: 1})),
			want: acquisition{newEpoch: true, notBefore: now.Add(-time.Hour + time.Second + indexDelay + skew)},
		},
		{name: "rejected while lines were given back", head: new(rejected(billing.Record{Resume: billing.Settling, Dispositions: "rr", Pages: 2, ProcessedPages: 1})), want: acquisition{recheck: true}},
		{name: "rejected, a line held", head: new(rejected(billing.Record{Resume: billing.Settling, Dispositions: "rh", Pages: 1})), want: acquisition{recheck: true}},
		{name: "rejected while charging", head: new(rejected(billing.Record{Resume: billing.Charging})), want: acquisition{recheck: true}},
		{
			name: "rejected with a line in doubt",
			head: new(sending(rejected(billing.Record{Resume: billing.Charging}))),
			want: acquisition{recheck: true, inDoubt: true},
		},
	} {
		var record billing.Record
		if row.head != nil {
			record = *row.head
		}
		got, err := decideAcquire(record, row.head != nil, now, skew)
		later, _ := errors.AsType[*deferral](err)
		switch {
		case row.done:
			if !errors.Is(err, errFinished) {
				t.Errorf("%s: %+v, %v; want %v", row.name, got, err, errFinished)
			}
		case row.wait > 0:
			if later == nil || later.delay != row.wait || later.countsAttempt {
				t.Errorf("%s: %+v, %+v; want a wait of %s", row.name, got, err, row.wait)
			}
		case err != nil || got != row.want:
			t.Errorf("%s: %+v, %v; want %+v", row.name, got, err, row.want)
		}
	}
}

// TestDecideRelease is the table of how the events of each invoice are released, or that they are not.
func TestDecideRelease(t *testing.T) {
	t.Parallel()
	settings := Settings{MaxEffectDelay: 5 * time.Minute, MaxSkew: 30 * time.Second}
	now := time.Unix(1_000_000, 0)
	const shows, doubtful = 5*time.Minute + 31*time.Second, 10*time.Minute + 31*time.Second
	rejected := func(age time.Duration, record billing.Record) billing.Record {
		record.State, record.UpdatedAt = billing.Rejected, now.Add(-age).Unix()
		return record
	}
	ago := now.Add(-time.Hour).Unix()
	for _, row := range []struct {
		name string
		head billing.Record
		want releaseAction
		err  string
	}{
		{"of a newer program", billing.Record{State: billing.Rejected, SchemaVersion: billing.SchemaVersion + 1}, nothingClaimed, "newer than this program"},
		{"closed without events", billing.Record{State: billing.Finished, Outcome: billing.Closed, UpdatedAt: ago}, nothingClaimed, "no events are billed on it"},
		{"gone", billing.Record{State: billing.Finished, Outcome: billing.Gone, Pages: 1, UpdatedAt: ago}, nothingClaimed, "no events are billed on it"},
		{"closed", billing.Record{State: billing.Finished, Outcome: billing.Closed, Pages: 1, UpdatedAt: ago}, readFinal, ""},
		{"left open", billing.Record{State: billing.Finished, Outcome: billing.LeftOpen, Pages: 1, UpdatedAt: ago}, readFinal, ""},
		{"closed, its pages may expire", billing.Record{State: billing.Finished, Outcome: billing.Closed, Pages: 1, UpdatedAt: now.Add(-retention + minRemaining - time.Second).Unix()}, nothingClaimed, "write them again"},
		{"released before", billing.Record{State: billing.Finished, Outcome: billing.Released, Pages: 1, UpdatedAt: ago}, nothingClaimed, ""},
		{"closed, being released", billing.Record{State: billing.Finished, Outcome: billing.Closed, Pages: 1, UpdatedAt: ago, Owner: "other", LeaseUntil: now.Unix() + 1}, nothingClaimed, "is being processed"},
		{"claiming", billing.Record{State: billing.Claiming}, nothingClaimed, "is claiming and not rejected"},
		{"charging", billing.Record{State: billing.Charging}, nothingClaimed, "is charging and not rejected"},
		{"closing, its owner is gone", billing.Record{State: billing.Closing, Owner: "other", LeaseUntil: now.Unix()}, nothingClaimed, "is closing and not rejected"},
		{"releasing", billing.Record{State: billing.Releasing, UpdatedAt: now.Unix()}, applyDecision, ""},
		{"settling", billing.Record{State: billing.Settling, Dispositions: "rr", UpdatedAt: now.Unix()}, applyDecision, ""},
		{"releasing, held", billing.Record{State: billing.Releasing, Owner: "other", LeaseUntil: now.Unix() + 1}, nothingClaimed, "is being processed"},
		{"rejected, held", rejected(time.Hour, billing.Record{Resume: billing.Charging, Owner: "other", LeaseUntil: now.Unix() + 1}), nothingClaimed, "is being processed"},
		{"given back", rejected(0, billing.Record{Resume: billing.Claiming, Pages: 1}), nothingClaimed, ""},
		{"given back by a verdict", rejected(0, billing.Record{Resume: billing.Settling, Dispositions: "rr", Pages: 1, ProcessedPages: 1}), nothingClaimed, ""},
		{"billed and given back", rejected(0, billing.Record{Resume: billing.Settling, Dispositions: "sr", Pages: 1, ProcessedPages: 1}), readFinal, ""},
		{"a verdict half carried out", rejected(shows, billing.Record{Resume: billing.Settling, Dispositions: "sr", Pages: 2, ProcessedPages: 1}), readChargebee, ""},
		{"a line held", rejected(shows, billing.Record{Resume: billing.Settling, Dispositions: "sh", Pages: 1, ProcessedPages: 1}), readChargebee, ""},
		{"rejected while releasing", rejected(0, billing.Record{Resume: billing.Releasing, Pages: 1}), applyDecision, ""},
		{"rejected while settling what was charged", rejected(0, billing.Record{Resume: billing.Settling, Pages: 1}), applyDecision, ""},
		{"rejected", rejected(shows, billing.Record{Resume: billing.Charging, Pages: 1}), readChargebee, ""},
		{"rejected lately", rejected(shows-time.Second, billing.Record{Resume: billing.Charging, Pages: 1}), nothingClaimed, "try again after 1970-01-12T13:46:41Z"},
		{"in doubt", rejected(doubtful, billing.Record{Resume: billing.Charging, Pages: 1, SendingSince: ago, InDoubt: true}), readChargebee, ""},
		{"lately in doubt", rejected(doubtful-time.Second, billing.Record{Resume: billing.Charging, Pages: 1, SendingSince: ago, InDoubt: true}), nothingClaimed, "try again"},
	} {
		got, err := decideRelease(row.head, Order{Reason: "voided by mistake"}, now, settings)
		if got != row.want || (err != nil) != (row.err != "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: %d, %v; want %d, %q", row.name, got, err, row.want, row.err)
		}
	}
}
