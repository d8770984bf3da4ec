package consumer

import (
	"context"
	"fmt"
)

// working is work under way until it is stopped. Its context is not the process's:
// it drains when its turn to stop has come.
type working struct {
	work  func(context.Context) error
	ctx   context.Context //nolint:containedctx // the work's life is longer than that of start
	drain context.CancelFunc
	ended chan error
}

func newWorking(work func(context.Context) error) *working {
	ctx, drain := context.WithCancel(context.Background())
	return &working{work: work, ctx: ctx, drain: drain, ended: make(chan error, 1)}
}

func (w *working) start(context.Context) error {
	go func() { w.ended <- w.work(w.ctx) }()
	return nil
}

func (w *working) stop(ctx context.Context) error {
	w.drain()
	select {
	case err := <-w.ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("drain: %w", context.Cause(ctx))
	}
}

func (w *working) draining() bool { return w.ctx.Err() != nil }
