package deadletter_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// shelf is a dead-letter queue in virtual time, which a browse sees for 9 minutes.
type shelf struct {
	mu      sync.Mutex
	began   time.Time
	dead    []queue.Message
	sent    []time.Duration // when dead letters were sent to their queue
	tries   map[string]int
	refuses string        // the id of a dead letter that cannot be sent
	slow    time.Duration // of sending

	unseen   func(browse int) bool // whether another reader has messages; may be nil
	browses  []time.Duration       // when they began
	longest  time.Duration         // that dead letters were in a visit
	browsing bool
	visiting bool // dead letters are in a visit
}

func newShelf(count int) *shelf {
	s := &shelf{began: time.Now(), tries: map[string]int{}}
	for i := range count {
		s.dead = append(s.dead, deadLetterOf(fmt.Sprint("m", i), fmt.Sprint("draft_", i)))
	}
	return s
}

func (s *shelf) Browse(ctx context.Context, visit func([]queue.Message) bool) (bool, error) {
	s.mu.Lock()
	s.browses = append(s.browses, time.Since(s.began))
	all, unseen := slices.Clone(s.dead), s.unseen != nil && s.unseen(len(s.browses))
	s.browsing = true
	s.mu.Unlock()
	defer func() { s.browsing = false }()
	for end := time.Now().Add(9 * time.Minute); len(all) > 0; all = all[min(10, len(all)):] {
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case time.Now().After(end):
			return false, nil
		}
		began := time.Now()
		s.hand(true)
		goesOn := visit(all[:min(10, len(all))])
		s.hand(false)
		s.longest = max(s.longest, time.Since(began))
		if !goesOn {
			return false, nil
		}
		time.Sleep(time.Millisecond)
	}
	return !unseen, nil
}

func (s *shelf) hand(visiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.visiting = visiting
}

func (s *shelf) Redrive(ctx context.Context, message queue.Message) error {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[message.ID]++
	if message.ID == s.refuses || ctx.Err() != nil || !s.visiting {
		return errors.New("refused")
	}
	s.sent = append(s.sent, time.Since(s.began))
	return nil
}

func (s *shelf) Delete(ctx context.Context, message queue.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || !s.visiting {
		return errors.New("it was given back")
	}
	s.dead = slices.DeleteFunc(s.dead, func(other queue.Message) bool { return other.ID == message.ID })
	return nil
}

// stops are the times in which calls are stopped.
type stops struct {
	began time.Time
	scale int64
	holds [][2]time.Duration
	pause bool // it is Chargebee's
	err   error
}

func (s *stops) Read(context.Context) (ratelimit.State, error) {
	state := ratelimit.State{Control: ratelimit.Control{Scale: s.scale}}
	for _, hold := range s.holds {
		switch now := time.Since(s.began); {
		case now < hold[0] || now >= hold[1]:
		case s.pause:
			state.Pause = ratelimit.Pause{ID: "one", Seconds: 30, Reason: "over the limit"}
		default:
			state.OperatorPause = ratelimit.OperatorPause{Reason: "month end", Since: 1}
		}
	}
	return state, s.err
}

func (s *shelf) replayer(limiter *stops, perMinute int) *deadletter.Replayer {
	limiter.began = s.began
	return &deadletter.Replayer{
		Queue: deadletter.Queue{
			Messages: s, Remover: s, Now: time.Now,
			Records: knowing(billing.Record{InvoiceID: "draft_done", State: billing.Finished}),
		},
		Source: s, RateLimit: limiter, RequestsPerMinute: perMinute,
	}
}

// The dead letters of one minute are sent at once, the others at the rate of the limit.
func TestReplayer_Rate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		messages, perMinute int
		scale               int64
		pace                float64 // messages a minute
	}{
		"the full limit":  {1000, 150, 1000, 75},
		"after a refusal": {1000, 150, 600, 45},
		"the least limit": {60, 10, 1000, 5},
		"and almost none": {12, 10, 100, 0.5},
		"the largest":     {5000, 3500, 1000, 1750},
		"a few letters":   {40, 150, 1000, 75},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(test.messages)
				result, err := s.replayer(&stops{scale: test.scale}, test.perMinute).Run(t.Context(), deadletter.ReplayOptions{}, deadletter.Progress{})
				if err != nil || !result.Complete || result.Counts[deadletter.Replayed] != test.messages || len(s.dead) != 0 {
					t.Fatalf("%v, %t, %v, %d are left", err, result.Complete, result.Counts, len(s.dead))
				}
				burst := max(test.pace, 1)
				for i, at := range s.sent {
					if most := burst + test.pace*at.Minutes(); float64(i+1) > most+0.001 {
						t.Fatalf("%d letters within %s, of at most %.1f", i+1, at, most)
					}
				}
				least := time.Duration((float64(test.messages) - burst) / test.pace * float64(time.Minute))
				if took := s.sent[len(s.sent)-1]; took > least+least/10+2*time.Minute {
					t.Errorf("it took %s, and could have taken %s", took, least)
				}
				if s.longest > 5*time.Minute {
					t.Errorf("letters were in hand for %s", s.longest)
				}
			})
		})
	}
}

// Nothing is replayed. Messages that need no calls are handled.
func TestReplayer_WhilePaused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from, to time.Duration
		pause    bool
		want     string
	}{
		"from the beginning": {0, 20 * time.Minute, false, "calls to Chargebee are paused by an operator (month end): resume"},
		"in the middle":      {2 * time.Minute, 13 * time.Minute, false, "calls to Chargebee are paused by an operator (month end): resume"},
		"by Chargebee":       {time.Minute, 90 * time.Second, true, "no calls to Chargebee for 30 s: over the limit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(300)
				s.dead = append(s.dead, deadLetterOf("billed", "draft_done"))
				var dropped time.Duration
				var reasons []string
				progress := deadletter.Progress{
					Waiting: func(why string) {
						if s.browsing {
							t.Error("it waits with letters in hand")
						}
						reasons = append(reasons, why)
					},
					Done: func(step deadletter.MessageResult) {
						if step.Action == deadletter.Dropped {
							dropped = time.Since(s.began)
						}
					},
				}
				limiter := &stops{scale: ratelimit.FullScale, holds: [][2]time.Duration{{test.from, test.to}}, pause: test.pause}
				result, err := s.replayer(limiter, 150).Run(t.Context(), deadletter.ReplayOptions{DropDone: true}, progress)
				if err != nil || !result.Complete || result.Counts[deadletter.Replayed] != 300 || result.Counts[deadletter.Dropped] != 1 || len(result.Messages) != 301 {
					t.Fatalf("%v, %t, %v", err, result.Complete, result.Counts)
				}
				for _, at := range s.sent {
					if at > test.from+5*time.Second && at < test.to {
						t.Fatalf("a letter went back after %s", at)
					}
				}
				if test.from == 0 && dropped > time.Second {
					t.Errorf("what is billed was dropped after %s", dropped)
				}
				if len(reasons) == 0 || !strings.HasPrefix(reasons[0], test.want) {
					t.Errorf("waited because of %q, want %q", slices.Compact(reasons), test.want)
				}
				if len(s.browses) > 3 {
					t.Errorf("it browsed at %v", s.browses)
				}
			})
		})
	}
}

// It ends at once. Messages that were sent are deleted.
func TestReplayer_Interrupt(t *testing.T) {
	t.Parallel()
	for what, after := range map[string]time.Duration{
		"while letters are sent": 1200 * time.Millisecond, "while they wait for their turn": 80 * time.Second, "while calls are stopped": 10 * time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(300)
			s.slow = 500 * time.Millisecond
			ctx, interrupt := context.WithTimeout(t.Context(), after)
			defer interrupt()
			limiter := &stops{scale: ratelimit.FullScale, holds: [][2]time.Duration{{2 * time.Minute, time.Hour}}}
			result, err := s.replayer(limiter, 150).Run(ctx, deadletter.ReplayOptions{}, deadletter.Progress{})
			if !errors.Is(err, deadletter.ErrPartial) || !errors.Is(err, context.DeadlineExceeded) || result.Complete {
				t.Errorf("%s: %v, complete %t", what, err, result.Complete)
			}
			if took := time.Since(s.began); took > after+time.Second {
				t.Errorf("%s: it ended after %s", what, took)
			}
			if replayed := result.Counts[deadletter.Replayed]; replayed != len(s.sent) || replayed+len(s.dead) != 300 || replayed < 30 || len(result.Messages) != replayed {
				t.Errorf("%s: %v, %d sent, %d left", what, result.Counts, len(s.sent), len(s.dead))
			}
		})
	}
}

// TestReplay_FailedOnce: a dead letter that fails is tried once, however often the queue is browsed.
func TestReplay_FailedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(1000)
		s.refuses = "m5"
		s.dead = append(s.dead, deadLetterOf("billed", "draft_done"))
		result, err := s.replayer(&stops{scale: ratelimit.FullScale}, 150).Run(t.Context(), deadletter.ReplayOptions{}, deadletter.Progress{})
		if !errors.Is(err, deadletter.ErrPartial) || !result.Complete || result.Counts[deadletter.Failed] != 1 || result.Counts[deadletter.Skipped] != 1 || result.Counts[deadletter.Replayed] != 999 {
			t.Errorf("%v, %t, %v", err, result.Complete, result.Counts)
		}
		if s.tries["m5"] != 1 || len(s.browses) < 2 || len(result.Messages) != 1001 {
			t.Errorf("tried %d times in %d browses, %d steps", s.tries["m5"], len(s.browses), len(result.Messages))
		}
	})
}

// Messages in flight are read again as long as there is progress.
func TestReplayer_MessagesInFlight(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unseen   func(browse int) bool
		options  deadletter.ReplayOptions
		browses  int
		complete bool
	}{
		"seen by the second browse": {func(browse int) bool { return browse == 1 }, deadletter.ReplayOptions{}, 2, true},
		"never seen":                {func(int) bool { return true }, deadletter.ReplayOptions{}, 2, false},
		"nothing was seen":          {func(int) bool { return true }, deadletter.ReplayOptions{Filter: deadletter.Filter{Event: "none"}}, 1, false},
		"a dry run looks once":      {func(int) bool { return true }, deadletter.ReplayOptions{DryRun: true}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf(20)
				s.unseen = test.unseen
				limiter := &stops{scale: ratelimit.FullScale}
				if test.options.DryRun {
					limiter.err = errors.New("a dry run takes no pace")
				}
				result, err := s.replayer(limiter, 150).Run(t.Context(), test.options, deadletter.Progress{})
				if (err == nil) != test.complete || result.Complete != test.complete || len(s.browses) != test.browses {
					t.Errorf("%v, complete %t, browsed at %v", err, result.Complete, s.browses)
				}
			})
		})
	}
}

// TestReplayer_RateLimitUnreadable checks that nothing is replayed while it is unknown whether
// calls are stopped.
func TestReplayer_RateLimitUnreadable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(20)
		broken := errors.New("broken")
		result, err := s.replayer(&stops{err: broken}, 150).Run(t.Context(), deadletter.ReplayOptions{}, deadletter.Progress{})
		if !errors.Is(err, broken) || result.Complete || len(s.sent) != 0 {
			t.Errorf("%v, %+v", err, result)
		}
	})
}
