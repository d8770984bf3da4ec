package sqs

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

// authorize refuses what Config.Denied names. AWS decides on the queue as a whole: a
// batch that is denied has no entries that fail.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-using-identity-based-policies.html
func (s *Service) authorize(operation string, body []byte) error {
	var input queueReference
	_ = json.Unmarshal(body, &input) // what is wrong with it the operation says
	if input.QueueURL == "" {
		return nil
	}
	action, queue := strings.TrimSuffix(operation, "Batch"), path.Base(input.QueueURL)
	if !s.config.Denied(action, queue) {
		return nil
	}
	return denied(s.config.SenderID, action, s.arn(queue))
}

func denied(caller, action, arn string) *awsjson.Error {
	return accessDenied.errorf("User: %s is not authorized to perform: sqs:%s on resource: %s because no identity-based policy allows the sqs:%s action",
		caller, strings.ToLower(action), arn, strings.ToLower(action))
}
