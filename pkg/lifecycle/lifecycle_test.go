package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/lifecycle"
)

var errBroken = errors.New("broken")

// recorder makes components that record their start and stop.
type recorder struct{ notes []string }

func (r *recorder) component(name string, start, stop error) lifecycle.Component {
	return lifecycle.Component{
		Name:        name,
		Start:       func(context.Context) error { r.notes = append(r.notes, "+"+name); return start },
		Stop:        func(context.Context) error { r.notes = append(r.notes, "-"+name); return stop },
		StopTimeout: time.Second,
	}
}

func TestRun_StopsInReverseOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		start, stop error // of the second of three components
		failure     error // reported while running
		want        string
		errs        []string
	}{
		"all is well":      {nil, nil, nil, "+a +b +c -c -b -a", nil},
		"one cannot start": {errBroken, nil, nil, "+a +b -a", []string{"start b: broken"}},
		"one cannot stop":  {nil, errBroken, nil, "+a +b +c -c -b -a", []string{"stop b: broken"}},
		"one fails":        {nil, nil, errBroken, "+a +b +c -c -b -a", []string{"broken"}},
		"one fails twice":  {nil, errors.New("stuck"), errBroken, "+a +b +c -c -b -a", []string{"broken", "stop b: stuck"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{}
				failed := make(chan error, 1)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Minute, cancel)
				if test.failure != nil {
					failed <- test.failure
				}
				err := lifecycle.Run(ctx, failed, r.component("a", nil, nil), r.component("b", test.start, test.stop), r.component("c", nil, nil))
				cancel()
				if got := strings.Join(r.notes, " "); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if (err == nil) != (len(test.errs) == 0) {
					t.Errorf("got %v", err)
				}
				for _, want := range test.errs {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v does not contain %q", err, want)
					}
				}
			})
		})
	}
}

func TestRun_ReportsHangingComponent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		release := make(chan struct{})
		hanging := lifecycle.Component{Name: "hanging", StopTimeout: 10 * time.Second, Stop: func(context.Context) error { <-release; return nil }}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		started := time.Now()
		err := lifecycle.Run(ctx, nil, r.component("first", nil, nil), hanging)
		if err == nil || !strings.Contains(err.Error(), "stop hanging") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(started); took > 12*time.Second {
			t.Errorf("it took %s", took)
		}
		if got := strings.Join(r.notes, " "); got != "+first -first" {
			t.Errorf("got %s", got)
		}
		close(release)
	})
}

func TestRun_StopHasItsTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		component := lifecycle.Component{Name: "a", StopTimeout: 5 * time.Second, Stop: func(ctx context.Context) error {
			if deadline, ok := ctx.Deadline(); ctx.Err() != nil || !ok || time.Until(deadline) != 5*time.Second {
				t.Errorf("the context of Stop is %v", ctx)
			}
			return nil
		}}
		if err := lifecycle.Run(ctx, nil, component); err != nil {
			t.Error(err)
		}
	})
}
