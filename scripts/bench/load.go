package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// loadCommand makes this program the load generator, so that it is scheduled apart from the queue.
const loadCommand = "load"

const (
	username = "chargebee"
	password = "bench-password"

	// requestTimeout is somewhat longer than the receiver's.
	requestTimeout = 10 * time.Second
	maxResponse    = 64 << 10
	// maxWorkers bounds the requests in flight of an open load. It is above what a receiver admits.
	maxWorkers = 4096
	// acceptDelay is the time that a server has to accept the connections of a burst, well below its
	// timeout for silent connections.
	acceptDelay = time.Second
)

// load is a load of webhooks. With a rate it is open: requests leave when they are due, however slow the
// server is. Without one, each of the clients waits for a response before it sends the next request.
// Without a length, each client sends one request over an open connection, all at the same instant.
type load struct {
	URL     string
	First   int64 // number of the first webhook
	Rate    int   // per second
	Length  time.Duration
	Clients int
	Kind    string // of webhooks
}

// run runs the load in a process of its own.
func (l load) run(ctx context.Context) (a answers, err error) {
	self, err := os.Executable()
	if err != nil {
		return a, err
	}
	encoded, err := json.Marshal(l)
	if err != nil {
		return a, err
	}
	cmd := exec.CommandContext(ctx, self, loadCommand, string(encoded)) //nolint:gosec // it is this program
	cmd.Stderr = os.Stderr
	output, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(output, &a)
	}
	if err != nil {
		return a, fmt.Errorf("generate load: %w", err)
	}
	return a, nil
}

// generateLoad is the load generator's process. It writes the answers.
func generateLoad(args []string, out io.Writer) error {
	var l load
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &l) != nil {
		return errors.New("give a load as JSON")
	}
	a, err := l.attack()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(a)
}

// attack sends the load.
func (l load) attack() (a answers, err error) {
	transport := &http.Transport{MaxIdleConnsPerHost: max(l.Clients, maxWorkers)}
	if l.Rate == 0 && l.Length == 0 {
		if transport.DialContext, err = l.openConnections(); err != nil {
			return a, err
		}
	}
	workers := uint64(max(l.Clients, 64))
	maximum := workers
	if l.Rate > 0 {
		maximum = maxWorkers
	}
	kind := webhookKinds[l.Kind]
	attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: fillingTransport{transport, kind.filler}}),
		vegeta.Timeout(requestTimeout), vegeta.Redirects(vegeta.NoFollow), vegeta.MaxBody(maxResponse), vegeta.Workers(workers), vegeta.MaxWorkers(maximum))
	for result := range attacker.Attack(l.targeter(kind), l.pacer(), l.Length, "") {
		a.add(result)
	}
	slices.SortFunc(a.Results, func(x, y *vegeta.Result) int { return cmp.Compare(x.Seq, y.Seq) })
	switch {
	case l.Rate > 0:
		a.countFromDue(time.Second / time.Duration(l.Rate))
	case l.Length == 0:
		a.countFromDue(0)
	}
	return a, nil
}

func (l load) targeter(kind webhookKind) vegeta.Targeter {
	sample := &http.Request{Header: http.Header{"Content-Type": {"application/json"}}}
	sample.SetBasicAuth(username, password)
	var next atomic.Int64
	next.Store(l.First)
	return func(target *vegeta.Target) error {
		target.Method, target.URL, target.Header = http.MethodPost, l.URL, sample.Header
		target.Body = kind.start(next.Add(1) - 1)
		return nil
	}
}

// openConnections opens a connection for each client. It returns a function that hands them out.
func (l load) openConnections() (func(context.Context, string, string) (net.Conn, error), error) {
	address, err := url.Parse(l.URL)
	if err != nil {
		return nil, err
	}
	opened := make(chan net.Conn, l.Clients)
	for range l.Clients {
		conn, err := net.DialTimeout("tcp", address.Host, requestTimeout)
		if err != nil {
			return nil, fmt.Errorf("open a connection: %w", err)
		}
		opened <- conn
	}
	time.Sleep(acceptDelay)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case conn := <-opened:
			return conn, nil
		default:
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}, nil
}

// pacer decides when requests leave.
func (l load) pacer() vegeta.Pacer {
	switch {
	case l.Rate > 0:
		return vegeta.ConstantPacer{Freq: l.Rate, Per: time.Second}
	case l.Length > 0:
		return vegeta.ConstantPacer{} // as soon as a client is free
	default:
		return burstPacer{count: uint64(l.Clients)}
	}
}

// burstPacer lets a number of requests leave at once.
type burstPacer struct {
	vegeta.ConstantPacer

	count uint64
}

// Pace implements vegeta.Pacer.
func (p burstPacer) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	return 0, hits >= p.count
}
