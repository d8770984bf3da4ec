package dynamodb

import (
	"fmt"
	"maps"
	"slices"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Limits of batches.
const (
	maxBatchWrites = 25
	maxBatchBytes  = 16 << 20
)

var errDuplicateKeys = attribute.Invalidf("Provided list of item keys contains duplicates")

// spared reports whether a Partial fault spares an entry of a batch. Without a choice it
// spares the first, so that a caller that retries makes progress.
func spared(call awsjson.Call, entry int) bool { return !call.Fault.AppliesTo(entry + 1) }

type batchWriteInput struct {
	RequestItems map[string][]*batchWrite
}

type batchWrite struct {
	PutRequest    *batchPut    `json:",omitempty"`
	DeleteRequest *batchDelete `json:",omitempty"`
}

type batchPut struct{ Item attribute.Item }

type batchDelete struct{ Key attribute.Item }

type batchWriteOutput struct {
	UnprocessedItems map[string][]*batchWrite
}

func (w *batchWrite) write() (*write, error) {
	switch {
	case w == nil || (w.PutRequest == nil) == (w.DeleteRequest == nil):
		return nil, attribute.Invalidf("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	case w.PutRequest != nil:
		return &write{kind: put, input: &writeInput{Item: w.PutRequest.Item}}, nil
	default:
		return &write{kind: deletion, input: &writeInput{Key: w.DeleteRequest.Key}}, nil
	}
}

func (s *Service) batchWriteItem(input *batchWriteInput, call awsjson.Call) (*batchWriteOutput, error) {
	total := 0
	for _, writes := range input.RequestItems {
		total += len(writes)
	}
	if total == 0 || total > maxBatchWrites {
		return nil, constraint(fmt.Sprintf("{%d requests}", total), "requestItems", "Map value must satisfy constraint: "+
			"[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	var plans []*plan
	var writes []*batchWrite
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(input.RequestItems)) {
		t, err := s.table(name)
		if err != nil {
			return nil, err
		}
		seen := map[place]bool{}
		for _, entry := range input.RequestItems[name] {
			p, err := entry.on(t)
			if err != nil {
				return nil, err
			}
			if seen[p.place] {
				return nil, errDuplicateKeys
			}
			seen[p.place] = true
			p.write.input.TableName = name
			bytes += p.new.Size()
			plans, writes = append(plans, p), append(writes, entry)
		}
	}
	if bytes > maxBatchBytes {
		return nil, attribute.Invalidf("The batch exceeds the maximum size of 16 MB")
	}

	output := &batchWriteOutput{UnprocessedItems: map[string][]*batchWrite{}}
	done := 0
	throttled := error(throughputExceeded())
	for i, p := range plans {
		err := s.take(p, now)
		if err != nil {
			throttled = err
		}
		if err != nil || !spared(call, i) {
			name := p.write.input.TableName
			output.UnprocessedItems[name] = append(output.UnprocessedItems[name], writes[i])
			continue
		}
		p.commit(now)
		done++
	}
	if done == 0 {
		return nil, throttled // a batch of which nothing is done fails
	}
	return output, nil
}

// on plans an entry of a batch.
func (w *batchWrite) on(t *table) (*plan, error) {
	write, err := w.write()
	if err != nil {
		return nil, err
	}
	p, err := write.on(t)
	if err != nil {
		return nil, err
	}
	return p, p.prepare()
}
