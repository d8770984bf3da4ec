package sqs

import (
	"encoding/base64"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

const (
	maxMoveRate  = 500 // messages a second
	maxMoveTasks = 10  // that a listing tells of
)

// The states of a move task. AWS knows CANCELLING too; here a cancellation
// takes effect at once.
const (
	taskRunning   = "RUNNING"
	taskCompleted = "COMPLETED"
	taskCancelled = "CANCELLED"
	taskFailed    = "FAILED"
)

// moveTask moves the messages of a dead-letter queue at a fixed rate: to one
// destination or each to where it came from. What is in flight stays.
//
// A moved message is a new one: it has a new id and a new time of sending, and
// its retention starts again.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
type moveTask struct {
	handle      string
	source      *queue
	destination string // an ARN; empty for the source of each message
	rate        *int   // messages a second, as asked for
	startedAt   time.Time
	toMove      int
	moved       int
	status      string
	reason      string
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
func (s *Service) startMessageMoveTask(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		SourceARN      string `json:"SourceArn"`
		DestinationARN string `json:"DestinationArn"`
		Rate           *int   `json:"MaxNumberOfMessagesPerSecond"`
	}](call)
	if err != nil {
		return nil, err
	}
	if input.Rate != nil && (*input.Rate < 1 || *input.Rate > maxMoveRate) {
		return nil, invalidParameterValue.errorf("Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and %d, if provided.", *input.Rate, maxMoveRate)
	}

	task := &moveTask{destination: input.DestinationARN, rate: input.Rate, status: taskRunning}
	err = s.onTaskSource(input.SourceARN, func(q *queue, now time.Time) error {
		if len(s.sourcesOf(q)) == 0 {
			return invalidParameterValue.errorf("Source queue must be configured as a Dead Letter Queue.")
		}
		if task.destination != "" && s.queueByARN(task.destination) == nil {
			return resourceNotFound.errorf("The resource that you specified for the DestinationArn parameter doesn't exist.")
		}
		if task.destination == input.SourceARN {
			return invalidParameterValue.errorf("Source queue arn and destination queue arn cannot be the same.")
		}
		if slices.ContainsFunc(q.tasks, func(t *moveTask) bool { return t.status == taskRunning }) {
			return invalidParameterValue.errorf("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
		task.source, task.startedAt, task.toMove = q, now, q.visible.Len()
		task.handle = base64.StdEncoding.EncodeToString([]byte(q.newID().String() + " " + input.SourceARN))
		q.tasks = slices.Insert(q.tasks, 0, task)
		q.tasks = q.tasks[:min(len(q.tasks), maxMoveTasks)]
		s.schedule(task)
		return nil
	})
	return map[string]string{"TaskHandle": task.handle}, err
}

// onTaskSource is onQueue for the source of a move task, which is named by its ARN.
func (s *Service) onTaskSource(arn string, change func(q *queue, now time.Time) error) error {
	if arn == "" {
		return missingParameter.errorf("The request must contain the parameter SourceArn.")
	}
	return s.locked(func(now time.Time) error {
		q := s.queueByARN(arn)
		if q == nil {
			return resourceNotFound.errorf("The resource that you specified for the SourceArn parameter doesn't exist.")
		}
		q.settle(now)
		return change(q, now)
	})
}

// schedule lets the next message move when the rate allows it.
func (s *Service) schedule(task *moveTask) {
	rate := maxMoveRate
	if task.rate != nil {
		rate = *task.rate
	}
	time.AfterFunc(time.Second/time.Duration(rate), func() {
		_ = s.locked(func(now time.Time) error {
			if task.status == taskRunning {
				s.moveOne(task, now)
			}
			if task.status == taskRunning {
				s.schedule(task)
			}
			return nil
		})
	})
}

func (s *Service) moveOne(task *moveTask, now time.Time) {
	source := task.source
	source.settle(now)
	front := source.visible.Front()
	if front == nil || task.moved >= task.toMove {
		task.status = taskCompleted
		return
	}
	m := front.Value.(*message)
	arn := task.destination
	if arn == "" {
		arn = m.sourceARN
	}
	destination := s.queueByARN(arn)
	switch {
	case arn == "":
		task.status, task.reason = taskFailed, "CouldNotDetermineMessageSource"
	case destination == nil, s.queues[source.name] != source:
		task.status, task.reason = taskFailed, "AWS.SimpleQueueService.NonExistentQueue"
	default:
		source.remove(m)
		s.enqueue(destination, m.content, now, 0)
		s.touch(destination)
		task.moved++
		if task.moved == task.toMove {
			task.status = taskCompleted
		}
	}
}

type moveTaskResult struct {
	TaskHandle       string `json:"TaskHandle,omitempty"`
	Status           string `json:"Status"`
	SourceARN        string `json:"SourceArn"`
	DestinationARN   string `json:"DestinationArn,omitempty"`
	Rate             *int   `json:"MaxNumberOfMessagesPerSecond,omitempty"`
	Moved            int    `json:"ApproximateNumberOfMessagesMoved"`
	ToMove           int    `json:"ApproximateNumberOfMessagesToMove"`
	FailureReason    string `json:"FailureReason,omitempty"`
	StartedTimestamp int64  `json:"StartedTimestamp"`
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListMessageMoveTasks.html
func (s *Service) listMessageMoveTasks(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		SourceARN  string `json:"SourceArn"`
		MaxResults *int   `json:"MaxResults"`
	}](call)
	if err != nil {
		return nil, err
	}
	limit := 1
	if input.MaxResults != nil {
		limit = *input.MaxResults
		if limit < 1 || limit > maxMoveTasks {
			return nil, invalidParameterValue.errorf("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", limit, maxMoveTasks)
		}
	}
	output := struct {
		Results []moveTaskResult `json:"Results"`
	}{Results: []moveTaskResult{}}
	err = s.onTaskSource(input.SourceARN, func(q *queue, _ time.Time) error {
		for _, task := range q.tasks[:min(len(q.tasks), limit)] {
			result := moveTaskResult{
				Status:           task.status,
				SourceARN:        input.SourceARN,
				DestinationARN:   task.destination,
				Rate:             task.rate,
				Moved:            task.moved,
				ToMove:           task.toMove,
				FailureReason:    task.reason,
				StartedTimestamp: task.startedAt.UnixMilli(),
			}
			if task.status == taskRunning {
				result.TaskHandle = task.handle
			}
			output.Results = append(output.Results, result)
		}
		return nil
	})
	return output, err
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CancelMessageMoveTask.html
func (s *Service) cancelMessageMoveTask(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		TaskHandle string `json:"TaskHandle"`
	}](call)
	if err != nil {
		return nil, err
	}
	if input.TaskHandle == "" {
		return nil, missingParameter.errorf("The request must contain the parameter TaskHandle.")
	}
	var moved int
	err = s.locked(func(time.Time) error {
		task := s.taskByHandle(input.TaskHandle)
		if task == nil {
			return resourceNotFound.errorf("Task does not exist.")
		}
		if task.status != taskRunning {
			return unsupportedOperation.errorf("Only a running task can be cancelled; this one is %s.", task.status)
		}
		task.status, moved = taskCancelled, task.moved
		return nil
	})
	return map[string]int{"ApproximateNumberOfMessagesMoved": moved}, err
}

// taskByHandle returns nil when no queue has such a task.
func (s *Service) taskByHandle(handle string) *moveTask {
	for _, q := range s.queues {
		for _, task := range q.tasks {
			if task.handle == handle {
				return task
			}
		}
	}
	return nil
}
