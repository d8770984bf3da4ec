package chargebee

import (
	"context"
	"net/http"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// suffer handles a call, as well as its fault lets it.
func (s *Service) suffer(ctx context.Context, call *call) answer {
	fault := s.fault(call.operation.name)
	if fault.Delay > 0 {
		<-time.After(fault.Delay)
	}
	switch fault.Kind {
	case sandbox.Throttle:
		return failure(errLockTimeout)
	case sandbox.Refuse:
		return gatewayAnswer(s.turn(&s.refused, s.config.Refusals))
	case sandbox.ApplyLate:
		ctx = context.WithoutCancel(ctx)
		time.AfterFunc(fault.Late, func() { s.handle(ctx, call) })
		return answer{sent: nothing}
	case sandbox.LoseReply:
		s.handle(context.WithoutCancel(ctx), call)
		return gatewayAnswer(s.turn(&s.lost, s.config.LostReplies))
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

// turn takes the next of choices.
func (s *Service) turn(position *int, choices []int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	choice := choices[*position%len(choices)]
	*position++
	return choice
}

// gatewayAnswer is what comes back when the service itself answers nothing of
// use: from its own last resort in JSON, from a gateway before it in HTML.
func gatewayAnswer(status int) answer {
	switch status {
	case 0:
		return answer{sent: nothing}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		title := http.StatusText(status)
		return answer{
			status:      status,
			contentType: "text/html",
			body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" +
				title + "</h1></center>\r\n</body>\r\n</html>\r\n"),
		}
	case http.StatusServiceUnavailable:
		return failure(errTemporary)
	default:
		return failure(errInternal)
	}
}
