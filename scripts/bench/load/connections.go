package load

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// accepting is how long a server has to take in connections before a crowd comes: well
// below the time after which it gives up one that is silent.
const accepting = time.Second

// connection is one connection to the server, with one request under way at a time.
// Written and read without a client in between, so that most of the CPU is left to the
// server.
type connection struct {
	net.Conn

	reader *bufio.Reader
	plan   Plan
}

func dial(plan Plan) (*connection, error) {
	address, err := url.Parse(plan.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), plan.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.Host)
	if err != nil {
		return nil, fmt.Errorf("open a connection: %w", err)
	}
	return &connection{Conn: conn, reader: bufio.NewReader(conn), plan: plan}, nil
}

func dialAll(plan Plan) ([]*connection, error) {
	var connections []*connection
	for range plan.Connections {
		c, err := dial(plan)
		if err != nil {
			hangUp(connections)
			return nil, err
		}
		connections = append(connections, c)
	}
	return connections, nil
}

func hangUp(connections []*connection) {
	for _, c := range connections {
		_ = c.Close()
	}
}

// request is what is sent for an event, but for the padding of its body.
func request(plan Plan, eventID string) ([]byte, error) {
	target, err := url.Parse(plan.URL)
	if err != nil {
		return nil, err
	}
	body := Body(eventID)
	credentials := base64.StdEncoding.EncodeToString([]byte(plan.Username + ":" + plan.Password))
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		target.RequestURI(), target.Host, credentials, len(body)+len(plan.padding()), body), nil
}

func (p Plan) padding() []byte {
	if p.Padded {
		return padding
	}
	return nil
}

// exchange sends a request and reads its answer.
func (c *connection) exchange(eventID string, request []byte) Answer {
	var answer Answer
	fail := func(err error) Answer {
		answer.Problem = err.Error()
		return answer
	}
	if err := c.SetDeadline(time.Now().Add(c.plan.Timeout)); err != nil {
		return fail(err)
	}
	if _, err := c.Write(request); err != nil {
		return fail(err)
	}
	// A server that refuses a request does not wait for its body: the answer may be there
	// although not all was taken.
	_, unwanted := c.Write(c.plan.padding())
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fail(errors.Join(unwanted, err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	_ = response.Body.Close()
	if err != nil {
		return fail(err)
	}
	answer.read(response.StatusCode, response.Header, body)
	if answer.EventID != "" && answer.EventID != eventID {
		answer.Problem = fmt.Sprintf("the request with event %s was answered for event %s", eventID, answer.EventID)
	}
	return answer
}

// crowd prepares requests that all leave at the same instant, each on a connection that
// is open already.
func crowd(plan Plan) (attack, error) {
	connections, err := dialAll(plan)
	if err != nil {
		return nil, err
	}
	requests := make([][]byte, len(connections))
	for i := range requests {
		if requests[i], err = request(plan, EventID(plan.Attack, i)); err != nil {
			return nil, err
		}
	}
	time.Sleep(accepting)
	return func() ([]Answer, error) {
		defer hangUp(connections)
		answers := make([]Answer, len(connections))
		barrier := make(chan struct{})
		var began time.Time
		var ready, done sync.WaitGroup
		ready.Add(len(connections))
		for i, c := range connections {
			done.Go(func() {
				ready.Done()
				<-barrier
				answers[i] = c.exchange(EventID(plan.Attack, i), requests[i])
				answers[i].Took = time.Since(began)
			})
		}
		ready.Wait()
		began = time.Now()
		close(barrier)
		done.Wait()
		return answers, nil
	}, nil
}

// closed prepares connections of which each waits for an answer before it sends the
// next request.
func closed(plan Plan) (attack, error) {
	connections, err := dialAll(plan)
	if err != nil {
		return nil, err
	}
	return func() ([]Answer, error) {
		defer hangUp(connections)
		loop := &loop{plan: plan, began: time.Now()}
		each := make([][]Answer, len(connections))
		var done sync.WaitGroup
		for i := range connections {
			done.Go(func() { each[i] = loop.work(&connections[i]) })
		}
		done.Wait()
		return slices.Concat(each...), nil
	}, nil
}

// loop is what the connections of a closed load share.
type loop struct {
	plan  Plan
	began time.Time
	made  atomic.Int64
}

// work sends one request after the other. A connection that fails is replaced.
func (l *loop) work(c **connection) []Answer {
	var answers []Answer
	for time.Since(l.began) < l.plan.Length {
		number := int(l.made.Add(1)) - 1
		if number >= l.plan.Most {
			break
		}
		eventID := EventID(l.plan.Attack, number)
		sent, err := request(l.plan, eventID)
		due := time.Since(l.began)
		answer := Answer{Due: due}
		if err == nil {
			answer = (*c).exchange(eventID, sent)
			answer.Due, answer.Took = due, time.Since(l.began)-due
		} else {
			answer.Problem = err.Error()
		}
		answers = append(answers, answer)
		if answer.Status != 0 {
			continue
		}
		_ = (*c).Close()
		replaced, err := dial(l.plan)
		if err != nil {
			break // the answer without a status says that something is wrong
		}
		*c = replaced
	}
	return answers
}
