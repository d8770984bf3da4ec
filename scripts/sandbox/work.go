package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

const (
	lookEvery  = 200 * time.Millisecond
	plainEvery = 2 * time.Second
	// retryScale makes Chargebee's first retry, after 2 minutes, come after 2 s.
	retryScale = 1.0 / 60
)

var errUnfinished = errors.New("the work was not finished in time")

// work delivers the webhooks and waits until every message has been dealt with.
func (w *world) work(ctx context.Context, f *fleet, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.limit)
	defer cancel()
	w.failing.Store(true)
	defer w.failing.Store(false)

	var background sync.WaitGroup
	defer background.Wait()
	failed := make(chan error, 2)
	delivering, stopDelivering := context.WithCancel(ctx)
	defer stopDelivering()
	background.Go(func() {
		failed <- w.Chargebee.Deliver(delivering, chargebee.Endpoint{
			URL:         f.receivers[0] + "/webhooks/chargebee",
			Username:    username,
			Password:    password,
			Client:      &http.Client{Transport: f},
			Concurrency: 50,
			RetryScale:  retryScale,
		})
	})
	raging, calm := context.WithCancel(ctx)
	defer calm()
	if w.options.kill {
		background.Go(func() {
			if err := f.havoc(raging, w.options.seed); err != nil {
				failed <- err
			}
		})
	}

	progress := newProgress(stderr, w.options.invoices)
	defer progress.end()
	var unknown error // why the messages could not be counted
	for {
		select {
		case <-ctx.Done():
			return errors.Join(errUnfinished, unknown)
		case err := <-failed:
			if ctx.Err() == nil && err != nil {
				return err
			}
		case <-time.After(lookEvery):
		}
		// Deliveries first: what is delivered after the count is not in it.
		pending := w.Chargebee.Deliveries().Pending
		queued, dead, err := w.Queued(ctx)
		if unknown = err; err != nil {
			continue // faults are injected here too
		}
		done := dead + w.closed()
		progress.show(done)
		if done >= w.options.invoices*9/10 {
			calm() // the rest shall come to an end
		}
		if pending == 0 && queued == 0 {
			progress.show(done)
			return nil
		}
	}
}

// closed counts invoices that are not pending any more.
func (w *world) closed() int {
	done := 0
	for _, invoice := range w.Chargebee.Invoices() {
		if invoice.Status != chargebee.StatusPending {
			done++
		}
	}
	return done
}

// progress shows how far the work is: a bar on a terminal, plain lines otherwise.
type progress struct {
	out     io.Writer
	total   int
	bar     *progressbar.ProgressBar
	started time.Time
	shown   time.Time // when the last line was written
	done    int       // what it said
}

func newProgress(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, started: time.Now(), done: -1}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription("invoices closed"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(40),
			progressbar.OptionThrottle(100*time.Millisecond),
		)
	}
	return p
}

func (p *progress) show(done int) {
	if p.bar != nil {
		_ = p.bar.Set(min(done, p.total))
		return
	}
	if done == p.done || done < p.total && time.Since(p.shown) < plainEvery {
		return
	}
	p.shown, p.done = time.Now(), done
	_, _ = fmt.Fprintf(p.out, "%5.1f s  %d of %d invoices closed\n", time.Since(p.started).Seconds(), done, p.total)
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_, _ = fmt.Fprintln(p.out)
	}
}
