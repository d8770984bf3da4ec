package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// errFinished means that the record is finished.
var errFinished = errors.New("settlement: the invoice is finished")

// newerSchemaDelay is the delay of a message whose record was written by a newer program.
const newerSchemaDelay = time.Minute

// indexDelay is the time within which the index of unbilled events shows a released event. After a release a
// new epoch begins only when it has passed, or else the invoice would be closed without such events.
const indexDelay = 10 * time.Second

// acquisition describes how a session acquires a record.
type acquisition struct {
	newEpoch  bool
	notBefore time.Time // earliest begin of the new epoch; zero: at once
	inDoubt   bool      // a call of the previous owner may be in flight
	recheck   bool      // the record stays rejected until its lines were compared with the draft
}

// decideAcquire decides how a session acquires a record at now. exists is false if the ledger has no record.
// The clock of the record's last writer may differ by skew. The error is errFinished, or a deferral.
func decideAcquire(record billing.Record, exists bool, now time.Time, skew time.Duration) (acquisition, error) {
	switch {
	case !exists:
		return acquisition{newEpoch: true}, nil
	case record.SchemaVersion > billing.SchemaVersion:
		return acquisition{}, deferFor(newerSchemaDelay, fmt.Sprintf("the record's schema version %d is newer than this program", record.SchemaVersion))
	case record.State == billing.Finished:
		return acquisition{}, errFinished
	case record.IsLeased(now):
		return acquisition{}, deferFor(time.Unix(record.LeaseUntil, 0).Sub(now)+time.Second, "another session has the lease of the invoice")
	case record.ClaimsReleased(): //mutant:released-before
		if record.Pages == 0 && record.ProcessedPages == 0 { // no event was released
			return acquisition{newEpoch: true}, nil
		}
		releasedBy := time.Unix(record.UpdatedAt+1, 0) // UpdatedAt is rounded down to seconds
		return acquisition{newEpoch: true, notBefore: releasedBy.Add(indexDelay + skew)}, nil
	default:
		return acquisition{inDoubt: record.IsSending(), recheck: record.State == billing.Rejected}, nil
	}
}

// acquire makes this session the owner of the invoice's record. If the record is finished, acquire returns nil
// without doing so.
func (s *session) acquire(ctx context.Context) error {
	found, exists, err := s.Ledger.Record(ctx, s.invoice.ID)
	if err != nil {
		return fmt.Errorf("read the record of %s: %w", s.invoice.ID, err)
	}
	s.lease.record, s.lease.lost = found, true // nothing is written unless the record can be acquired
	now := s.Now()
	decided, err := decideAcquire(found, exists, now, s.Settings.MaxSkew)
	if err == nil && now.Before(decided.notBefore) { //mutant:released-shows
		err = deferFor(decided.notBefore.Sub(now), "the index may not show the released events yet")
	}
	switch {
	case errors.Is(err, errFinished):
		return nil
	case err != nil:
		return err
	}
	s.lease.lost = false // for the write that acquires it
	if decided.newEpoch {
		s.firstMessage = !exists
		err = s.lease.commit(ctx, s.applyNewEpoch)
	} else {
		s.added, s.recheck = found.Cursor, decided.recheck
		err = s.lease.commit(ctx, func(step *billing.Step) {
			applyAcquire(&step.Record)
			step.Record.InDoubt = step.Record.InDoubt || decided.inDoubt //mutant:takeover-doubt
		})
	}
	s.lease.lost = err != nil
	return err
}

// applyNewEpoch replaces the record by one without an epoch. commitClaim sets the id of the new epoch.
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

// applyAcquire sets a new owner, and counts the session as an attempt. Progress resets the attempts.
func applyAcquire(record *billing.Record) {
	setOwner(record)
	record.Attempts++
}

// setOwner gives a record a new owner: a random value, which no other session has.
func setOwner(record *billing.Record) {
	record.Owner = billing.NewToken()
	record.Acquisitions++
}

// endLease ends the lease of a record.
func endLease(record *billing.Record) { record.Owner, record.LeaseUntil = "", 0 }

// loadManifest reads the manifest of the record's epoch. It runs under the lease, so that a failure counts as
// an attempt.
func (s *session) loadManifest(ctx context.Context) error {
	record := s.record()
	if record.Epoch == s.manifest.Epoch { // it is loaded, or there is no epoch yet
		return nil
	}
	manifest, err := s.Claims.Manifest(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return fmt.Errorf("read the manifest of %s: %w", record.InvoiceID, err)
	}
	s.manifest = manifest
	return nil
}
