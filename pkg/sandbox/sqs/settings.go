package sqs

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
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

	policy     string
	kmsKey     string
	kmsReuse   int
	managedSSE bool
}

var defaultSettings = settings{
	visibility:  30,
	retention:   345_600,
	maximumSize: maxMessageSize,
	kmsReuse:    300,
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
	"KmsDataKeyReusePeriodSeconds":  {60, 86_400, func(s *settings) *int { return &s.kmsReuse }},
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
	case "Policy":
		if value != "" && !json.Valid([]byte(value)) {
			return invalid
		}
		s.policy = value
	case "KmsMasterKeyId":
		s.kmsKey = value
	case "SqsManagedSseEnabled":
		if s.managedSSE, err = strconv.ParseBool(value); err != nil {
			return invalid
		}
	case "FifoQueue":
		if value == "true" {
			return unsupportedOperation.errorf("This service has standard queues only.")
		}
		return invalidAttributeName.errorf("Unknown Attribute %s.", name)
	default:
		return invalidAttributeName.errorf("Unknown Attribute %s.", name)
	}
	return err
}

// attributes are the settings in words. Absent is what was not set and has no
// default.
func (s settings) attributes() map[string]string {
	words := map[string]string{"SqsManagedSseEnabled": strconv.FormatBool(s.managedSSE && s.kmsKey == "")}
	for name, integer := range integers {
		words[name] = strconv.Itoa(*integer.field(&s))
	}
	if s.kmsKey == "" {
		delete(words, "KmsDataKeyReusePeriodSeconds")
	} else {
		words["KmsMasterKeyId"] = s.kmsKey
	}
	if s.policy != "" {
		words["Policy"] = s.policy
	}
	if s.redrive != nil {
		words["RedrivePolicy"] = s.redrive.String()
	}
	if s.redriveAllow != nil {
		words["RedriveAllowPolicy"] = s.redriveAllow.String()
	}
	return words
}
