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

// Component is a part of a process that is started and stopped.
type Component struct {
	Name        string
	Start       func(ctx context.Context) error // returns when the component has started; may be nil
	Stop        func(ctx context.Context) error // returns when the component has ended; may be nil
	StopTimeout time.Duration
}

// Run starts the components in order, waits until ctx ends or an error is sent to failed, and
// stops them in reverse order. If a component fails to start, Run stops those before it without
// waiting. It returns all errors, joined.
func Run(ctx context.Context, failed <-chan error, components ...Component) error {
	var errs []error
	started := 0
	for ; started < len(components); started++ {
		component := components[started]
		if component.Start == nil {
			continue
		}
		if err := component.Start(ctx); err != nil {
			errs = append(errs, fmt.Errorf("start %s: %w", component.Name, err))
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
		if err := stop(ctx, components[i]); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", components[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// stopGrace is added to StopTimeout, so that a Stop that observes its timeout can return its own error.
const stopGrace = time.Second

func stop(ctx context.Context, component Component) error {
	if component.Stop == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), component.StopTimeout)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- component.Stop(ctx) }()
	timer := time.NewTimer(component.StopTimeout + stopGrace)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("not ended after %s: %w", component.StopTimeout, context.DeadlineExceeded)
	}
}

// SignalContext returns a context that ends with the first SIGINT or SIGTERM. A second signal
// terminates the process: the default action is restored before the context ends. With
// signal.NotifyContext it is restored later, and a second signal in between has no effect.
func SignalContext(parent context.Context) (ctx context.Context, cancel context.CancelFunc) {
	ctx, cancel = context.WithCancel(parent)
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

// Background runs work in a goroutine. stop cancels the context of work, and waits until work has
// returned.
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

// backgroundStopTimeout is the time for work to return after the end of its context. It may have to
// finish an operation, for example the read of a file.
const backgroundStopTimeout = time.Second

// BackgroundComponent returns a component that runs work in a goroutine until it is stopped.
func BackgroundComponent(name string, work func(context.Context)) Component {
	var stop func()
	return Component{
		Name: name,
		Start: func(ctx context.Context) error {
			stop = Background(context.WithoutCancel(ctx), work)
			return nil
		},
		Stop: func(context.Context) error {
			stop()
			return nil
		},
		StopTimeout: backgroundStopTimeout,
	}
}
