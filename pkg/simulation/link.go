package simulation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// errReset is a connection that ended without an answer.
var errReset = errors.New("simulation: connection reset by peer")

// link is the way from a process to a service: an http.RoundTripper with a network in
// it. A request that was sent arrives, whatever becomes of its sender.
type link struct {
	from    *process
	service string
	handler http.Handler
}

// fate is what happens to one call.
type fate struct {
	there, back   time.Duration // on the wire
	moment        time.Duration // by which a crash or a stand is later than what else happens now
	refused       bool          // no connection
	lost          bool          // the request is
	silent        bool          // the answer is lost
	stillBefore   time.Duration // the process stands still before it sends
	stillAfter    time.Duration // and before it sees the answer
	crashesBefore bool
	crashesSent   bool // the request is on its way
	crashesAfter  bool // the answer was there
}

// draw decides the fate of a call by its name.
func (l link) draw(call string) fate {
	world := l.from.world
	random := world.dice.of(l.from.name, l.service, call, strconv.Itoa(l.from.next(l.service+call)))
	way := world.plan.ways[l.service]
	f := fate{there: between(random, way.least, way.most), back: between(random, way.least, way.most), moment: between(random, 1, time.Microsecond)}
	if world.calm.Load() {
		return f
	}
	trouble := world.plan.trouble
	switch draw := random.Float64(); {
	case draw < trouble.refused:
		f.refused = true
	case draw < trouble.refused+trouble.lost:
		f.lost = true
	case draw < trouble.refused+trouble.lost+trouble.silent:
		f.silent = true
	}
	if !l.from.frail {
		return f
	}
	switch draw := random.Float64(); {
	case draw < trouble.crash/3:
		f.crashesBefore = true
	case draw < trouble.crash*2/3:
		f.crashesSent = true
	case draw < trouble.crash:
		f.crashesAfter = true
	}
	if chance(random, trouble.still) {
		still := between(random, 0, world.plan.longestStill)
		switch {
		case random.IntN(2) == 0:
			f.stillAfter = still
		case l.service == site:
			// The clock was looked at: the call is there within the bound, or never.
			f.stillBefore = still % world.plan.margin
		default:
			f.stillBefore = still
		}
	}
	if strings.HasPrefix(call, "SendMessageBatch "+deadLetterName) && chance(random, trouble.unburied) {
		f.refused = true
	}
	return f
}

// RoundTrip implements http.RoundTripper.
func (l link) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := readBody(request)
	if err != nil {
		return nil, err
	}
	if l.service == site && l.from.frail {
		l.from.world.sent.note()
		l.from.world.books.called(l.from.name, request)
	}
	call := describe(request, body)
	poll := strings.HasPrefix(call, "ReceiveMessage ")
	l.from.awake(call)
	if l.from.dead() {
		return nil, errGone
	}
	f := l.draw(call)
	if f.crashesBefore || f.stillBefore > 0 {
		// What the process does at this very moment it does before.
		time.Sleep(f.moment)
	}
	if f.crashesBefore {
		l.notef(call, "is about to be sent")
		l.from.crash()
		return nil, errGone
	}
	if f.stillBefore > 0 {
		l.notef(call, "is about to be sent")
		l.from.standStill(f.stillBefore)
		l.from.awake(call)
	}
	if f.refused {
		time.Sleep(f.there)
		l.notef(call, "finds no connection")
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ctx, left := context.WithCancel(request.Context())
	defer left()
	sending := context.WithoutCancel(ctx) // its sender may leave
	if poll {
		sending = ctx // only here does the service notice
	}
	answers := l.send(request.Clone(sending), body, f)
	if f.crashesSent {
		time.Sleep(f.moment)
		l.notef(call, "is on its way")
		l.from.crash()
		return nil, errGone
	}
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = ctx.Err()
	case <-l.from.crashed:
		return nil, errGone
	}
	if f.stillAfter > 0 || f.crashesAfter {
		time.Sleep(f.moment)
	}
	if f.stillAfter > 0 {
		l.from.standStill(f.stillAfter)
	}
	l.from.awake(call)
	if f.crashesAfter {
		l.notef(call, "%s", a)
		l.from.crash()
	}
	if l.from.dead() {
		return nil, errGone
	}
	if l.service == site && a.err == nil {
		l.read(request, a.response)
	}
	if !poll || a.err != nil || a.response.ContentLength > int64(len("{}")) { // nobody wants to read of idle polls
		l.notef(call, "%s", a)
	}
	return a.response, a.err
}

// read notes an answer of Chargebee before the process gets it.
func (l link) read(request *http.Request, response *http.Response) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
	if l.from.frail {
		l.from.world.books.answered(l.from.name, request, response.StatusCode, body)
	}
}

// broken ends as a read ended before.
type broken struct{ err error }

// Read implements io.Reader.
func (b broken) Read([]byte) (int, error) {
	if b.err == nil {
		return 0, io.EOF
	}
	return 0, b.err
}

func (l link) notef(call, format string, args ...any) {
	l.from.world.timeline.notef(l.from.name, "→ "+l.service+" "+call+": "+format, args...)
}

// answer is what came back.
type answer struct {
	response *http.Response
	err      error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return strconv.Itoa(a.response.StatusCode)
}

// send puts the request on the wire.
func (l link) send(request *http.Request, body []byte, f fate) <-chan answer {
	request.Body = io.NopCloser(bytes.NewReader(body))
	answers := make(chan answer, 1)
	go func() {
		time.Sleep(f.there)
		if f.lost {
			time.Sleep(f.back)
			answers <- answer{err: errReset}
			return
		}
		response, err := sandbox.Transport{Handler: l.handler}.RoundTrip(request) //nolint:bodyclose // it is memory; whoever still waits closes it
		time.Sleep(f.back)
		if f.silent {
			response, err = nil, errReset
		}
		answers <- answer{response, err}
	}()
	return answers
}

func readBody(request *http.Request) ([]byte, error) {
	if request.Body == nil {
		return nil, nil
	}
	defer func() { _ = request.Body.Close() }()
	return io.ReadAll(request.Body)
}
