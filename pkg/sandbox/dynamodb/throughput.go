package dynamodb

import (
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// meter counts the write units that the partitions of a table or an index have
// taken in one second.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/throttling-key-range-limit-exceeded-mitigation.html
type meter struct {
	second int64
	taken  map[string]float64 // by partition key
}

// take takes units unless the second is used up. What begins within the limit may
// go beyond it, or an item larger than the limit could never be written.
func (m *meter) take(partition string, units float64, limit int, now time.Time) bool {
	if second := now.Unix(); second != m.second || m.taken == nil {
		m.second, m.taken = second, map[string]float64{}
	}
	if m.taken[partition] >= float64(limit) {
		return false
	}
	m.taken[partition] += units
	return true
}

// hotPartition is the error of a write for which a partition has no units left.
type hotPartition struct {
	resource string // an ARN
	reason   string
}

func (h *hotPartition) Error() string { return "no write units are left on " + h.resource }

// typed returns the error of a single write.
func (h *hotPartition) typed() *awsjson.Error {
	hot := throttled()
	hot.Fields = map[string]any{"throttlingReasons": []map[string]string{{"reason": h.reason, "resource": h.resource}}}
	return hot
}

// take takes the units that a write needs, or returns the partition that has none left.
// A table and its indexes are counted each for itself: a full index refuses the
// write to its table.
func (s *Service) take(p *plan, now time.Time) error {
	limit := s.config.PartitionWrites
	if limit == 0 {
		return nil
	}
	t := p.table
	hot := &hotPartition{resource: arn(t.name), reason: "TableWriteKeyRangeThroughputExceeded"}
	if !t.meter.take(p.place.partition, p.cost(), limit, now) {
		return hot
	}
	for _, index := range t.indexes {
		if !index.take(p, limit, now) {
			hot.resource += "/index/" + index.name
			hot.reason = "IndexWriteKeyRangeThroughputExceeded"
			return hot
		}
	}
	return nil
}

// take returns for the partitions that a write changes: none, one, or two when the item
// moves from one to the other.
func (i *index) take(p *plan, limit int, now time.Time) bool {
	before, after := i.rowOf(rowOf(p.place, p.old)), i.rowOf(rowOf(p.place, p.new))
	switch {
	case before != nil && after != nil && before.place == after.place:
		same := attribute.Equal(attribute.Map(before.item), attribute.Map(after.item))
		return same || i.meter.take(after.place.partition, writeCost(before.size, after.size), limit, now)
	case before != nil && !i.meter.take(before.place.partition, writeCost(before.size, 0), limit, now):
		return false
	case after != nil:
		return i.meter.take(after.place.partition, writeCost(0, after.size), limit, now)
	}
	return true
}

const writeUnit = 1 << 10 // bytes

// writeCost returns the price of a write, by the larger of the item before and after.
func writeCost(before, after int) float64 {
	return float64(max(1, (max(before, after)+writeUnit-1)/writeUnit))
}
