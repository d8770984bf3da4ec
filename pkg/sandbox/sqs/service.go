package sqs

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// Config is the configuration of a Service. The zero value works.
type Config struct {
	Now    func() time.Time // the clock. Defaults to time.Now
	Faults sandbox.Faults   // decides which calls go wrong. Defaults to none

	BaseURL string // queue URLs are BaseURL/000000000000/name. Defaults to http://sandbox.local

	// MaxInFlight is the maximum number of messages in flight of one queue. Defaults
	// to 120,000, the quota that AWS raises only on request.
	MaxInFlight int

	// Denied reports whether an action on a queue is not allowed. Actions have the names
	// of policies, without the service: SendMessage, for a batch too. Defaults to none.
	Denied func(action, queue string) bool

	// Seed determines message ids and receipt handles: the same seed and, on each
	// queue, the same order of calls give the same answers.
	Seed uint64
}

// The owner and only caller of all queues, in the form that AWS gives it.
const (
	accountID = "000000000000"
	senderID  = "AIDASANDBOX0000000000"
	arnPrefix = "arn:aws:sqs:eu-central-1:" + accountID + ":"
)

// Service is a fake Amazon SQS.
type Service struct {
	config   Config
	dispatch awsjson.Service

	mu      sync.Mutex
	queues  map[string]*queue // by name
	random  *rand.Rand
	sent    uint64   // the number of the latest message
	touched []*queue // queues on which a waiting poll may now be served
}

// New returns a service without queues.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	config.BaseURL = cmp.Or(strings.TrimSuffix(config.BaseURL, "/"), "http://sandbox.local")
	config.MaxInFlight = cmp.Or(config.MaxInFlight, 120_000)

	s := &Service{
		config: config,
		queues: map[string]*queue{},
		random: rand.New(rand.NewPCG(config.Seed, 0x5715)),
	}
	s.dispatch = awsjson.Service{
		Target: "AmazonSQS",
		Operations: map[string]awsjson.Operation{
			"CreateQueue":                  operation(s.createQueue),
			"GetQueueUrl":                  operation(s.getQueueURL),
			"ListQueues":                   operation(s.listQueues),
			"DeleteQueue":                  operation(s.deleteQueue),
			"PurgeQueue":                   operation(s.purgeQueue),
			"GetQueueAttributes":           operation(s.getQueueAttributes),
			"SetQueueAttributes":           operation(s.setQueueAttributes),
			"SendMessage":                  operation(s.sendMessage),
			"SendMessageBatch":             operation(s.sendMessageBatch),
			"ReceiveMessage":               operation(s.receiveMessage),
			"DeleteMessage":                s.onHandle((*queue).deleteByHandle),
			"DeleteMessageBatch":           s.onHandles((*queue).deleteByHandle),
			"ChangeMessageVisibility":      s.onHandle((*queue).changeVisibility),
			"ChangeMessageVisibilityBatch": s.onHandles((*queue).changeVisibility),
			"StartMessageMoveTask":         operation(s.startMessageMoveTask),
		},
		Unknown:  unknownOperation.errorf("The requested operation is not supported here."),
		Throttle: []*awsjson.Error{requestThrottled.errorf("The request was denied due to request throttling.")},
		Failures: []*awsjson.Error{internalFailure.errorf("The request processing has failed because of an unknown error.")},
		Faults:   config.Faults,
	}
	if config.Denied != nil {
		s.dispatch.Authorize = s.authorize
	}
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.dispatch.ServeHTTP(w, r) }

// locked runs change under the lock at one moment of the clock, then serves
// the polls that wait on the queues it touched.
func (s *Service) locked(change func(now time.Time) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	err := change(now)
	s.serveTouched(now)
	return err
}

// onQueue returns locked for a change of one queue, which it brings up to date first.
func (s *Service) onQueue(url string, change func(q *queue, now time.Time) error) error {
	return s.locked(func(now time.Time) error {
		q, err := s.queueByURL(url)
		if err != nil {
			return err
		}
		// Polls that wait come before the caller.
		s.touch(q)
		s.serveTouched(now)
		defer s.touch(q)
		return change(q, now)
	})
}

func (s *Service) touch(q *queue) { s.touched = append(s.touched, q) }

// queueByURL finds a queue by the path of its URL. As with AWS the host does
// not matter: the SDKs send calls to their own endpoint anyway.
func (s *Service) queueByURL(url string) (*queue, error) {
	if url == "" {
		return nil, missingParameter.errorf("The request must contain the parameter QueueUrl.")
	}
	path := strings.Split(url, "/")
	if len(path) < 2 || path[len(path)-1] == "" || path[len(path)-2] == "" {
		return nil, invalidAddress.errorf("The address %s is not valid for this endpoint.", url)
	}
	q, ok := s.queues[path[len(path)-1]]
	if !ok || path[len(path)-2] != accountID {
		return nil, queueDoesNotExist.errorf("The specified queue does not exist.")
	}
	return q, nil
}

// queueByARN returns nil when there is no such queue.
func (s *Service) queueByARN(arn string) *queue {
	name, ok := strings.CutPrefix(arn, arnPrefix)
	if !ok {
		return nil
	}
	return s.queues[name]
}

func arn(name string) string { return arnPrefix + name }

func (s *Service) url(name string) string {
	return s.config.BaseURL + "/" + accountID + "/" + name
}

// operation makes an operation of run, which gets the decoded input.
func operation[Input any](run func(Input, awsjson.Call) (any, error)) awsjson.Operation {
	return func(call awsjson.Call) (any, error) {
		var input Input
		if !utf8.Valid(call.Body) {
			return nil, serializationException.errorf("The input is not valid UTF-8.")
		}
		if err := json.Unmarshal(call.Body, &input); err != nil {
			return nil, serializationException.errorf("The input cannot be read: %s.", err)
		}
		return run(input, call)
	}
}

// authorize refuses what Config.Denied names. AWS decides on the queue as a whole: a
// batch that is denied has no entries that fail.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-using-identity-based-policies.html
func (s *Service) authorize(operation string, body []byte) error {
	var input queueReference
	_ = json.Unmarshal(body, &input) // the operation reports errors
	if input.QueueURL == "" {
		return nil
	}
	action, queue := strings.TrimSuffix(operation, "Batch"), path.Base(input.QueueURL)
	if !s.config.Denied(action, queue) {
		return nil
	}
	return accessDenied.errorf("User: %s is not authorized to perform: sqs:%s on resource: %s because no identity-based policy allows the sqs:%s action",
		senderID, strings.ToLower(action), arn(queue), strings.ToLower(action))
}
