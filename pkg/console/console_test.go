package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/console"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/inspect"
	"github.com/billable-events/billable/pkg/preflight"
)

// deployment is a deployment that is only read. The other operations are tested with the command.
type deployment struct {
	console.Operations

	mu      sync.Mutex
	waiting int // in the queue
	err     error
	checks  int // calls
}

func (d *deployment) set(waiting int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting, d.err = waiting, err
}

func (d *deployment) Queues(context.Context) (console.Queues, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return console.Queues{Main: finding.QueueAttributes{Visible: d.waiting}}, d.err
}

func (*deployment) RateLimit(context.Context) (console.RateLimit, error) {
	return console.RateLimit{InUse: 3500, Spent: 0.25}, nil
}

func (d *deployment) Check(context.Context) []preflight.Finding {
	d.checks++
	return nil
}

func (*deployment) DeadLetters(context.Context, deadletter.Filter) (deadletter.Listing, error) {
	return deadletter.Listing{}, nil
}

func (*deployment) Invoices(context.Context, inspect.Filter) (inspect.Listing, error) {
	return inspect.Listing{}, errors.New("the ledger cannot be read")
}

// browser is a client of a running console.
type browser struct {
	page   *console.Console
	cookie *http.Cookie
}

func open(ctx context.Context, operations console.Operations) *browser {
	b := &browser{page: console.New(console.Config{Operations: operations, Token: "token", Now: time.Now, Log: zerolog.Nop()})}
	go b.page.Run(ctx)
	b.cookie = b.get("/login?token=token").Result().Cookies()[0]
	return b
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Host = "localhost"
	if b.cookie != nil {
		request.AddCookie(b.cookie)
	}
	recorder := httptest.NewRecorder()
	b.page.ServeHTTP(recorder, request)
	return recorder
}

var points = regexp.MustCompile(`class="line-0" points="([^"]*)"`)

// The plots have the samples of the last hour, without those that could not be read.
func TestConsole_Plots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &deployment{waiting: 10}
		b := open(t.Context(), d)
		synctest.Wait()
		drawn := func() []string { return strings.Fields(points.FindStringSubmatch(b.get("/live").Body.String())[1]) }
		if got := fmt.Sprint(drawn()); got != "[600.0,0.0]" {
			t.Errorf("at first: %s", got)
		}
		d.set(40, nil)
		time.Sleep(15 * time.Second)
		if got := fmt.Sprint(drawn()); got != "[598.3,75.0 600.0,0.0]" {
			t.Errorf("after one interval: %s", got)
		}
		d.set(40, errors.New("SQS is unavailable"))
		time.Sleep(10 * time.Second)
		if got, body := fmt.Sprint(drawn()), b.get("/live").Body.String(); got != "[598.3,75.0 600.0,0.0]" || !strings.Contains(body, "SQS is unavailable") {
			t.Errorf("without SQS: %s: %s", got, body)
		}
		d.set(40, nil)
		time.Sleep(2 * time.Hour)
		if got := drawn(); len(got) != 361 || got[0] != "0.0,0.0" {
			t.Errorf("after two hours: %d points: %v", len(got), got)
		}
	})
}

// The slow part of the overview is kept for five minutes, with the errors of its parts.
func TestConsole_Overview(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &deployment{}
		b := open(t.Context(), d)
		for _, step := range []struct {
			path   string
			after  time.Duration
			checks int
		}{{"/", 0, 1}, {"/", 4 * time.Minute, 1}, {"/?again=1", 0, 2}, {"/", 4 * time.Minute, 2}, {"/", 2 * time.Minute, 3}} {
			time.Sleep(step.after)
			body := b.get(step.path).Body.String()
			if d.checks != step.checks || !strings.Contains(body, "the ledger cannot be read") || !strings.Contains(body, "There are no dead letters.") {
				t.Errorf("%+v: %d checks: %s", step, d.checks, body)
			}
		}
	})
}

func TestConsole_SessionsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t.Context(), &deployment{})
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{11 * time.Hour, http.StatusOK}, {2 * time.Hour, http.StatusSeeOther}} {
			time.Sleep(step.after)
			if got := b.get("/live").Code; got != step.want {
				t.Errorf("after another %s: %d, want %d", step.after, got, step.want)
			}
		}
	})
}
