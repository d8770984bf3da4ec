package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// errDone says that the ledger knows the invoice as finished.
var errFinished = errors.New("settlement: the invoice is finished")

// newerVersionWait is how long a message of a newer program waits for one.
const newerSchemaDelay = time.Minute

// releaseShows is how long the index may take to show events that were given back. A
// new epoch that began sooner could miss them, and close the invoice without them.
const indexDelay = 10 * time.Second

// taking is how a head is taken.
type acquisition struct {
	newEpoch  bool // begin a new epoch, not before the time of after
	notBefore time.Time
	inDoubt   bool // a call of the last holder may be on its way
	recheck   bool // stay rejected until the lines were looked at
}

// decideTaking says how the head that was found (ok) is to be taken at now, or why
// it cannot be. Whoever wrote it may have had a clock that differs by skew.
func decideAcquire(record billing.Record, ok bool, now time.Time, skew time.Duration) (acquisition, error) {
	shows := time.Unix(record.UpdatedAt+1, 0).Add(indexDelay + skew)
	switch {
	case !ok:
		return acquisition{newEpoch: true}, nil
	case record.SchemaVersion > billing.SchemaVersion:
		return acquisition{}, deferFor(newerSchemaDelay, fmt.Sprintf("the ledger's version %d is newer than this program", record.SchemaVersion))
	case record.State == billing.Finished:
		return acquisition{}, errFinished
	case record.Owner != "" && now.Unix() < record.LeaseUntil:
		return acquisition{}, deferFor(time.Unix(record.LeaseUntil, 0).Sub(now)+time.Second, "another handling holds the invoice")
	case record.ClaimsReleased(): //mutant:released-before
		if record.Pages > 0 {
			return acquisition{newEpoch: true, notBefore: shows}, nil
		}
		return acquisition{newEpoch: true}, nil
	default:
		return acquisition{inDoubt: record.IsSending(), recheck: record.State == billing.Rejected}, nil
	}
}

// take makes this handling the owner of the invoice's head.
func (h *session) acquire(ctx context.Context) error {
	found, ok, err := h.Ledger.Record(ctx, h.invoice.ID)
	if err != nil {
		return fmt.Errorf("read the head of %s: %w", h.invoice.ID, err)
	}
	h.lease.record = found
	now := h.Now()
	how, err := decideAcquire(found, ok, now, h.Settings.MaxSkew)
	if err == nil && now.Before(how.notBefore) { //mutant:released-shows
		err = deferFor(how.notBefore.Sub(now), "the index may not show yet what was released")
	}
	switch {
	case errors.Is(err, errFinished):
		h.lease.lost = true
		return nil
	case err != nil:
		h.lease.lost = true
		return err
	}
	if how.newEpoch {
		h.firstMessage = !ok
		err = h.acquireNew(ctx)
	} else {
		h.added, h.recheck = found.Cursor, how.recheck
		err = h.lease.commit(ctx, func(step *billing.Step) {
			h.applyAcquire(&step.Record)
			step.Record.InDoubt = step.Record.InDoubt || how.inDoubt //mutant:takeover-doubt
		})
	}
	h.lease.lost = err != nil // what was not taken is not ours to give up
	return err
}

// loadManifest reads the manifest of the epoch that the head was found in, if it has
// one. It does so under the lease, so that one that cannot be read is an attempt.
func (h *session) loadManifest(ctx context.Context) error {
	record := h.record()
	if record.Epoch == h.manifest.Epoch {
		return nil
	}
	manifest, err := h.Claims.Manifest(ctx, record.InvoiceID, record.Epoch)
	if err != nil {
		return fmt.Errorf("read the manifest of %s: %w", record.InvoiceID, err)
	}
	h.manifest = manifest
	return nil
}

// open takes the head for a new epoch. The epoch begins with the first claim.
func (h *session) acquireNew(ctx context.Context) error {
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Record = billing.Record{ // nothing of an earlier epoch is kept but the fence
			InvoiceID:     h.invoice.ID,
			State:         billing.Claiming,
			Acquisitions:  step.Record.Acquisitions,
			Version:       step.Record.Version,
			LeaseUntil:    step.Record.LeaseUntil,
			UpdatedAt:     step.Record.UpdatedAt,
			SchemaVersion: billing.SchemaVersion,
		}
		h.applyAcquire(&step.Record)
	})
}

// own makes the head this handling's. Every handling counts as an attempt until it
// gets somewhere.
func (h *session) applyAcquire(record *billing.Record) {
	setOwner(record)
	record.Attempts++
}

// hold gives the head a new owner, and fences off the one before.
func setOwner(record *billing.Record) {
	record.Owner = billing.NewToken()
	record.Acquisitions++
}
