package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// loadCommand makes this program the load generator.
const loadCommand = "load"

const (
	maxResponse = 64 << 10 // bytes that are read of a response
	// acceptDelay is the time that a server has to accept the connections of a burst, well below its
	// timeout for silent connections.
	acceptDelay = time.Second
	// maxWorkers bounds the requests in flight of an open load. It is above what a receiver admits.
	maxWorkers = 4096
)

// Plan is a load: open if it has a rate, else closed.
//
// In an open load, requests leave when they are due, however slow the server is. In a closed load,
// each connection waits for a response before it sends the next request. Without a length, each
// connection sends one request, all at the same instant.
type Plan struct {
	URL, Username, Password string
	Attack                  int // number of the attack: its events have their own ids

	Rate        int // per second
	Length      time.Duration
	Connections int
	MaxRequests int // of a closed load with a length
	Body        bodyKind
	Timeout     time.Duration // of a request
}

// Answer is the result of one request. Times are relative to the start of the attack.
type Answer struct {
	Due    time.Duration // when the request should leave
	Late   time.Duration // how much later it left
	Took   time.Duration // from Due to the end of the response
	Status int           // 0 means that there was none

	EventID    string // in the response
	RetryAfter bool   // the response has one, in seconds
	Problem    string // why there is no response, or why it is wrong
}

// Outcome is the result of an attack.
type Outcome struct {
	Answers []Answer
	Took    time.Duration // until the last response
	CPU     time.Duration // of the generator
}

// generator is the service of the load generator's process.
type generator struct{ attack func() []Answer }

// Prepare opens connections for an attack.
func (g *generator) Prepare(plan Plan, _ *int) (err error) {
	debug.SetGCPercent(childGCPercent)
	if plan.Rate > 0 {
		g.attack = plan.open()
		return nil
	}
	g.attack, err = plan.closed()
	return err
}

// Run runs the prepared attack.
func (g *generator) Run(_ int, outcome *Outcome) error {
	if g.attack == nil {
		return errors.New("no attack is prepared")
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		return err
	}
	started := time.Now()
	outcome.Answers = g.attack()
	outcome.Took = time.Since(started)
	g.attack = nil
	after, err := cpuTime(os.Getpid())
	outcome.CPU = after - before
	return err
}

func (p Plan) authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Username+":"+p.Password))
}

// read fills in the response.
func (a *Answer) read(status int, header http.Header, body []byte) {
	a.Status = status
	_, err := strconv.ParseUint(header.Get("Retry-After"), 10, 31)
	a.RetryAfter = err == nil
	if status != http.StatusOK {
		return
	}
	var response struct {
		EventID string `json:"event_id"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		a.Problem = "invalid response: " + err.Error()
	}
	a.EventID = response.EventID
}

// pacer is a vegeta.Pacer of a constant rate that keeps the time of the start: vegeta measures from
// when a request leaves, which may be later than it was due.
type pacer struct {
	vegeta.ConstantPacer

	count uint64
	began time.Time
}

// Pace implements vegeta.Pacer. It is called by one goroutine.
func (p *pacer) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if p.began.IsZero() {
		p.began = time.Now().Add(-elapsed)
	}
	return p.due(hits) - elapsed, hits >= p.count
}

func (p *pacer) due(number uint64) time.Duration {
	return time.Duration(number) * p.Per / time.Duration(p.Freq)
}

// answer counts from when the request was due: lateness of the generator is part of the latency.
func (p *pacer) answer(result *vegeta.Result) Answer {
	due := p.due(result.Seq)
	late := max(result.Timestamp.Sub(p.began)-due, 0)
	answer := Answer{Due: due, Late: late, Took: late + result.Latency}
	if result.Code == 0 {
		answer.Problem = result.Error
		return answer
	}
	answer.read(int(result.Code), result.Headers, result.Body)
	return answer
}

func (p Plan) open() func() []Answer {
	attacker := vegeta.NewAttacker(
		vegeta.Workers(64), vegeta.MaxWorkers(maxWorkers),
		vegeta.Timeout(p.Timeout), vegeta.Redirects(vegeta.NoFollow), vegeta.MaxBody(maxResponse),
	)
	header := http.Header{"Authorization": {p.authorization()}, "Content-Type": {"application/json"}}
	var sent atomic.Int64
	targeter := func(target *vegeta.Target) error { //nolint:unparam // a vegeta.Targeter
		target.Method, target.URL, target.Header = http.MethodPost, p.URL, header
		target.Body = []byte(webhookBody(eventIDOf(p.Attack, int(sent.Add(1))-1)))
		return nil
	}
	return func() (answers []Answer) {
		pacer := &pacer{
			ConstantPacer: vegeta.ConstantPacer{Freq: p.Rate, Per: time.Second},
			count:         uint64(float64(p.Rate) * p.Length.Seconds()),
		}
		for result := range attacker.Attack(targeter, pacer, 0, "") {
			answers = append(answers, pacer.answer(result))
		}
		return answers
	}
}

// connection is a connection with one request in flight at a time. It costs less CPU than an
// http.Client, which leaves more to the server.
type connection struct {
	net.Conn

	plan   Plan
	host   string
	reader *bufio.Reader
}

func (p Plan) dial() (*connection, error) {
	address, err := url.Parse(p.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.Host)
	if err != nil {
		return nil, fmt.Errorf("open a connection: %w", err)
	}
	return &connection{conn, p, address.Host, bufio.NewReader(conn)}, nil
}

// request returns the request with a webhook, without the filler of its body.
func (c *connection) request(eventID string) []byte {
	body := c.plan.Body.start(eventID)
	size := len(body) + len(c.plan.Body.filler())
	path := cmp.Or(c.plan.URL[len("http://")+len(c.host):], "/")
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, c.host, c.plan.authorization(), size, body)
}

// exchange sends a request and reads the response.
func (c *connection) exchange(eventID string, request []byte) (answer Answer) {
	fail := func(err error) Answer {
		answer.Problem = err.Error()
		return answer
	}
	if err := c.SetDeadline(time.Now().Add(c.plan.Timeout)); err != nil {
		return fail(err)
	}
	_, unsent := c.Write(request)
	if filler := c.plan.Body.filler(); unsent == nil && len(filler) > 0 {
		_, unsent = c.Write(filler)
	}
	// A server may refuse a request without reading its body, so there can be a response although
	// sending failed.
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return fail(errors.Join(unsent, err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	_ = response.Body.Close()
	if err != nil {
		return fail(err)
	}
	answer.read(response.StatusCode, response.Header, body)
	if answer.EventID != "" && answer.EventID != eventID {
		answer.Problem = fmt.Sprintf("the response to event %s is for event %s", eventID, answer.EventID)
	}
	return answer
}

func (p Plan) closed() (func() []Answer, error) {
	connections := make([]*connection, p.Connections)
	requests := make([][]byte, p.Connections) // the first of each connection
	hangUp := func() {
		for _, c := range connections {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	for i := range connections {
		var err error
		if connections[i], err = p.dial(); err != nil {
			hangUp()
			return nil, err
		}
		requests[i] = connections[i].request(eventIDOf(p.Attack, i))
	}
	if p.Length == 0 {
		p.MaxRequests = p.Connections
		time.Sleep(acceptDelay)
	}
	return func() []Answer {
		defer hangUp()
		began := time.Now()
		each := make([][]Answer, len(connections))
		var next atomic.Int64
		next.Store(int64(len(connections)))
		start := make(chan struct{})
		var ready, done sync.WaitGroup
		ready.Add(len(connections))
		for i := range connections {
			done.Go(func() {
				ready.Done()
				<-start
				for number := i; number < p.MaxRequests && (number == i || time.Since(began) < p.Length); number = int(next.Add(1)) - 1 {
					eventID, request := eventIDOf(p.Attack, number), requests[i]
					if number != i {
						request = connections[i].request(eventID)
					}
					due := time.Since(began)
					answer := connections[i].exchange(eventID, request)
					answer.Due, answer.Took = due, time.Since(began)-due
					each[i] = append(each[i], answer)
					if answer.Status != 0 || p.Length == 0 {
						continue
					}
					_ = connections[i].Close()
					replaced, err := p.dial()
					if err != nil {
						return // the answer without a status reports the failure
					}
					connections[i] = replaced
				}
			})
		}
		ready.Wait()
		began = time.Now()
		close(start)
		done.Wait()
		return slices.Concat(each...)
	}, nil
}
