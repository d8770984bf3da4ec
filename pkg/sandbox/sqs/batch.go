package sqs

import (
	"regexp"

	"github.com/billable-events/billable/pkg/sandbox"
)

const maxEntries = 10

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type batchEntry interface{ entryID() string }

// batch runs the entries of a batch call, each of which succeeds or fails by
// itself.
type batch[Result any] struct {
	ids    []string
	fault  sandbox.Fault
	output batchOutput[Result]
}

type batchOutput[Result any] struct {
	Successful []Result       `json:"Successful"`
	Failed     []batchFailure `json:"Failed"`
}

// newBatch checks what fails a batch as a whole.
func newBatch[Result any, Entry batchEntry](entries []Entry, fault sandbox.Fault) (*batch[Result], error) {
	if len(entries) == 0 {
		return nil, emptyBatchRequest.errorf("There should be at least one entry in the request.")
	}
	if len(entries) > maxEntries {
		return nil, tooManyEntries.errorf("Maximum number of entries per request are %d. You have sent %d.", maxEntries, len(entries))
	}
	b := &batch[Result]{fault: fault}
	seen := map[string]bool{}
	for _, entry := range entries {
		id := entry.entryID()
		if !entryID.MatchString(id) {
			return nil, invalidBatchEntryID.errorf("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return nil, batchEntryIDsNotDistinct.errorf("Id %s repeated.", id)
		}
		seen[id] = true
		b.ids = append(b.ids, id)
	}
	b.output = batchOutput[Result]{Successful: []Result{}, Failed: []batchFailure{}}
	return b, nil
}

// each runs do for the position of every entry.
func (b *batch[Result]) each(do func(i int) (Result, error)) {
	for i, id := range b.ids {
		if b.fault.Strikes(i) {
			b.output.Failed = append(b.output.Failed, batchFailure{ID: id, Code: "InternalError", Message: "The entry could not be processed."})
			continue
		}
		result, err := do(i)
		if err != nil {
			b.output.Failed = append(b.output.Failed, failed(id, err))
			continue
		}
		b.output.Successful = append(b.output.Successful, result)
	}
}

// batchResult is the success of an entry that has nothing more to tell.
type batchResult struct {
	ID string `json:"Id"`
}
