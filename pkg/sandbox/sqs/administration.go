package sqs

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
)

const (
	deletedFor     = 60 * time.Second // before the name can be used again
	purgeLock      = 60 * time.Second // from one purge to the next
	maxListResults = 1000
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// queueReference is the input or output that is a queue URL and nothing else.
type queueReference struct {
	QueueURL string `json:"QueueUrl"`
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
func (s *Service) createQueue(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueName  string            `json:"QueueName"`
		Attributes map[string]string `json:"Attributes"`
		Tags       map[string]string `json:"tags"`
	}](call)
	if err != nil {
		return nil, err
	}
	name := input.QueueName
	if !queueName.MatchString(name) {
		return nil, invalidParameterValue.errorf("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	err = s.locked(func(now time.Time) error {
		if existing, ok := s.queues[name]; ok {
			return existing.mustHave(input.Attributes)
		}
		if at, ok := s.deleted[name]; ok && now.Sub(at) < deletedFor {
			return queueDeletedRecently.errorf("You must wait 60 seconds after deleting a queue before you can create another with the same name.")
		}
		settings, err := defaultSettings.with(input.Attributes)
		if err != nil {
			return err
		}
		if err := s.checkRedrive(name, settings.redrive); err != nil {
			return err
		}
		q := newQueue(name, s.random.Uint64())
		q.settings, q.createdAt, q.modifiedAt = settings, now, now
		maps.Copy(q.tags, input.Tags)
		s.queues[name] = q
		delete(s.deleted, name)
		return nil
	})
	return queueReference{QueueURL: s.url(name)}, err
}

// mustHave fails when an attribute has another value than the given one.
func (q *queue) mustHave(given map[string]string) error {
	changed, err := q.settings.with(given)
	if err != nil {
		return err
	}
	if !maps.Equal(changed.attributes(), q.settings.attributes()) {
		return queueNameExists.errorf("A queue already exists with the same name and a different value for an attribute.")
	}
	return nil
}

func (s *Service) getQueueURL(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueName string `json:"QueueName"`
		Owner     string `json:"QueueOwnerAWSAccountId"`
	}](call)
	if err != nil {
		return nil, err
	}
	owner := input.Owner
	if owner == "" {
		owner = s.config.AccountID
	}
	url := s.config.BaseURL + "/" + owner + "/" + input.QueueName
	err = s.locked(func(time.Time) error {
		_, err := s.queueByURL(url)
		return err
	})
	return queueReference{QueueURL: url}, err
}

// page is the part of a listing that the caller asked for.
type page struct {
	MaxResults *int   `json:"MaxResults"`
	NextToken  string `json:"NextToken"`
}

// of cuts the page out of all names. Without MaxResults there is no next page,
// however many there are.
func (p page) of(names []string) (part []string, next string, err error) {
	limit := maxListResults
	if p.MaxResults != nil {
		limit = *p.MaxResults
		if limit < 1 || limit > maxListResults {
			return nil, "", invalidParameterValue.errorf("Value %d for parameter MaxResults is invalid. Reason: Must be between 1 and %d, if provided.", limit, maxListResults)
		}
	}
	slices.Sort(names)
	if p.NextToken != "" {
		last, err := base64.URLEncoding.DecodeString(p.NextToken)
		if err != nil {
			return nil, "", invalidParameterValue.errorf("Invalid or expired next token.")
		}
		after, found := slices.BinarySearch(names, string(last))
		if found {
			after++
		}
		names = names[after:]
	}
	if len(names) <= limit {
		return names, "", nil
	}
	names = names[:limit]
	if p.MaxResults != nil {
		next = base64.URLEncoding.EncodeToString([]byte(names[limit-1]))
	}
	return names, next, nil
}

func (s *Service) urls(names []string) []string {
	urls := make([]string, 0, len(names))
	for _, name := range names {
		urls = append(urls, s.url(name))
	}
	return urls
}

func (s *Service) listQueues(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		Prefix string `json:"QueueNamePrefix"`
		page
	}](call)
	if err != nil {
		return nil, err
	}
	var output struct {
		QueueURLs []string `json:"QueueUrls,omitempty"`
		NextToken string   `json:"NextToken,omitempty"`
	}
	err = s.locked(func(time.Time) error {
		var names []string
		for name := range s.queues {
			if strings.HasPrefix(name, input.Prefix) {
				names = append(names, name)
			}
		}
		names, next, err := input.of(names)
		output.QueueURLs, output.NextToken = s.urls(names), next
		return err
	})
	return output, err
}

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html
func (s *Service) listDeadLetterSourceQueues(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string `json:"QueueUrl"`
		page
	}](call)
	if err != nil {
		return nil, err
	}
	var output struct {
		QueueURLs []string `json:"queueUrls"`
		NextToken string   `json:"NextToken,omitempty"`
	}
	err = s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		names, next, err := input.of(s.sourcesOf(q))
		output.QueueURLs, output.NextToken = s.urls(names), next
		return err
	})
	return output, err
}

// sourcesOf are the names of the queues whose dead-letter queue q is.
func (s *Service) sourcesOf(q *queue) []string {
	var names []string
	for name, source := range s.queues {
		if policy := source.settings.redrive; policy != nil && policy.TargetARN == s.arn(q.name) {
			names = append(names, name)
		}
	}
	return names
}

// deleteQueue takes effect at once; polls that wait on the queue end.
func (s *Service) deleteQueue(call awsjson.Call) (any, error) {
	input, err := decode[queueReference](call)
	if err != nil {
		return nil, err
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		delete(s.queues, q.name)
		s.deleted[q.name] = now
		q.clear()
		for front := q.waiting.Front(); front != nil; front = q.waiting.Front() {
			front.Value.(*poll).end(nil, queueDoesNotExist.errorf("The specified queue does not exist."))
		}
		return nil
	})
}

// purgeQueue takes effect at once, where AWS may take up to 60 seconds; only one
// purge is allowed in them.
func (s *Service) purgeQueue(call awsjson.Call) (any, error) {
	input, err := decode[queueReference](call)
	if err != nil {
		return nil, err
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, now time.Time) error {
		if !q.purgedAt.IsZero() && now.Sub(q.purgedAt) < purgeLock {
			return purgeQueueInProgress.errorf("Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
		}
		q.purgedAt = now
		q.clear()
		return nil
	})
}

func (s *Service) tagQueue(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string            `json:"QueueUrl"`
		Tags     map[string]string `json:"Tags"`
	}](call)
	if err != nil {
		return nil, err
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		maps.Copy(q.tags, input.Tags)
		return nil
	})
}

func (s *Service) untagQueue(call awsjson.Call) (any, error) {
	input, err := decode[struct {
		QueueURL string   `json:"QueueUrl"`
		TagKeys  []string `json:"TagKeys"`
	}](call)
	if err != nil {
		return nil, err
	}
	return nil, s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		for _, key := range input.TagKeys {
			delete(q.tags, key)
		}
		return nil
	})
}

func (s *Service) listQueueTags(call awsjson.Call) (any, error) {
	input, err := decode[queueReference](call)
	if err != nil {
		return nil, err
	}
	var output struct {
		Tags map[string]string `json:"Tags,omitempty"`
	}
	err = s.onQueue(input.QueueURL, func(q *queue, _ time.Time) error {
		output.Tags = maps.Clone(q.tags)
		return nil
	})
	return output, err
}
