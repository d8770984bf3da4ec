// Package load sends webhooks to a server and reports what came of each. It knows
// three shapes of load: an open one, whose requests come when they are due however slow
// the server is (vegeta); a closed one, in which a number of connections each wait for
// an answer before they send the next request; and a crowd, whose requests all leave
// at the same instant.
package load

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/billable-events/billable/scripts/bench/child"
	"github.com/billable-events/billable/scripts/bench/machine"
)

// Shape is how requests follow each other.
type Shape string

// The shapes of load.
const (
	Open   Shape = "open"
	Closed Shape = "closed"
	Crowd  Shape = "crowd"
)

// Plan is one attack.
type Plan struct {
	Shape    Shape  `json:"shape"`
	URL      string `json:"url"`
	Username string `json:"username"`
	Password string `json:"password"`
	Attack   int    `json:"attack"` // its events have ids of their own

	Rate        int           `json:"rate"`        // open: requests per second
	Length      time.Duration `json:"length"`      // open and closed
	Connections int           `json:"connections"` // closed, and crowd: one for each request
	Most        int           `json:"most"`        // closed: requests, to be on the safe side
	Padded      bool          `json:"padded"`      // crowd: webhooks of 1 MB
	Timeout     time.Duration `json:"timeout"`     // of one request
}

// count is how many requests an open attack has.
func (p Plan) count() int { return int(float64(p.Rate) * p.Length.Seconds()) }

// Answer is what came of one request. Times are from the beginning of the attack.
type Answer struct {
	Due    time.Duration `json:"due"`              // when the request should leave
	Late   time.Duration `json:"late,omitempty"`   // how much later it left
	Took   time.Duration `json:"took"`             // from when it was due to the end of the answer
	Status int           `json:"status,omitempty"` // 0: there was no answer

	EventID    string `json:"event_id,omitempty"`    // as the answer says
	RetryAfter bool   `json:"retry_after,omitempty"` // the answer has one, a number of seconds
	Problem    string `json:"problem,omitempty"`     // why there is no answer, or what is wrong with it
}

// Outcome is what came of an attack.
type Outcome struct {
	Answers []Answer      `json:"answers"`
	Took    time.Duration `json:"took"` // to the last answer
	CPU     time.Duration `json:"cpu"`  // of the generator, meanwhile
}

// Order is what the generator's process is told: to prepare an attack, then to begin.
type Order struct {
	Prepare *Plan `json:"prepare,omitempty"`
}

// Serve is the generator's process.
func Serve(in io.Reader, out io.Writer) error {
	var prepared attack
	return child.Serve(in, out, func(order Order) (any, error) {
		if order.Prepare != nil {
			var err error
			prepared, err = prepare(*order.Prepare)
			return struct{}{}, err
		}
		if prepared == nil {
			return nil, fmt.Errorf("no attack is prepared")
		}
		begin := prepared
		prepared = nil
		return run(begin)
	})
}

// attack sends all its requests and waits for their answers.
type attack func() ([]Answer, error)

func prepare(plan Plan) (attack, error) {
	switch plan.Shape {
	case Open:
		return open(plan)
	case Closed:
		return closed(plan)
	case Crowd:
		return crowd(plan)
	default:
		return nil, fmt.Errorf("there is no load of shape %q", plan.Shape)
	}
}

func run(begin attack) (Outcome, error) {
	before, err := machine.ProcessCPU(os.Getpid())
	if err != nil {
		return Outcome{}, err
	}
	started := time.Now()
	answers, err := begin()
	if err != nil {
		return Outcome{}, err
	}
	took := time.Since(started)
	after, err := machine.ProcessCPU(os.Getpid())
	return Outcome{Answers: answers, Took: took, CPU: after - before}, err
}
