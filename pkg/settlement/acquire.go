package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// errFinished means that the ledger has the invoice as finished.
var errFinished = errors.New("settlement: the invoice is finished")

// newerSchemaDelay defers a message whose record was written by a newer program.
const newerSchemaDelay = time.Minute

// indexDelay is the maximum time until the index of unbilled events shows released events. A new epoch
// that began sooner could miss them, and close the invoice without them.
const indexDelay = 10 * time.Second

// acquisition is the decision about acquiring a record.
type acquisition struct {
	newEpoch  bool
	notBefore time.Time // of a new epoch
	inDoubt   bool      // a call of the previous owner may be in flight
	recheck   bool      // stay rejected until the lines were compared with the draft
}

// decideAcquire decides how a record is acquired at now. ok is false if there is none. The clock of
// its writer may differ by skew. The error is errFinished, or a deferral.
func decideAcquire(record billing.Record, ok bool, now time.Time, skew time.Duration) (acquisition, error) {
	switch {
	case !ok:
		return acquisition{newEpoch: true}, nil
	case record.SchemaVersion > billing.SchemaVersion:
		return acquisition{}, deferFor(newerSchemaDelay, fmt.Sprintf("the record's schema version %d is newer than this program", record.SchemaVersion))
	case record.State == billing.Finished:
		return acquisition{}, errFinished
	case record.IsLeased(now):
		return acquisition{}, deferFor(time.Unix(record.LeaseUntil, 0).Sub(now)+time.Second, "another session has the lease of the invoice")
	case record.ClaimsReleased(): //mutant:released-before
		if record.Pages == 0 {
			return acquisition{newEpoch: true}, nil
		}
		return acquisition{newEpoch: true, notBefore: time.Unix(record.UpdatedAt+1, 0).Add(indexDelay + skew)}, nil
	default:
		return acquisition{inDoubt: record.IsSending(), recheck: record.State == billing.Rejected}, nil
	}
}

// acquire makes this session the owner of the invoice's record. It returns nil without owning a
// finished record.
func (s *session) acquire(ctx context.Context) error {
	found, ok, err := s.Ledger.Record(ctx, s.invoice.ID)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", s.invoice.ID, err)
	}
	s.lease.record, s.lease.lost = found, true
	now := s.Now()
	how, err := decideAcquire(found, ok, now, s.Settings.MaxSkew)
	if err == nil && now.Before(how.notBefore) { //mutant:released-shows
		err = deferFor(how.notBefore.Sub(now), "the index may not show the released events yet")
	}
	switch {
	case errors.Is(err, errFinished):
		return nil
	case err != nil:
		return err
	}
	s.lease.lost = false
	if how.newEpoch {
		s.firstMessage = !ok
		err = s.lease.commit(ctx, func(step *billing.Step) { s.applyNewEpoch(step) })
	} else {
		s.added, s.recheck = found.Cursor, how.recheck
		err = s.lease.commit(ctx, func(step *billing.Step) {
			applyAcquire(&step.Record)
			step.Record.InDoubt = step.Record.InDoubt || how.inDoubt //mutant:takeover-doubt
		})
	}
	s.lease.lost = err != nil
	return err
}

// applyNewEpoch replaces everything of an earlier epoch but the version. The new epoch begins with
// the first claim.
func (s *session) applyNewEpoch(step *billing.Step) {
	step.Record = billing.Record{
		InvoiceID:     s.invoice.ID,
		State:         billing.Claiming,
		Acquisitions:  step.Record.Acquisitions,
		Version:       step.Record.Version,
		LeaseUntil:    step.Record.LeaseUntil,
		UpdatedAt:     step.Record.UpdatedAt,
		SchemaVersion: billing.SchemaVersion,
	}
	applyAcquire(&step.Record)
}

// applyAcquire sets a new owner. A session counts as an attempt until it makes progress.
func applyAcquire(record *billing.Record) {
	setOwner(record)
	record.Attempts++
}

func setOwner(record *billing.Record) {
	record.Owner = billing.NewToken()
	record.Acquisitions++
}

// endLease ends the lease with the next write of the record.
func endLease(record *billing.Record) { record.Owner, record.LeaseUntil = "", 0 }

// loadManifest reads the manifest of the record's epoch, if it has one. It runs under the lease, so
// that a failure counts as an attempt.
func (s *session) loadManifest(ctx context.Context) error {
	record := s.record()
	if record.Epoch == s.manifest.Epoch {
		return nil
	}
	manifest, err := s.Claims.Manifest(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return fmt.Errorf("read the manifest of %s: %w", record.InvoiceID, err)
	}
	s.manifest = manifest
	return nil
}
