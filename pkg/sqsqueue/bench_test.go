package sqsqueue_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// bench is a local SQS with one queue, and AWS's client of it.
type bench struct {
	testing.TB
	service *sqs.Service
	client  *awssqs.Client
	url     string

	mu    sync.Mutex
	calls int                     // since meet
	fault func(int) sandbox.Fault // of the call with this number
}

// newBench works inside a bubble.
func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{TB: t}
	b.service = sqs.New(sqs.Config{Faults: sandbox.FaultFunc(b.next)})
	b.client = awssqs.NewFromConfig(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: sandbox.Transport{Handler: b.service}},
	})
	created, err := b.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: aws.String("events")})
	if err != nil {
		t.Fatal(err)
	}
	b.url = *created.QueueUrl
	b.meet(nil)
	return b
}

func (b *bench) next(string) sandbox.Fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.fault == nil {
		return sandbox.Fault{}
	}
	return b.fault(b.calls)
}

// meet sets the fault of each further call; calls are counted from 1.
func (b *bench) meet(fault func(call int) sandbox.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.fault = 0, fault
}

// meetAlways lets every call meet the same fault.
func (b *bench) meetAlways(fault sandbox.Fault) {
	b.meet(func(int) sandbox.Fault { return fault })
}

// meetAt lets the given calls meet a fault.
func (b *bench) meetAt(kind sandbox.Kind, calls ...int) {
	b.meet(func(call int) sandbox.Fault {
		if slices.Contains(calls, call) {
			return sandbox.Fault{Kind: kind}
		}
		return sandbox.Fault{}
	})
}

// called counts the calls since meet.
func (b *bench) called() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls
}

func (b *bench) stored() []sqs.Message { return b.service.Messages("events") }

// put fills the queue.
func (b *bench) put(count int) {
	b.Helper()
	sender := sqsqueue.NewSender(b.client, b.url, nil)
	var senders sync.WaitGroup
	for i := range count {
		senders.Go(func() {
			if _, err := sender.Send(b.Context(), queue.Message{Body: fmt.Appendf(nil, "body %d", i)}); err != nil {
				b.Error(err)
			}
		})
	}
	senders.Wait()
	b.meet(nil)
}

// tally is an observer that counts.
type tally struct {
	mu      sync.Mutex
	batches []int
	took    []time.Duration
	waited  []time.Duration
	failed  map[string]int
}

func (o *tally) Waited(took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waited = append(o.waited, took)
}

func (o *tally) Sent(entries int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batches = append(o.batches, entries)
	o.took = append(o.took, took)
}

func (o *tally) Failed(class string, entries int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == nil {
		o.failed = map[string]int{}
	}
	o.failed[class] += entries
}

// The cost of a message on its way into the queue, with as many callers as fill the
// batches. Against a fake in the same process: its own work is part of it.
func BenchmarkSend(b *testing.B) {
	for _, callers := range []int{1, 100} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			bench := newBench(b)
			observed := &tally{}
			sender := sqsqueue.NewSender(bench.client, bench.url, observed)
			message := queue.Message{
				Body:       make([]byte, 2000),
				Attributes: map[string]string{"event_id": "ev_1", "event_type": "pending_invoice_created", "invoice_id": "draft_1", "received_at": "2026-01-01T00:00:00Z"},
				GroupID:    "customer",
			}
			for i := range message.Body {
				message.Body[i] = 'x'
			}
			b.ReportAllocs()
			b.SetParallelism(callers)
			if callers == 1 {
				for b.Loop() {
					if _, err := sender.Send(b.Context(), message); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(each *testing.PB) {
				for each.Next() {
					if _, err := sender.Send(b.Context(), message); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(len(observed.batches)), "entries/batch")
		})
	}
}
