package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/billing"
)

// errDone says that the ledger knows the invoice as finished.
var errDone = errors.New("settlement: the invoice is finished")

// newerVersionWait is how long a message of a newer program waits for one.
const newerVersionWait = time.Minute

// releaseShows is how long the index may take to show events that were given back. A
// new epoch that began sooner could miss them, and close the invoice without them.
const releaseShows = 10 * time.Second

// taking is how a head is taken.
type taking struct {
	fresh   bool // begin a new epoch, not before the time of after
	after   time.Time
	doubt   bool // a call of the last holder may be on its way
	recheck bool // stay rejected until the lines were looked at
}

// decideTaking says how the head that was found (ok) is to be taken at now, or why
// it cannot be. Whoever wrote it may have had a clock that differs by skew.
func decideTaking(head billing.Head, ok bool, now time.Time, skew time.Duration) (taking, error) {
	shows := time.Unix(head.UpdatedAt+1, 0).Add(releaseShows + skew)
	switch {
	case !ok:
		return taking{fresh: true}, nil
	case head.Version > billing.HeadVersion:
		return taking{}, wait(newerVersionWait, fmt.Sprintf("the ledger's version %d is newer than this program", head.Version))
	case head.State == billing.Finished:
		return taking{}, errDone
	case head.Owner != "" && now.Unix() < head.LeaseUntil:
		return taking{}, wait(time.Unix(head.LeaseUntil, 0).Sub(now)+time.Second, "another handling holds the invoice")
	case head.GivenBack(): //mutant:released-before
		if head.Pages > 0 {
			return taking{fresh: true, after: shows}, nil
		}
		return taking{fresh: true}, nil
	default:
		return taking{doubt: head.Sending(), recheck: head.State == billing.Rejected}, nil
	}
}

// take makes this handling the owner of the invoice's head.
func (h *handling) take(ctx context.Context) error {
	found, ok, err := h.Ledger.Head(ctx, h.invoice.ID)
	if err != nil {
		return fmt.Errorf("read the head of %s: %w", h.invoice.ID, err)
	}
	h.lease.head = found
	now := h.Now()
	how, err := decideTaking(found, ok, now, h.Settings.MaxSkew)
	if err == nil && now.Before(how.after) { //mutant:released-shows
		err = wait(how.after.Sub(now), "the index may not show yet what was released")
	}
	switch {
	case errors.Is(err, errDone):
		h.lease.over = true
		return nil
	case err != nil:
		h.lease.over = true
		return err
	}
	if how.fresh {
		h.first = !ok
		err = h.open(ctx)
	} else {
		h.added, h.recheck = found.Cursor, how.recheck
		err = h.lease.commit(ctx, func(step *billing.Step) {
			h.own(&step.Head)
			step.Head.Doubt = step.Head.Doubt || how.doubt //mutant:takeover-doubt
		})
	}
	h.lease.over = err != nil // what was not taken is not ours to give up
	return err
}

// loadManifest reads the manifest of the epoch that the head was found in, if it has
// one. It does so under the lease, so that one that cannot be read is an attempt.
func (h *handling) loadManifest(ctx context.Context) error {
	head := h.head()
	if head.Epoch == h.manifest.Epoch {
		return nil
	}
	manifest, err := h.Claims.Manifest(ctx, head.InvoiceID, head.Epoch)
	if err != nil {
		return fmt.Errorf("read the manifest of %s: %w", head.InvoiceID, err)
	}
	h.manifest = manifest
	return nil
}

// open takes the head for a new epoch. The epoch begins with the first claim.
func (h *handling) open(ctx context.Context) error {
	return h.lease.commit(ctx, func(step *billing.Step) {
		step.Head = billing.Head{ // nothing of an earlier epoch is kept but the fence
			InvoiceID:  h.invoice.ID,
			State:      billing.Claiming,
			Generation: step.Head.Generation,
			Write:      step.Head.Write,
			LeaseUntil: step.Head.LeaseUntil,
			UpdatedAt:  step.Head.UpdatedAt,
			Version:    billing.HeadVersion,
		}
		h.own(&step.Head)
	})
}

// own makes the head this handling's. Every handling counts as an attempt until it
// gets somewhere.
func (h *handling) own(head *billing.Head) {
	hold(head)
	head.Attempts++
}

// hold gives the head a new owner, and fences off the one before.
func hold(head *billing.Head) {
	head.Owner = billing.NewToken()
	head.Generation++
}
