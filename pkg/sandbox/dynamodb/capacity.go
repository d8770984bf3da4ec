package dynamodb

import (
	"maps"
	"slices"
)

// consumedCapacity tells what a call has cost, in capacity units. The share of
// the indexes is not counted.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type consumedCapacity struct {
	TableName     string
	CapacityUnits float64
	Table         *units `json:",omitempty"`
}

type units struct{ CapacityUnits float64 }

// consumed makes the answer to a request's ReturnConsumedCapacity.
func consumed(asked, table string, cost float64) *consumedCapacity {
	switch asked {
	case "TOTAL":
		return &consumedCapacity{TableName: table, CapacityUnits: cost}
	case "INDEXES":
		return &consumedCapacity{TableName: table, CapacityUnits: cost, Table: &units{cost}}
	}
	return nil
}

// consumedByTable is consumed for a call on several tables.
func consumedByTable(asked string, costs map[string]float64) []*consumedCapacity {
	var all []*consumedCapacity
	for _, table := range slices.Sorted(maps.Keys(costs)) {
		if c := consumed(asked, table, costs[table]); c != nil {
			all = append(all, c)
		}
	}
	return all
}

const (
	readUnit  = 4 << 10 // bytes
	writeUnit = 1 << 10 // bytes

	// transactional is how much more a transaction costs: it is prepared and committed.
	transactional = 2
)

// readCost is the price of reading so many bytes; half if eventually consistent.
func readCost(bytes int, consistent bool) float64 {
	cost := float64(max(1, (bytes+readUnit-1)/readUnit))
	if !consistent {
		cost /= 2
	}
	return cost
}

// writeCost is the price of a write, by the larger of the item before and after.
func writeCost(before, after int) float64 {
	return float64(max(1, (max(before, after)+writeUnit-1)/writeUnit))
}
