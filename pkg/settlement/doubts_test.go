package settlement_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/chargebeeapi"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// lostAnswers are the faults that leave the effect of a call unknown.
var lostAnswers = map[string]sandbox.Fault{
	"effect at once": {Kind: sandbox.LoseReply},
	"half an answer": {Kind: sandbox.CutBody},
	"a late effect":  {Kind: sandbox.ApplyLate, Late: 4 * time.Minute},
	"no effect":      {Kind: sandbox.Refuse},
}

// TestDoubt loses the answer of a call that adds the second of three lines, in every
// way, and lets the consumer be away for a time. It ends with one line each.
func TestDoubt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]sandbox.Fault{
		"no effect":      {Kind: sandbox.Refuse},
		"effect at once": {Kind: sandbox.LoseReply},
		"half an answer": {Kind: sandbox.CutBody},
		"a late effect":  {Kind: sandbox.ApplyLate, Late: 4 * time.Minute},
		"locked":         {Kind: sandbox.Throttle},
	} {
		for _, away := range []time.Duration{0, 10 * time.Minute, 21 * time.Minute, 31 * time.Minute, 48 * time.Hour} {
			t.Run(fmt.Sprintf("%s, away for %s", name, away), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t, once("add_charge", 2, fault))
					for _, code := range []string{"calls", "storage", "seats"} {
						f.write("sub", code, "12.5")
					}
					_, body := f.renew("sub")
					f.wantRetry(f.settler(nil), body)
					time.Sleep(away)
					f.wantClosed(f.settler(nil), body)
					time.Sleep(10 * time.Minute)
					f.wantReconciled() // nothing comes late
				})
			})
		}
	}
}

// TestDoubtOnALongInvoice finds the line among more than one page of lines.
func TestDoubtOnALongInvoice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("add_charge", 149, sandbox.Fault{Kind: sandbox.LoseReply}))
		for i := range 150 {
			f.write("sub", fmt.Sprintf("code_%03d", i), "12")
		}
		_, body := f.renew("sub")
		f.wantRetry(f.settler(nil), body)
		time.Sleep(time.Hour)
		f.wantClosed(f.settler(nil), body)
	})
}

// TestDoubtByAge: what is done about a line in doubt depends on when it was first sent.
// Between the last moment for sending it again and the first one for looking, nothing is.
func TestDoubtByAge(t *testing.T) {
	t.Parallel()
	for age, calls := range map[time.Duration]string{
		time.Minute:                     "add_charge add_charge close",
		19*time.Minute + 20*time.Second: "add_charge add_charge close",
		19*time.Minute + 40*time.Second: "",
		25 * time.Minute:                "",
		29*time.Minute + 50*time.Second: "",
		30*time.Minute + 10*time.Second: "retrieve add_charge close",
		3 * time.Hour:                   "retrieve add_charge close",
	} {
		for name, fault := range map[string]sandbox.Fault{
			"effect at once": {Kind: sandbox.LoseReply},
			"no effect":      {Kind: sandbox.Refuse},
			"a late effect":  {Kind: sandbox.ApplyLate, Late: settings.MaxEffectDelay - time.Second},
		} {
			t.Run(fmt.Sprintf("%s, %s after", name, age), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t, once("add_charge", 2, fault))
					_, body := f.three()
					sent := time.Now()
					f.handle(f.settler(nil), body)
					before := len(f.calls())
					time.Sleep(time.Until(sent.Add(age)))
					outcome := f.handle(f.settler(nil), body)
					want := calls
					if fault.Kind == sandbox.Refuse { // found missing, it is sent again
						want = strings.Replace(calls, "retrieve", "retrieve add_charge", 1)
					}
					if got := strings.TrimSpace(f.calls()[before:]); got != want {
						t.Errorf("called %q, want %q", got, want)
					}
					if left := settings.IdempotencyWindow - age; calls == "" && (outcome.Action != queue.Retry || outcome.Delay < left || outcome.Delay > left+3*time.Second) {
						t.Errorf("got %+v, the key is forgotten in %s", outcome, left)
					}
					f.wantClosed(f.settler(nil), body)
					time.Sleep(settings.MaxEffectDelay)
					f.wantReconciled() // nothing comes late
				})
			})
		}
	}
}

// TestDoubt_OtherAPIKey: a line in doubt is not sent again with another API key, for which Chargebee may not
// recognise the idempotency key. It is read back.
func TestDoubt_OtherAPIKey(t *testing.T) {
	t.Parallel()
	for name, fault := range lostAnswers {
		for _, perAPIKey := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keys per API key %t", name, perAPIKey), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFixtureOf(t, chargebee.Config{KeysPerAPIKey: perAPIKey, Faults: once("add_charge", 2, fault)}, dynamodb.Config{})
					_, body := f.three()
					sent := time.Now()
					f.wantRetry(f.settler(nil), body)
					time.Sleep(time.Minute)
					rotated := f.settler(nil)
					rotated.Charger.(*chargebeeapi.Client).SetAPIKey("next")
					before := f.calls()
					if outcome := f.handle(rotated, body); outcome.Action != queue.Retry || f.calls() != before {
						t.Errorf("got %+v after the calls %s", outcome, f.calls()[len(before):])
					}
					time.Sleep(time.Until(sent.Add(settings.IdempotencyWindow + time.Minute)))
					f.wantClosed(rotated, body)
					f.wantReconciled()
				})
			})
		}
	}
}

// TestSession_APIKeyChangesBeforeCall: the record has the API key of the call.
func TestSession_APIKeyChangesBeforeCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixtureOf(t, chargebee.Config{KeysPerAPIKey: true, Faults: once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply})}, dynamodb.Config{})
		id, body := f.three()
		settler := f.settler(nil)
		client := settler.Charger.(*chargebeeapi.Client)
		settler.Ledger = watched{Ledger: settler.Ledger, after: func(step billing.Step) {
			if step.Record.Cursor == 1 && step.Record.IsSending() {
				client.SetAPIKey("next")
			}
		}}
		f.wantRetry(settler, body)
		if got, want := f.head(id).SentWith, client.APIKeyID(); got != want {
			t.Errorf("the record has the API key %s, want %s", got, want)
		}
		f.wantClosed(settler, body)
	})
}

// TestAmbiguousLine is one in doubt whose marker was removed manually: it is not
// charged again.
func TestAmbiguousLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, once("add_charge", 2, sandbox.Fault{Kind: sandbox.LoseReply}))
		id, body := f.three()
		settler := f.settler(nil)
		f.wantRetry(settler, body)
		var original string
		edit := func(text string) {
			err := f.chargebee.EditLine(id, f.adHoc(id)[1].ID, func(line *chargebee.LineItem) { original, line.Description = line.Description, text })
			if err != nil {
				t.Fatal(err)
			}
		}
		edit("twenty, as agreed")
		time.Sleep(time.Hour)
		for range 2 {
			f.wantRejected(settler, body, billing.AmbiguousLine)
		}
		edit(original)
		f.wantClosed(settler, body)
	})
}

// TestLostClose finds the closed invoice by its lines.
func TestLostClose(t *testing.T) {
	t.Parallel()
	for name, fault := range lostAnswers {
		for _, away := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprintf("%s, away for %s", name, away), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := newFixture(t, once("close", 1, fault))
					id, body := f.three()
					outcome := f.handle(f.settler(nil), body)
					time.Sleep(away)
					if outcome.Action == queue.Retry {
						outcome = f.deliver(f.settler(nil), body)
					}
					if outcome.Action != queue.Ack {
						t.Fatalf("got %+v", outcome)
					}
					if record := f.head(id); record.Outcome != billing.Closed || record.FinalInvoiceID == "" {
						t.Errorf("got %+v", record)
					}
					f.wantReconciled()
				})
			})
		}
	}
}
