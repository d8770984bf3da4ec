package dynamodb

import (
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

// maxPage is how many bytes of items one page looks at.
const maxPage = 1 << 20

// pageInput is what the inputs of Query and Scan have in common.
type pageInput struct {
	placeholderMembers
	legacyMembers
	TableName              string
	IndexName              *string
	FilterExpression       *string
	ProjectionExpression   *string
	ConsistentRead         bool
	Limit                  *int
	ExclusiveStartKey      attribute.Item
	Select                 string
	ReturnConsumedCapacity string
}

type pageOutput struct {
	Items            *[]attribute.Item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey attribute.Item    `json:",omitempty"`
	ConsumedCapacity *consumedCapacity `json:",omitempty"`
}

// page is a query or scan on its way.
type page struct {
	input      *pageInput
	filter     expression.Condition
	projection *expression.Projection
	table      *table
	index      *index // nil: the table itself
	rows       rows   // of the one or the other, as this read sees them
	window     window
	backward   bool
}

// parse reads the expressions that queries and scans share.
func (p *page) parse(placeholders *expression.Placeholders) (err error) {
	if p.input.FilterExpression != nil {
		p.filter, err = expression.ParseCondition(expression.FilterExpression, *p.input.FilterExpression, placeholders)
		if err != nil {
			return err
		}
	}
	if p.input.ProjectionExpression != nil {
		p.projection, err = expression.ParseProjection(*p.input.ProjectionExpression, placeholders)
		if err != nil {
			return err
		}
	}
	if p.input.Limit != nil && *p.input.Limit < 1 {
		return constraint(fmt.Sprint(*p.input.Limit), "limit", "Member must have value greater than or equal to 1")
	}
	return p.checkSelect()
}

func (p *page) checkSelect() error {
	switch chosen := p.input.Select; chosen {
	case "", "SPECIFIC_ATTRIBUTES":
		if chosen != "" && p.projection == nil {
			return attribute.Invalidf("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		}
	case "ALL_PROJECTED_ATTRIBUTES":
		if p.input.IndexName == nil {
			return attribute.Invalidf("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
		}
		fallthrough
	case "ALL_ATTRIBUTES":
		if p.projection != nil {
			return attribute.Invalidf("Cannot specify the ProjectionExpression when choosing to get %s", chosen)
		}
	case "COUNT":
		if p.projection != nil {
			return attribute.Invalidf("Cannot specify the ProjectionExpression when choosing to get only the Count")
		}
	default:
		return constraint(chosen, "select",
			"Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]")
	}
	return nil
}

// resolve finds the table and the index, and their rows as a read with this lag sees
// them.
func (p *page) resolve(s *Service, lag time.Duration) (err error) {
	now := s.config.Now()
	if p.table, err = s.table(p.input.TableName, now); err != nil {
		return err
	}
	if p.input.IndexName == nil {
		p.rows = p.table.asOf(now, lag, p.input.ConsistentRead)
		return nil
	}
	var ok bool
	if p.index, ok = p.table.index(*p.input.IndexName); !ok {
		return attribute.Invalidf("The table does not have the specified index: %s", *p.input.IndexName)
	}
	if p.index.usable.After(now) {
		return attribute.Invalidf("Cannot read from backfilling global secondary index: %s", p.index.name)
	}
	if p.input.ConsistentRead {
		return attribute.Invalidf("Consistent reads are not supported on global secondary indexes")
	}
	if p.input.Select == "ALL_ATTRIBUTES" && p.index.projection.Type != projectAll {
		return attribute.Invalidf("One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported "+
			"for global secondary index %s because its projection type is not ALL", p.index.name)
	}
	if p.projection != nil {
		if err := p.index.checkProjected(p.projection.Paths); err != nil {
			return err
		}
	}
	p.index.catchUp(now)
	p.rows = p.index.history.asOf(now.Add(-lag), p.index.rows)
	return nil
}

// schema is the key in whose order the page reads.
func (p *page) schema() keySchema {
	if p.index != nil {
		return p.index.schema
	}
	return p.table.schema
}

// startPlace is the place of the ExclusiveStartKey.
func (p *page) startPlace() (place, error) {
	key := p.input.ExclusiveStartKey
	invalid := attribute.Invalidf("The provided starting key is invalid")
	if len(key) != len(p.lastKey(key)) {
		return place{}, invalid
	}
	own, ok := p.table.schema.place(key)
	if !ok {
		return place{}, invalid
	}
	if p.index == nil {
		return own, nil
	}
	at, ok := p.index.schema.place(key)
	if !ok {
		return place{}, invalid
	}
	at.tablePartition, at.tableSort = own.partition, own.sort
	return at, nil
}

// lastKey is what a page that ends at an item returns to go on from.
func (p *page) lastKey(item attribute.Item) attribute.Item {
	key := attribute.Item{}
	for _, schema := range []keySchema{p.table.schema, p.schema()} {
		for _, a := range schema.attributes() {
			key[a.name] = item[a.name]
		}
	}
	return key
}

// read reads one page: up to Limit items or 1 MB, of which the filter leaves
// some.
func (p *page) read() (*pageOutput, error) {
	if len(p.input.ExclusiveStartKey) > 0 {
		start, err := p.startPlace()
		if err != nil {
			return nil, err
		}
		if !p.window.contains(start) {
			return nil, attribute.Invalidf("The provided starting key is outside query boundaries based on provided conditions")
		}
		if p.backward {
			p.window.to = start.gap(wholeKey, -1)
		} else {
			p.window.from = start.gap(wholeKey, 1)
		}
	}
	output := &pageOutput{}
	items := []attribute.Item{}
	bytes := 0
	var last *row
	p.walk(func(r *row) bool {
		full := p.input.Limit != nil && output.ScannedCount == *p.input.Limit
		if full || last != nil && bytes+r.size > maxPage {
			output.LastEvaluatedKey = p.lastKey(last.item)
			return false
		}
		last = r
		bytes += r.size
		output.ScannedCount++
		if p.filter == nil || p.filter.Holds(r.item) {
			output.Count++
			items = append(items, p.projection.Of(r.item))
		}
		return true
	})
	// A page that the limit has ended does not look whether there is more.
	if last != nil && p.input.Limit != nil && output.ScannedCount == *p.input.Limit {
		output.LastEvaluatedKey = p.lastKey(last.item)
	}
	if p.input.Select != "COUNT" {
		output.Items = &items
	}
	output.ConsumedCapacity = consumed(p.input.ReturnConsumedCapacity, p.table.name, readCost(bytes, p.input.ConsistentRead))
	return output, nil
}

func (p *page) walk(visit func(*row) bool) {
	from, to := &row{place: p.window.from}, &row{place: p.window.to}
	if p.backward {
		p.rows.DescendRange(to, from, visit)
		return
	}
	p.rows.AscendRange(from, to, visit)
}
