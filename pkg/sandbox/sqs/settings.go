package sqs

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// settings are the attributes of a queue that can be set. Times are in seconds.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
type settings struct {
	delay       int
	visibility  int
	wait        int
	retention   int
	maximumSize int // in bytes

	redrive      *redrivePolicy
	redriveAllow *redriveAllowPolicy

	kmsKey     string
	managedSSE bool
}

var defaultSettings = settings{
	visibility:  30,
	retention:   345_600,
	maximumSize: maxMessageSize,
	managedSSE:  true,
}

// integers are the attributes that are numbers in a range.
var integers = map[string]struct {
	min, max int
	field    func(*settings) *int
}{
	"DelaySeconds":                  {0, maxDelay, func(s *settings) *int { return &s.delay }},
	"VisibilityTimeout":             {0, maxVisibility, func(s *settings) *int { return &s.visibility }},
	"ReceiveMessageWaitTimeSeconds": {0, maxWait, func(s *settings) *int { return &s.wait }},
	"MessageRetentionPeriod":        {60, 1_209_600, func(s *settings) *int { return &s.retention }},
	"MaximumMessageSize":            {1_024, maxMessageSize, func(s *settings) *int { return &s.maximumSize }},
}

// with returns the settings with some of them changed, the others kept.
func (s settings) with(changes map[string]string) (settings, error) {
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		if err := s.set(name, changes[name]); err != nil {
			return settings{}, err
		}
	}
	return s, nil
}

func (s *settings) set(name, value string) error {
	invalid := invalidAttributeValue.errorf("Invalid value for the parameter %s.", name)
	if integer, ok := integers[name]; ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < integer.min || n > integer.max {
			return invalid
		}
		*integer.field(s) = n
		return nil
	}

	var err error
	switch name {
	case "RedrivePolicy":
		s.redrive, err = parseRedrivePolicy(value)
	case "RedriveAllowPolicy":
		s.redriveAllow, err = parseRedriveAllowPolicy(value)
	case "KmsMasterKeyId":
		s.kmsKey = value
	case "SqsManagedSseEnabled":
		if s.managedSSE, err = strconv.ParseBool(value); err != nil {
			return invalid
		}
	default:
		return invalidAttributeName.errorf("Unknown Attribute %s.", name)
	}
	return err
}

// attributes returns the settings as attributes. Those without a value and a default are
// absent.
func (s settings) attributes() map[string]string {
	values := map[string]string{"SqsManagedSseEnabled": strconv.FormatBool(s.managedSSE && s.kmsKey == "")}
	for name, integer := range integers {
		values[name] = strconv.Itoa(*integer.field(&s))
	}
	if s.kmsKey != "" {
		values["KmsMasterKeyId"] = s.kmsKey
	}
	if s.redrive != nil {
		values["RedrivePolicy"] = encode(s.redrive)
	}
	if s.redriveAllow != nil {
		values["RedriveAllowPolicy"] = encode(s.redriveAllow)
	}
	return values
}

const (
	defaultMaxReceives = 10
	maxMaxReceives     = 1000
	maxSourceQueues    = 10
)

// redrivePolicy has the number of receives after which a message is dead-lettered, and the dead-letter
// queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
type redrivePolicy struct {
	TargetARN   string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// parseRedrivePolicy reads a policy; the empty one is none.
func parseRedrivePolicy(value string) (*redrivePolicy, error) {
	var given struct {
		TargetARN   string          `json:"deadLetterTargetArn"`
		MaxReceives json.RawMessage `json:"maxReceiveCount"`
	}
	if err := parsePolicy("RedrivePolicy", value, &given); err != nil || value == "" {
		return nil, err
	}
	if given.TargetARN == "" {
		return nil, invalidPolicy("RedrivePolicy", value, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn")
	}
	policy := &redrivePolicy{TargetARN: given.TargetARN, MaxReceives: defaultMaxReceives}
	if given.MaxReceives != nil {
		// Both 3 and "3" are in use.
		n, err := strconv.Atoi(strings.Trim(string(given.MaxReceives), `"`))
		if err != nil || n < 1 || n > maxMaxReceives {
			return nil, invalidPolicy("RedrivePolicy", value, "Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive")
		}
		policy.MaxReceives = n
	}
	return policy, nil
}

// redriveAllowPolicy lists the queues that may dead-letter to a queue.
type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	SourceARNs []string `json:"sourceQueueArns,omitempty"`
}

// parseRedriveAllowPolicy reads a policy; the empty one is none.
func parseRedriveAllowPolicy(value string) (*redriveAllowPolicy, error) {
	var policy redriveAllowPolicy
	if err := parsePolicy("RedriveAllowPolicy", value, &policy); err != nil || value == "" {
		return nil, err
	}
	sources := len(policy.SourceARNs)
	switch policy.Permission {
	case "allowAll", "denyAll":
		if sources > 0 {
			return nil, invalidPolicy("RedriveAllowPolicy", value, "sourceQueueArns can only be used with byQueue")
		}
	case "byQueue":
		if sources == 0 || sources > maxSourceQueues {
			return nil, invalidPolicy("RedriveAllowPolicy", value, "byQueue takes 1 to 10 sourceQueueArns")
		}
	default:
		return nil, invalidPolicy("RedriveAllowPolicy", value, "redrivePermission must be allowAll, denyAll or byQueue")
	}
	return &policy, nil
}

func parsePolicy(attribute, value string, policy any) error {
	if value == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if decoder.Decode(policy) != nil {
		return invalidPolicy(attribute, value, "It is not a valid JSON map")
	}
	return nil
}

func invalidPolicy(attribute, value, reason string) error {
	return invalidParameterValue.errorf("Value %s for parameter %s is invalid. Reason: %s.", value, attribute, reason)
}

func (p *redriveAllowPolicy) allows(sourceARN string) bool {
	if p == nil || p.Permission == "allowAll" {
		return true
	}
	return p.Permission == "byQueue" && slices.Contains(p.SourceARNs, sourceARN)
}

func encode(policy any) string {
	encoded, err := json.Marshal(policy)
	if err != nil {
		panic("sqs: policy cannot be encoded: " + err.Error())
	}
	return string(encoded)
}

// checkRedrive reports whether the queue of this name may have this policy.
func (s *Service) checkRedrive(name string, policy *redrivePolicy) error {
	if policy == nil {
		return nil
	}
	target := s.queueByARN(policy.TargetARN)
	if target == nil {
		return invalidPolicy("RedrivePolicy", encode(policy), "Dead letter target does not exist")
	}
	if !target.settings.redriveAllow.allows(arn(name)) {
		return invalidPolicy("RedrivePolicy", encode(policy), "The dead letter target does not allow this source queue")
	}
	return nil
}

// deadLetterQueue returns the dead-letter queue of a message that was received too often, nil
// for one that may be received.
func (s *Service) deadLetterQueue(q *queue, m *message) *queue {
	policy := q.settings.redrive
	if policy == nil || m.inQueue < policy.MaxReceives {
		return nil
	}
	return s.queueByARN(policy.TargetARN)
}

// deadLetter moves a message. It keeps its identity and the time it was sent,
// from which its retention goes on counting.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
func (s *Service) deadLetter(from, to *queue, m *message, now time.Time) {
	from.remove(m)
	m.sourceARN = arn(from.name)
	m.inQueue = 0
	to.add(m, now, 0)
	s.touch(to)
}

// moveInterval is the time between two messages that a move task moves: 500 a second.
const moveInterval = 2 * time.Millisecond

type moveTaskInput struct {
	SourceARN      string `json:"SourceArn"`
	DestinationARN string `json:"DestinationArn"`
}

// startMessageMoveTask moves the visible messages of a dead-letter queue to a destination,
// or each back to the queue that it came from. A moved message is a new one: it has a new
// id and a new time of sending. The task cannot be listed or cancelled.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
func (s *Service) startMessageMoveTask(input moveTaskInput, _ awsjson.Call) (any, error) {
	var handle string
	err := s.locked(func(now time.Time) error {
		source := s.queueByARN(input.SourceARN)
		if source == nil || input.DestinationARN != "" && s.queueByARN(input.DestinationARN) == nil {
			return resourceNotFound.errorf("The resource that you specified for the SourceArn or DestinationArn parameter doesn't exist.")
		}
		source.advance(now)
		handle = source.newID().String()
		s.moveLater(source, input.DestinationARN, source.visible.Len())
		return nil
	})
	return map[string]string{"TaskHandle": handle}, err
}

// moveLater moves the next of count messages, then the others. It ends at a message whose
// destination is unknown or gone.
func (s *Service) moveLater(source *queue, destination string, count int) {
	time.AfterFunc(moveInterval, func() {
		_ = s.locked(func(now time.Time) error {
			source.advance(now)
			front := source.visible.Front()
			if front == nil || count == 0 {
				return nil
			}
			m := front.Value.(*message)
			to := s.queueByARN(cmp.Or(destination, m.sourceARN))
			if to == nil {
				return nil
			}
			source.remove(m)
			s.enqueue(to, m.content, now, 0)
			s.touch(to)
			if count > 1 {
				s.moveLater(source, destination, count-1)
			}
			return nil
		})
	})
}
