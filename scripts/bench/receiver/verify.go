package receiver

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/standin"
)

// account compares what was answered with what the queue holds.
type account struct {
	Accepted int // events answered with success
	Extra    int // events in the queue although their sender was told otherwise
	Twice    int // further copies of messages, each after an answer of the queue was lost
	Messages int // in the queue
}

// verify looks for every accepted event in the queue. It returns what is wrong: an event
// that is not there; one that is there more often than lost answers explain; one that
// nobody sent; an answer for no event, or twice for the same. With tooMuch to do a receiver
// may give up an answer of the queue that has been sent already: then copies are explained.
func verify(answers []load.Answer, sent map[string]bool, stock standin.Stock, tooMuch bool) (account, error) {
	accepted := map[string]bool{}
	for _, answer := range answers {
		if answer.Status != http.StatusOK {
			continue
		}
		switch id := answer.EventID; {
		case !sent[id]:
			return account{}, fmt.Errorf("a request was accepted for the event %q, which was not sent", id)
		case accepted[id]:
			return account{}, fmt.Errorf("two requests were accepted for the event %s", id)
		default:
			accepted[id] = true
		}
	}
	found := account{Accepted: len(accepted)}
	for id := range accepted {
		if stock.Messages[id].Times == 0 {
			return found, fmt.Errorf("the event %s was accepted and is not in the queue: a message is lost", id)
		}
	}
	for id, held := range stock.Messages {
		switch {
		case !sent[id]:
			return found, fmt.Errorf("the queue holds the event %q, which was not sent", id)
		case held.Times > 1+held.Lost && !tooMuch:
			return found, fmt.Errorf("the queue holds the event %s %d times, and %d answers were lost", id, held.Times, held.Lost)
		case !accepted[id]:
			found.Extra++
		}
		found.Twice += held.Times - 1
		found.Messages += held.Times
	}
	if stock.Altered > 0 {
		return found, fmt.Errorf("%d messages in the queue are not as they were sent", stock.Altered)
	}
	return found, nil
}

// improper returns what of the answers a receiver must never give: anything but success
// and a refusal for now that says when to come again.
func improper(answers []load.Answer) error {
	for _, answer := range answers {
		switch {
		case answer.Status == 0: // counted apart
			continue
		case answer.Problem != "":
			return errors.New(answer.Problem)
		case answer.Status == http.StatusServiceUnavailable && !answer.RetryAfter:
			return errors.New("a request was answered 503 without Retry-After")
		case answer.Status != http.StatusOK && answer.Status != http.StatusServiceUnavailable:
			return fmt.Errorf("a request was answered %d", answer.Status)
		}
	}
	return nil
}
