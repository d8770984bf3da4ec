// Package lifecycle starts the parts of a process in order and stops them in
// reverse, each by its name and within its time.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Part is one part of a process.
type Part struct {
	Name  string
	Start func(ctx context.Context) error // returns when the part works; may be nil
	Stop  func(ctx context.Context) error // returns when it has ended; may be nil
	Limit time.Duration                   // of Stop; a part that takes longer is left behind
}

// Run starts the parts in order, waits until ctx ends or a part reports that it
// failed, and stops them in reverse order. A part that cannot start ends the ones
// before it. The errors of all parts are joined.
func Run(ctx context.Context, failed <-chan error, parts ...Part) error {
	var errs []error
	started := 0
	for ; started < len(parts); started++ {
		part := parts[started]
		if part.Start == nil {
			continue
		}
		if err := part.Start(ctx); err != nil {
			errs = append(errs, fmt.Errorf("start %s: %w", part.Name, err))
			break
		}
	}
	if len(errs) == 0 {
		select {
		case <-ctx.Done():
		case err := <-failed:
			errs = append(errs, err)
		}
	}
	for i := started - 1; i >= 0; i-- {
		if err := stop(ctx, parts[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// stop ends one part. It does not wait for one that ignores its deadline.
func stop(ctx context.Context, part Part) error {
	if part.Stop == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), part.Limit)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- part.Stop(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("stop %s: %w", part.Name, err)
		}
		return nil
	case <-ctx.Done():
	}
	select { // it may have ended at the same moment
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("stop %s: %w", part.Name, err)
		}
		return nil
	case <-time.After(time.Second):
		return fmt.Errorf("stop %s: not ended after %s: %w", part.Name, part.Limit, context.DeadlineExceeded)
	}
}

// UntilSignal returns a context that ends with the first SIGINT or SIGTERM. A
// second signal ends the process at once: before the context ends, the signals are
// given back to the runtime.
func UntilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, cancel
}

// Background runs work in a goroutine. It returns a function that cancels the context of the work
// and waits until it has returned.
func Background(ctx context.Context, work func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}
