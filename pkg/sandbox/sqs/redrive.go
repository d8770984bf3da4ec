package sqs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultMaxReceives = 10
	maxMaxReceives     = 1000
	maxSourceQueues    = 10
)

// redrivePolicy says when a message of a queue is dead-lettered, and where to.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
type redrivePolicy struct {
	TargetARN   string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// parseRedrivePolicy reads a policy; the empty one is none.
func parseRedrivePolicy(value string) (*redrivePolicy, error) {
	if value == "" {
		return nil, nil //nolint:nilnil // an attribute set to nothing is removed
	}
	var given struct {
		TargetARN   string          `json:"deadLetterTargetArn"`
		MaxReceives json.RawMessage `json:"maxReceiveCount"`
	}
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return nil, invalidRedrive(value, "Redrive policy is not a valid JSON map")
	}
	if given.TargetARN == "" {
		return nil, invalidRedrive(value, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn")
	}
	policy := &redrivePolicy{TargetARN: given.TargetARN, MaxReceives: defaultMaxReceives}
	if given.MaxReceives != nil {
		// Both 3 and "3" are in use.
		n, err := strconv.Atoi(strings.Trim(string(given.MaxReceives), `"`))
		if err != nil || n < 1 || n > maxMaxReceives {
			return nil, invalidRedrive(value, "Invalid value for maxReceiveCount, valid values are from 1 to 1000 both inclusive")
		}
		policy.MaxReceives = n
	}
	return policy, nil
}

func invalidRedrive(value, reason string) error {
	return invalidParameterValue.errorf("Value %s for parameter RedrivePolicy is invalid. Reason: %s.", value, reason)
}

func (p *redrivePolicy) String() string { return encode(p) }

// redriveAllowPolicy says which queues may dead-letter to a queue.
type redriveAllowPolicy struct {
	Permission string   `json:"redrivePermission"`
	SourceARNs []string `json:"sourceQueueArns,omitempty"`
}

func parseRedriveAllowPolicy(value string) (*redriveAllowPolicy, error) {
	if value == "" {
		return nil, nil //nolint:nilnil // an attribute set to nothing is removed
	}
	var policy redriveAllowPolicy
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&policy); err != nil {
		return nil, invalidRedriveAllow(value, "It is not a valid JSON map")
	}
	switch policy.Permission {
	case "allowAll", "denyAll":
		if len(policy.SourceARNs) > 0 {
			return nil, invalidRedriveAllow(value, "sourceQueueArns can only be used with byQueue")
		}
	case "byQueue":
		if len(policy.SourceARNs) == 0 || len(policy.SourceARNs) > maxSourceQueues {
			return nil, invalidRedriveAllow(value, "byQueue takes 1 to 10 sourceQueueArns")
		}
	default:
		return nil, invalidRedriveAllow(value, "redrivePermission must be allowAll, denyAll or byQueue")
	}
	return &policy, nil
}

func invalidRedriveAllow(value, reason string) error {
	return invalidParameterValue.errorf("Value %s for parameter RedriveAllowPolicy is invalid. Reason: %s.", value, reason)
}

func (p *redriveAllowPolicy) String() string { return encode(p) }

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

// checkRedrive says whether the queue of this name may have this policy.
func (s *Service) checkRedrive(name string, policy *redrivePolicy) error {
	if policy == nil {
		return nil
	}
	target := s.queueByARN(policy.TargetARN)
	if target == nil {
		return invalidRedrive(policy.String(), "Dead letter target does not exist")
	}
	if !target.settings.redriveAllow.allows(s.arn(name)) {
		return invalidRedrive(policy.String(), "The dead letter target does not allow this source queue")
	}
	return nil
}

// deadLetterQueue is where a message has to go instead of being received once
// more, nil when it may be received.
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
	m.sourceARN = s.arn(from.name)
	m.inQueue = 0
	to.add(m, now, 0)
	s.touch(to)
}
