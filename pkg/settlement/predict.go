package settlement

import (
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/event"
)

// Replay is a prediction of what a replay of a dead letter would do.
type Replay struct {
	Prediction ReplayPrediction `json:"prediction"`
	Detail     string           `json:"detail"`

	// Billable reports whether this replay or a later one can bill the invoice. It is nil if that depends on
	// what Chargebee shows then.
	Billable *bool `json:"billable"`
}

// ReplayPrediction is the kind of a Replay.
type ReplayPrediction string

// The predictions, with what becomes of the message or the invoice.
const (
	Unreadable      ReplayPrediction = "unreadable"       // the message is rejected: it cannot be parsed
	Ignored         ReplayPrediction = "ignored"          // the message is acknowledged: its event has another type
	AlreadyBilled   ReplayPrediction = "already_billed"   // the message is acknowledged
	NothingToBill   ReplayPrediction = "nothing_to_bill"  // the message is acknowledged
	Waits           ReplayPrediction = "waits"            // the message is deferred: it cannot acquire the record
	NewEpoch        ReplayPrediction = "new_epoch"        // events are claimed from the beginning, and charged
	ResumesClaiming ReplayPrediction = "resumes_claiming" // the remaining events are claimed, and all are charged
	ResumesAtLine   ReplayPrediction = "resumes_at_line"  // the remaining lines are added
	ResumesClosing  ReplayPrediction = "resumes_closing"  // the draft is closed
	ResumesBilling  ReplayPrediction = "resumes_billing"  // the remaining events are settled as decided
	ResumesRelease  ReplayPrediction = "resumes_release"  // the remaining claims are released; then the message is rejected, retried or acknowledged
	Reconciles      ReplayPrediction = "judges"           // the lines are reconciled with the final invoice; the value is an older word
	FindsGone       ReplayPrediction = "finds_gone"       // the draft is not pending and was never charged: the message is rejected
	RejectedAgain   ReplayPrediction = "rejected_again"   // the message is rejected again
)

// ReplayInput is the input of PredictReplay.
type ReplayInput struct {
	EventType string          // of the message; empty if it is not a webhook event
	Record    *billing.Record // nil if the invoice is not in the ledger
	Lines     int             // of the plan
	Pending   *bool           // whether Chargebee shows the draft as pending; nil if the draft was not read
	Preview   *Preview        // of the invoice, used if NeedsPreview; nil if there is none
	Close     bool            // the setting invoice.close
	Now       time.Time
}

// NeedsPreview reports whether the replay makes a new plan: only a preview predicts what that charges.
func (r Replay) NeedsPreview() bool {
	return r.Prediction == NewEpoch || r.Prediction == ResumesClaiming
}

// PredictReplay returns what a replay of a message would do. Like a session, it begins with decideAcquire, and
// continues with the state of the record.
func PredictReplay(in ReplayInput) Replay {
	switch in.EventType {
	case event.PendingInvoiceCreated:
	case "":
		return Replay{Unreadable, "the message is not a valid webhook event: it is rejected again", new(false)}
	default:
		return Replay{Ignored, "events of type " + in.EventType + " are acknowledged, and nothing is done", new(false)}
	}
	if in.Record == nil {
		return in.begin(NewEpoch, "the invoice is not in the ledger: its events are claimed and charged")
	}
	decided, err := decideAcquire(*in.Record, true, in.Now, 0)
	deferred, isDeferred := errors.AsType[*deferral](err)
	switch {
	case errors.Is(err, errFinished):
		return predictFinished(*in.Record)
	case in.Record.SchemaVersion > billing.SchemaVersion:
		return Replay{Waits, deferred.reason, nil}
	case isDeferred:
		return Replay{Waits, deferred.reason, in.billable()}
	case decided.newEpoch:
		return in.begin(NewEpoch, "its events were released: they are claimed again and charged")
	default:
		return in.resume()
	}
}

func predictFinished(record billing.Record) Replay {
	switch record.Outcome {
	case billing.Closed:
		return Replay{AlreadyBilled, "its events are billed on " + record.FinalInvoiceID + ": the message is acknowledged", new(false)}
	case billing.LeftOpen:
		return Replay{AlreadyBilled, "its events are billed and the invoice was left open: the message is acknowledged", new(false)}
	case billing.Released:
		return Replay{NothingToBill, "its events were released after it was voided or deleted: the message is acknowledged", new(false)}
	default:
		return Replay{NothingToBill, "the invoice is finished, with nothing to charge: the message is acknowledged", new(false)}
	}
}

// resume predicts what becomes of an invoice that is not finished.
func (in ReplayInput) resume() Replay {
	record := *in.Record
	state := record.State
	if state == billing.Rejected {
		state = record.Resume
	}
	switch state {
	case billing.Claiming:
		return in.begin(ResumesClaiming, "the remaining events are claimed, and all are charged")
	case billing.Charging:
		return in.charge()
	case billing.Closing:
		if in.missing() {
			return reconciled
		}
		return Replay{ResumesClosing, fmt.Sprintf("all %d lines were added: the draft is read and closed", in.Lines), in.billable()}
	case billing.Settling:
		return predictSettling(record)
	case billing.Releasing:
		return Replay{ResumesRelease, fmt.Sprintf("the remaining claims are released and the message is rejected as %s; a replay after that starts over", record.Reason), in.billable()}
	default:
		return Replay{RejectedAgain, fmt.Sprintf("the ledger has the unknown state %q", state), nil}
	}
}

// begin predicts an epoch without a plan. The detail describes how it begins.
func (in ReplayInput) begin(prediction ReplayPrediction, detail string) Replay {
	if in.missing() {
		return Replay{FindsGone, "the draft is no longer pending: nothing can be charged on it, and the next invoice bills its events", new(false)}
	}
	if in.Preview != nil {
		switch in.Preview.Prediction {
		case WillReject:
			return Replay{RejectedAgain, fmt.Sprintf("it is rejected as %s: %s", in.Preview.Reason, in.Preview.Detail), in.billable()}
		case WillBeEmpty:
			return Replay{NothingToBill, "there is nothing to charge, and Chargebee does not close an invoice without lines", new(false)}
		}
		in.Close = in.Preview.Prediction == WillClose
	}
	return Replay{prediction, detail + in.afterCharging(), in.billable()}
}

// charge predicts the charging of the remaining lines.
func (in ReplayInput) charge() Replay {
	record := *in.Record
	switch {
	case in.missing() && record.Cursor == 0 && !record.IsSending():
		return Replay{FindsGone, "the draft is no longer pending and no line was added: the claims are released, and the next invoice bills the events", new(false)}
	case in.missing():
		return reconciled
	}
	detail := fmt.Sprintf("resumes at line %d of %d", record.Cursor+1, in.Lines)
	if record.Cursor >= in.Lines {
		detail = fmt.Sprintf("all %d lines were added", in.Lines)
	}
	if record.IsSending() {
		detail += ", which may have been added: it is sent again with its idempotency key, or read back"
	}
	if record.State == billing.Rejected && record.Cursor > 0 {
		detail += ", if the lines before it are on the draft"
	}
	return Replay{ResumesAtLine, detail + in.afterCharging(), in.billable()}
}

// reconciled is the prediction for a draft that is no longer pending, if a line was sent.
var reconciled = Replay{Reconciles, "the draft is no longer pending: its lines are looked for on the final invoice; " +
	"events of lines on it are billed, events of lines that were never charged are released, and the rest stays claimed", nil}

// predictSettling predicts what becomes of an invoice in state Settling, or that resumes in it.
func predictSettling(record billing.Record) Replay {
	decided, on := record.Dispositions, record.CurrentInvoiceID()
	switch {
	case !decided.Has(billing.NotCharged) && !decided.Has(billing.ChargeUnknown): // also without dispositions: then all charges were added (allDispositions)
		return Replay{ResumesBilling, "all its lines are on " + on + ": the remaining events are marked as billed", new(true)}
	case record.State != billing.Rejected:
		replay := Replay{ResumesBilling, "what was decided about its lines is applied: events are marked as billed on " + on + ", released, or stay claimed", nil}
		if record.Reason != "" {
			replay.Detail += fmt.Sprintf("; then the message is rejected as %s", record.Reason)
		}
		if !decided.Has(billing.ChargeUnknown) {
			replay.Billable = new(decided.Has(billing.Charged))
		}
		return replay
	case decided.Has(billing.ChargeUnknown):
		return Replay{Reconciles, "the lines in doubt are looked for again on the final invoice; nothing is charged", nil}
	default:
		return Replay{RejectedAgain, "every line is decided: some are billed, and the next invoice bills the events of the others", new(false)}
	}
}

// missing reports whether the draft does not exist or is not pending, as Chargebee shows it. If the draft was
// not read, the ledger decides.
func (in ReplayInput) missing() bool {
	if in.Pending == nil {
		return in.Record != nil && in.Record.MissingSince != 0
	}
	return !*in.Pending
}

// billable returns Replay.Billable for an invoice that can be billed while its draft is pending.
func (in ReplayInput) billable() *bool {
	if in.Pending == nil && !in.missing() {
		return nil
	}
	return new(!in.missing())
}

// afterCharging describes what follows the last charge.
func (in ReplayInput) afterCharging() string {
	if in.Close {
		return "; then the invoice is closed"
	}
	return "; then it is left open, as the settings demand"
}
