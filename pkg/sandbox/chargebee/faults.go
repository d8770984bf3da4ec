package chargebee

import (
	"context"
	"net/http"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// applyFault handles a call under a fault.
func (s *Service) applyFault(ctx context.Context, call *call) answer {
	fault := s.fault(call.operation.name)
	if fault.Delay > 0 {
		<-time.After(fault.Delay)
	}
	call.lag = min(fault.Lag, s.config.MaxReadLag)
	switch fault.Kind {
	case sandbox.Throttle:
		return s.refuse(call, s.choose(fault, &s.throttled, s.config.Throttles))
	case sandbox.Refuse:
		return s.refuse(call, s.choose(fault, &s.refused, s.config.Refusals))
	case sandbox.ApplyLate:
		s.applyLate(context.WithoutCancel(ctx), call, fault.Late)
		return failure(ErrCut)
	case sandbox.LoseReply:
		s.handle(context.WithoutCancel(ctx), call)
		return failure(s.choose(fault, &s.lost, s.config.LostReplies))
	case sandbox.EffectThenError:
		s.handle(context.WithoutCancel(ctx), call)
		return failure(ErrInternal)
	case sandbox.CutBody:
		answer := s.handle(ctx, call)
		answer.sent = min(answer.sent, half)
		return answer
	default:
		return s.handle(ctx, call)
	}
}

func (s *Service) fault(operation string) sandbox.Fault {
	if s.config.Faults == nil {
		return sandbox.Fault{}
	}
	return s.config.Faults.Next(operation)
}

// choose returns the next of the choices, unless the fault chooses one.
func (s *Service) choose(fault sandbox.Fault, position *int, choices []*Error) *Error {
	if fault.Choice != 0 {
		return choices[fault.Choice%uint64(len(choices))]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	choice := choices[*position%len(choices)]
	*position++
	return choice
}

// refuse refuses a call. If the site stores errors, the refusal is what is
// remembered under a key that was not known yet.
func (s *Service) refuse(call *call, refusal *Error) answer {
	refused := failure(refusal)
	if !s.config.StoreErrors || call.key == "" || checkKey(call.key) != nil || refusal.beforeKeys() {
		return refused
	}
	if entry, first, err := s.keys.begin(s.keyOf(call), call.fingerprint()); err == nil && first {
		s.keys.finish(entry, refused)
	}
	return refused
}

// beforeKeys reports whether a refusal comes from before the idempotency keys.
func (e *Error) beforeKeys() bool {
	switch e.Code {
	case "", ErrRateLimited.Code, ErrSiteNotFound.Code, ErrSiteNotReady.Code, ErrSiteReadOnly.Code:
		return true
	default:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	}
}

// applyLate lets a call that is answered no more take its effect later, under
// the rules that hold by then.
func (s *Service) applyLate(ctx context.Context, call *call, late time.Duration) {
	work := func() answer { return s.handle(ctx, call) }
	if s.config.LateKeepsKey {
		work = s.admit(ctx, call)
	}
	time.AfterFunc(late, func() { work() })
}
