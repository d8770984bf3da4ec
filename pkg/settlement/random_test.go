package settlement_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/settlement"
)

var (
	firstSeed = flag.Uint64("seed", 1, "the first seed of TestRandomHistories")
	histories = flag.Uint64("histories", 500, "how many seeds TestRandomHistories tries")
)

// brief are settings with which a history is over in a few minutes.
var brief = settlement.Settings{
	Lease:              6 * time.Second,
	CallTimeout:        time.Second,
	LateBound:          3 * time.Second,
	IdempotencyWindow:  12 * time.Second,
	MaxSkew:            500 * time.Millisecond,
	MaxAttempts:        10,
	Close:              true,
	CloseWithoutEvents: true,
}

const (
	chaos = 45 * time.Second // how long things go wrong
	calm  = 3 * time.Hour    // by when all has to be settled
)

// TestRandomHistories lets pods with clocks of their own handle the messages of one or
// two invoices while calls are lost, late and refused, processes crash and sleep, and
// now and then a person changes a draft. Then it gets quiet, and the books are compared.
//
// A history is drawn from its seed; -seed 7 -histories 1 -count 100 repeats one. What
// the product itself draws at random, and the order of what happens at the same time,
// differ from run to run.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*histories; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { newHistory(t, seed).run() })
		})
	}
}

// history is one world in which things go wrong.
type history struct {
	*world

	random *rand.Rand // of whatever is drawn before the history begins
	pods   []*pod
	stale  *staleReads

	undisturbed bool
	over        atomic.Bool // nothing goes wrong anymore

	mu       sync.Mutex
	messages []*message
	handled  uint64 // handlings begun
	bad      string // the event that was mended; empty: none
	person   string // what a person did; empty: nothing
	log      []string
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0x415))
	h := &history{random: random, undisturbed: random.IntN(12) == 0}
	// Most histories have a weak point; the rest is quiet enough to get somewhere.
	intensity := func() float64 { return []float64{0, 0.5, 1, 3}[random.IntN(4)] }
	late := brief.LateBound - brief.CallTimeout - 300*time.Millisecond
	a, b := intensity(), intensity()
	site := chargebee.Config{
		Seed:              seed,
		Latency:           20 * time.Millisecond,
		IdempotencyWindow: brief.IdempotencyWindow,
		StoreErrors:       random.IntN(2) == 0,
		WholeInvoices:     random.IntN(2) == 0,
		LockWait:          time.Duration(random.IntN(2)) * 100 * time.Millisecond,
		LostReplies:       []*chargebee.Error{chargebee.ErrCut, chargebee.Page(502), chargebee.ErrCut, chargebee.ErrTemporary},
		Faults: h.unlessOver(sandbox.Seeded(seed, sandbox.Rates{
			Throttle: 0.02 * a, Refuse: 0.04 * a, LoseReply: 0.06 * a, ApplyLate: 0.06 * a, CutBody: 0.04 * a,
			DelayRate: 0.1 * a, MaxDelay: 200 * time.Millisecond, MaxLate: late,
		})),
	}
	tables := dynamodb.Config{
		IndexLag: func(string) time.Duration { return time.Duration(seed%3) * 100 * time.Millisecond },
		Faults: h.unlessOver(sandbox.Seeded(seed+1, sandbox.Rates{
			Throttle: 0.02 * b, Refuse: 0.02 * b, LoseReply: 0.03 * b, ApplyLate: 0.03 * b, Partial: 0.03 * b, CutBody: 0.02 * b,
			DelayRate: 0.1 * b, MaxDelay: 800 * time.Millisecond, MaxLate: time.Second,
		})),
	}
	h.world = newWorldOf(t, site, tables)
	h.settings = brief
	h.stale = &staleReads{random: rand.New(rand.NewPCG(seed, 0x57a1e)), answers: map[string]staleAnswer{}}
	for range 1 + random.IntN(3) {
		skew := time.Duration(random.Int64N(int64(brief.MaxSkew))) - brief.MaxSkew/2
		h.pods = append(h.pods, newPod(skew))
	}
	return h
}

// unlessOver lets faults strike only while the history is on, and never one that is
// undisturbed.
func (h *history) unlessOver(faults sandbox.Faults) sandbox.Faults {
	h.over.Store(true) // until run begins it
	return sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if h.over.Load() {
			return sandbox.Fault{}
		}
		return faults.Next(operation)
	})
}

// run is the history: chaos, calm, account.
func (h *history) run() {
	events := 2 + h.random.IntN(6)
	codes := []string{"calls", "seats", "storage"}[:1+h.random.IntN(3)]
	for i := range events {
		// Amounts are powers of two: a line tells which events it is made of.
		h.write("sub", codes[i%len(codes)], strconv.Itoa(1<<i))
	}
	if !h.undisturbed && h.random.IntN(4) == 0 {
		h.writeBad()
	}
	time.Sleep(time.Second)
	h.over.Store(h.undisturbed)
	invoices := 1
	if !h.undisturbed {
		invoices += h.random.IntN(2)
	}
	var drafts []string
	for range invoices {
		id, body := h.renew("sub")
		drafts = append(drafts, id)
		copies := 1
		if !h.undisturbed {
			copies += h.random.IntN(2)
		}
		for range copies {
			h.send(body, time.Duration(h.random.IntN(10_000))*time.Millisecond)
		}
	}
	if !h.undisturbed && h.random.IntN(5) == 0 {
		h.sendPerson(drafts[h.random.IntN(len(drafts))])
	}

	ctx, stop := context.WithCancel(h.t.Context())
	var workers sync.WaitGroup
	for _, pod := range h.pods {
		for range 2 {
			workers.Go(func() { h.work(ctx, pod) })
		}
	}
	if !h.undisturbed {
		time.Sleep(chaos)
	}
	h.over.Store(true)
	for waited := time.Duration(0); !h.settled(); waited += time.Second {
		if waited > calm {
			h.t.Errorf("not settled after %s", calm)
			break
		}
		time.Sleep(time.Second)
	}
	stop()
	workers.Wait()
	h.account(drafts, len(codes))
	time.Sleep(time.Minute)
	h.account(drafts, len(codes)) // nothing comes late
	if h.t.Failed() {
		h.tell(drafts)
	}
}

// writeBad writes an event that cannot be billed, and mends it after a while: until
// then its invoice is rejected, and all its events are given back.
func (h *history) writeBad() {
	amount := strconv.Itoa(1 << h.written)
	id := h.write("sub", "calls", "-"+amount)
	h.bad = id
	mend := &awsdynamodb.UpdateItemInput{
		TableName:                 aws.String("events"),
		Key:                       map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text(id)},
		UpdateExpression:          aws.String("SET amount = :amount"),
		ConditionExpression:       aws.String("attribute_exists(unbilled)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":amount": number(amount)},
	}
	wait := time.Duration(h.random.Int64N(int64(chaos)))
	var try func()
	try = func() {
		if _, err := h.sdk.UpdateItem(h.t.Context(), mend); err != nil {
			time.AfterFunc(time.Second, try)
			return
		}
		h.notef("%s was mended", id)
	}
	time.AfterFunc(wait, try)
}

// account compares what stands on the invoices with what the events say.
func (h *history) account(drafts []string, codes int) {
	h.mu.Lock()
	person := h.person
	h.mu.Unlock()
	type standing struct {
		invoice string
		times   int
	}
	charged := map[string]standing{} // by event
	for _, invoice := range h.chargebee.Invoices() {
		for _, line := range invoice.LineItems {
			if invoice.Deleted || line.EntityType != chargebee.EntityAdhoc {
				continue
			}
			for i := range h.written {
				if line.Amount&(1<<i) != 0 {
					id := fmt.Sprintf("event_%05d", i+1)
					charged[id] = standing{invoice.ID, charged[id].times + 1}
				}
			}
		}
	}
	for id, event := range h.events() {
		on := charged[id]
		var head billing.Head
		if event.Status == billing.EventClaimed {
			head = h.head(event.InvoiceID)
		}
		switch {
		case on.times > 1:
			h.t.Errorf("%s is charged %d times", id, on.times)
		case event.Status == billing.EventBilled && (on.times != 1 || on.invoice != event.FinalID):
			h.t.Errorf("%s is billed on %s and charged %d times, on %q", id, event.FinalID, on.times, on.invoice)
		case (event.Status == "" || event.Status == billing.EventUnbilled) && on.times != 0:
			h.t.Errorf("%s is unbilled and charged on %s", id, on.invoice)
		case event.Status == billing.EventClaimed && (head.State != billing.Rejected || head.Reason == ""):
			h.t.Errorf("%s is held by %s, which is %s", id, event.InvoiceID, head.State)
		case event.Status != billing.EventBilled && person == "" && id != h.bad: // a claim may just miss one that is mended
			h.t.Errorf("%s is %q", id, event.Status)
		}
	}
	for _, draft := range drafts {
		if head := h.head(draft); person == "" && head.Outcome != billing.Closed && head.Outcome != billing.Gone { // gone: closed by us without a line, and the answer was lost
			h.t.Errorf("%s ended as %+v", draft, head)
		}
	}
	for _, event := range h.notes.mismatched {
		h.t.Errorf("alarmed about %+v", event)
	}
	if calls := len(h.chargebee.Calls()); h.undisturbed && calls != min(codes, h.written)+1 {
		h.t.Errorf("%d lines cost %d calls", min(codes, h.written), calls)
	}
}

// tell writes down what happened.
func (h *history) tell(drafts []string) {
	h.t.Logf("%d pods, person: %q", len(h.pods), h.person)
	for _, draft := range drafts {
		h.t.Logf("%+v", h.head(draft))
	}
	for _, call := range h.chargebee.Calls() {
		h.log = append(h.log, fmt.Sprintf("%s chargebee: %s %s: %d %s replayed: %t", stamp(call.At), call.Operation, call.InvoiceID, call.Status, call.Code, call.Replayed))
	}
	slices.Sort(h.log)
	h.t.Log(strings.Join(h.log, "\n"))
}

func stamp(at time.Time) string { return at.Format("04:05.000") }

func (h *history) notef(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = append(h.log, stamp(time.Now())+" "+fmt.Sprintf(format, args...))
}

// sendPerson lets a person do something to a draft at some time.
func (h *history) sendPerson(draft string) {
	act := []string{"close", "delete", "edit", "remove"}[h.random.IntN(4)]
	which := h.random.IntN(3)
	time.AfterFunc(time.Duration(h.random.Int64N(int64(chaos/2))), func() {
		h.stale.remember(h, draft)
		lines := h.adHoc(draft)
		var err error
		switch {
		case act == "close":
			_, err = h.chargebee.CloseInvoice(draft)
		case act == "delete":
			err = h.chargebee.DeleteInvoice(draft)
		case len(lines) == 0:
			return
		case act == "edit":
			err = h.chargebee.EditLine(draft, lines[which%len(lines)].ID, func(line *chargebee.LineItem) { line.Description = "as agreed" })
		default:
			err = h.chargebee.RemoveLine(draft, lines[which%len(lines)].ID)
		}
		h.notef("a person: %s %s: %v", act, draft, err)
		if err == nil {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.person = act
		}
	})
}

// message is one message in the queue.
type message struct {
	queue.Message

	visible time.Time
	gone    bool
	replays int
}

const visibility = 6 * time.Second

func (h *history) send(body []byte, after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, &message{
		Message: queue.Message{ID: strconv.Itoa(len(h.messages)), Body: body, SentAt: time.Now()},
		visible: time.Now().Add(after),
	})
}

// settled tells whether the queue is empty.
func (h *history) settled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(h.messages, func(m *message) bool { return !m.gone })
}

// receive takes a visible message, and copies it as it was received.
func (h *history) receive() (taken *message, received queue.Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, message := range h.messages {
		if !message.gone && !time.Now().Before(message.visible) {
			message.visible = time.Now().Add(visibility)
			message.ReceiveCount++
			return message, message.Message
		}
	}
	return nil, queue.Message{}
}

// hide keeps a message invisible, and tells whether it is still the receiver's.
func (h *history) hide(message *message, receipt int, wait time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if message.ReceiveCount != receipt {
		return false
	}
	message.visible = time.Now().Add(wait)
	return true
}

// carryOut does what a handler asks for. A dead letter is replayed a few times.
func (h *history) carryOut(message *message, receipt int, outcome queue.Outcome) {
	h.notef("message %s: %s %s %s", message.ID, outcome.Verdict, outcome.Reason, outcome.Detail)
	switch {
	case outcome.Verdict == queue.Retry:
		h.hide(message, receipt, outcome.After)
		return
	case outcome.Verdict == queue.Reject && outcome.Reason == "":
		h.t.Errorf("a dead letter without a reason: %+v", outcome)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if outcome.Verdict == queue.Done || message.replays == 4 {
		message.gone = true
		return
	}
	message.replays++
	message.visible = time.Now().Add(time.Duration(1+message.replays*message.replays) * 5 * time.Second)
	message.SentAt = time.Now()
}

// work handles messages until ctx ends.
func (h *history) work(ctx context.Context, on *pod) {
	for ctx.Err() == nil {
		message, received := h.receive()
		if message == nil {
			time.Sleep(300 * time.Millisecond)
			continue
		}
		h.handle(on, message, received)
	}
}

// handle handles a message in a process that may crash, sleep or be drained.
func (h *history) handle(on *pod, message *message, received queue.Message) {
	h.mu.Lock()
	h.handled++
	random := rand.New(rand.NewPCG(h.random.Uint64(), h.handled))
	h.mu.Unlock()
	p := &process{history: h, random: random}
	if !h.over.Load() {
		p.draw()
	}
	ctx, cancel := context.WithCancelCause(h.t.Context())
	defer cancel(nil)
	if p.drainAfter > 0 {
		defer time.AfterFunc(p.drainAfter, func() { cancel(errors.New("drained")) }).Stop()
	}
	delivery := &queue.Delivery{Message: received}
	heart := make(chan struct{})
	go func() {
		defer close(heart)
		p.beat(ctx, cancel, delivery, func() bool { return h.hide(message, received.ReceiveCount, visibility) })
	}()
	outcome := h.process(on, p.wrap).Handle(ctx, delivery)
	cancel(nil)
	<-heart
	if p.crashed.Load() {
		h.notef("message %s: crashed at call %d", message.ID, p.crashAt)
		return
	}
	h.carryOut(message, received.ReceiveCount, outcome)
}

// process is one handling's way to the services.
type process struct {
	*history

	random     *rand.Rand
	crashAt    int // which call; 0: never
	crashAfter bool
	sleepAt    int
	sleepAfter bool
	sleep      time.Duration
	drainAfter time.Duration

	mu      sync.Mutex
	calls   int
	wakes   time.Time // until then everything stands still
	crashed atomic.Bool
}

// draw decides what goes wrong with the process itself.
func (p *process) draw() {
	if p.random.IntN(4) == 0 {
		p.crashAt, p.crashAfter = 1+p.random.IntN(20), p.random.IntN(2) == 0
	}
	if p.random.IntN(4) == 0 {
		p.sleepAt, p.sleepAfter = 1+p.random.IntN(20), p.random.IntN(2) == 0
		p.sleep = time.Duration(p.random.Int64N(int64(20 * time.Second)))
	}
	if p.random.IntN(8) == 0 {
		p.drainAfter = time.Duration(p.random.Int64N(int64(5 * time.Second)))
	}
}

// beat is the heartbeat of the process.
func (p *process) beat(ctx context.Context, cancel context.CancelCauseFunc, delivery *queue.Delivery, hide func() bool) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
		p.awake()
		switch {
		case p.crashed.Load():
			return
		case !hide():
			cancel(errors.New("lost"))
			return
		}
		if err := delivery.Beat(ctx); err != nil {
			cancel(err)
			return
		}
	}
}

// awake waits until the process does not sleep.
func (p *process) awake() {
	p.mu.Lock()
	wakes := p.wakes
	p.mu.Unlock()
	time.Sleep(time.Until(wakes))
}

func (p *process) fallAsleep(wait time.Duration) {
	p.notef("a process sleeps for %s", wait)
	p.mu.Lock()
	p.wakes = time.Now().Add(wait)
	p.mu.Unlock()
	p.awake()
}

// next counts a call and tells whether it is the one to crash or to sleep at.
func (p *process) next() (crashes, sleeps bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	return p.calls == p.crashAt, p.calls == p.sleepAt
}

func (p *process) wrap(service string, transport http.RoundTripper) http.RoundTripper {
	if service == "chargebee" && !p.undisturbed {
		transport = p.stale.wrap(p.history, transport)
	}
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		p.awake()
		crashes, sleeps := p.next()
		if p.crashed.Load() {
			return nil, errCrashed
		}
		if crashes {
			p.crashed.Store(true)
			if p.crashAfter {
				if response, err := transport.RoundTrip(request); err == nil {
					_ = response.Body.Close()
				}
			}
			return nil, errCrashed
		}
		if sleeps && !p.sleepAfter {
			sleep := p.sleep
			if service == "chargebee" { // the clock was looked at: the call is soon there, or never
				sleep = min(sleep, 500*time.Millisecond)
			}
			p.fallAsleep(sleep)
			// The process slept, not its timers: the call goes out.
			request = request.WithContext(context.WithoutCancel(request.Context()))
		}
		response, err := transport.RoundTrip(request)
		if sleeps && p.sleepAfter {
			p.fallAsleep(p.sleep)
		}
		return response, err
	})
}

// staleReads answers some GETs with what stood there before the last changes, as long
// as that was within the bound by which everything shows.
type staleReads struct {
	mu      sync.Mutex
	random  *rand.Rand
	answers map[string]staleAnswer // by path
}

type staleAnswer struct {
	at     time.Time
	status int
	header http.Header
	body   string
}

// remember keeps what the invoice and the list of all show now.
func (s *staleReads) remember(h *history, draft string) {
	for path, query := range map[string]string{
		"/api/v2/invoices/" + draft: "line_items_limit=300",
		"/api/v2/invoices":          "limit=100&sort_by[asc]=updated_at",
	} {
		now := time.Now()
		request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://chargebee.local"+path+"?"+query, nil)
		if err != nil {
			h.t.Error(err)
			return
		}
		request.SetBasicAuth("key", "")
		response, err := sandbox.Transport{Handler: h.chargebee}.RoundTrip(request)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err == nil && (response.StatusCode == http.StatusOK || response.StatusCode == http.StatusNotFound) {
			s.mu.Lock()
			s.answers[path] = staleAnswer{now, response.StatusCode, response.Header, string(body)}
			s.mu.Unlock()
		}
	}
}

// old returns an earlier answer to a GET, now and then.
func (s *staleReads) old(path string, now time.Time) (staleAnswer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.answers[path]
	return old, ok && s.random.IntN(2) == 0 && now.Sub(old.at) < brief.LateBound
}

// rarely tells whether it is time to remember.
func (s *staleReads) rarely() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(6) == 0
}

func (s *staleReads) wrap(h *history, transport http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		path := request.URL.Path
		if request.Method != http.MethodGet {
			if draft := strings.Split(path, "/")[4]; !h.over.Load() && s.rarely() {
				go s.remember(h, draft)
			}
			return transport.RoundTrip(request)
		}
		if old, ok := s.old(path, time.Now()); ok && !h.over.Load() {
			h.notef("a stale answer of %s to %s", stamp(old.at), path)
			return old.response(request), nil
		}
		return transport.RoundTrip(request)
	})
}

func (a staleAnswer) response(request *http.Request) *http.Response {
	return &http.Response{
		StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
		ContentLength: int64(len(a.body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
	}
}
