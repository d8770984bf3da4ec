package sqs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/conformance"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// script is a sequence of calls that are drawn from a seed; what is answered decides
// what is called next.
type script struct {
	*testing.T
	transport sandbox.Transport
	random    *rand.Rand

	mu      sync.Mutex
	answers []string // by the number of the call
	handles []string // that were received, in the order of the calls that end
}

// call makes a call and notes its answer.
func (s *script) call(operation, input string) {
	s.mu.Lock()
	number := len(s.answers)
	s.answers = append(s.answers, "")
	s.mu.Unlock()

	answer, body := s.send(operation, input)
	var received struct {
		Messages []struct{ ReceiptHandle string }
	}
	_ = json.Unmarshal(body, &received) // a body that was cut has none
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[number] = operation + " " + input + ": " + answer
	for _, message := range received.Messages {
		s.handles = append(s.handles, message.ReceiptHandle)
	}
}

func (s *script) send(operation, input string) (answer string, body []byte) {
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://sandbox.local/", strings.NewReader(input))
	if err != nil {
		s.Error(err)
		return "", nil
	}
	request.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return err.Error(), nil
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", response.Header, " ", string(body), " ", err), body
}

// handle returns one of those that were received.
func (s *script) handle() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.handles) == 0 {
		return "none"
	}
	return s.handles[s.random.IntN(len(s.handles))]
}

// step makes one call, or lets some time go by.
func (s *script) step() {
	const (
		queue = `"QueueUrl":"http://sandbox.local/000000000000/events"`
		dead  = `"QueueUrl":"http://sandbox.local/000000000000/dead"`
		arn   = `"SourceArn":"arn:aws:sqs:eu-central-1:000000000000:dead"`
	)
	handle := s.handle()
	switch s.random.IntN(12) {
	case 0:
		s.call("SendMessage", fmt.Sprintf(`{%s,"MessageBody":"single %d","MessageAttributes":{"a":{"DataType":"String","StringValue":"1"},"b":{"DataType":"Number","StringValue":"2"}}}`, queue, s.random.IntN(100)))
	case 1, 2:
		var entries []string
		for i := range 1 + s.random.IntN(10) {
			entries = append(entries, fmt.Sprintf(`{"Id":"%d","MessageBody":"of %d","DelaySeconds":%d}`, i, s.random.IntN(100), s.random.IntN(3)))
		}
		s.call("SendMessageBatch", `{`+queue+`,"Entries":[`+strings.Join(entries, ",")+`]}`)
	case 3:
		s.call("ReceiveMessage", fmt.Sprintf(`{%s,"MaxNumberOfMessages":%d,"MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}`, queue, 1+s.random.IntN(10)))
	case 4, 5:
		input := fmt.Sprintf(`{%s,"MaxNumberOfMessages":%d,"WaitTimeSeconds":%d}`, queue, 1+s.random.IntN(3), 1+s.random.IntN(20))
		go s.call("ReceiveMessage", input)
	case 6:
		s.call("DeleteMessage", fmt.Sprintf(`{%s,"ReceiptHandle":"%s"}`, queue, handle))
	case 7:
		s.call("ChangeMessageVisibility", fmt.Sprintf(`{%s,"ReceiptHandle":"%s","VisibilityTimeout":%d}`, queue, handle, s.random.IntN(10)))
	case 8:
		s.call("GetQueueAttributes", `{`+queue+`,"AttributeNames":["All"]}`)
	case 9:
		s.call("StartMessageMoveTask", `{`+arn+`}`)
	case 10:
		s.call("ReceiveMessage", `{`+dead+`,"VisibilityTimeout":1,"MessageSystemAttributeNames":["All"]}`)
		s.call("ListQueues", `{}`)
	case 11:
		time.Sleep(time.Duration(s.random.Int64N(int64(5 * time.Second))))
	}
}

// played returns what a service answers to the script.
func played(t *testing.T, seed uint64) []string {
	t.Helper()
	var answers []string
	synctest.Test(t, func(t *testing.T) {
		service := sqs.New(sqs.Config{Seed: seed, Faults: sandbox.Seeded(seed, sandbox.Rates{
			Throttle: 0.02, Refuse: 0.02, LoseReply: 0.02, ApplyLate: 0.02, Partial: 0.05, Duplicate: 0.1, CutBody: 0.02, EffectThenError: 0.02,
			DeliverLate: 0.2, MaxLate: 5 * time.Second,
		})})
		s := &script{T: t, transport: sandbox.Transport{Handler: service}, random: rand.New(rand.NewPCG(1, 2))}
		for _, queue := range []string{
			`{"QueueName":"dead"}`,
			`{"QueueName":"events","Attributes":{"VisibilityTimeout":"3","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-central-1:000000000000:dead\",\"maxReceiveCount\":2}"}}`,
		} {
			for range 5 { // until a fault lets it through
				s.call("CreateQueue", queue)
			}
		}
		for range 600 {
			s.step()
			synctest.Wait()
		}
		time.Sleep(time.Hour) // polls and late effects end
		synctest.Wait()
		for _, message := range slices.Concat(service.Messages("events"), service.Messages("dead")) {
			s.answers = append(s.answers, fmt.Sprintf("%+v", message))
		}
		answers = s.answers
	})
	return answers
}

// TestSameSeedSameAnswers, to the byte, with polls that wait, faults, dead letters and
// move tasks.
func TestSameSeedSameAnswers(t *testing.T) {
	t.Parallel()
	conformance.Repeatable(t, func(seed uint64) []string { return played(t, seed) }, `"Messages":[{`, `"Failed":[{`, `"TaskHandle":`, "connection cut", `DeadLetterQueueSourceArn`)
}
