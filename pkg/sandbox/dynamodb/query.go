package dynamodb

import (
	"fmt"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

type queryInput struct {
	pageInput
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

func (s *Service) query(input *queryInput, call awsjson.Call) (*pageOutput, error) {
	if input.KeyConditionExpression == nil {
		return nil, attribute.Invalidf("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	placeholders, err := input.placeholders()
	if err != nil {
		return nil, err
	}
	condition, err := expression.ParseCondition(expression.KeyConditionExpression, *input.KeyConditionExpression, placeholders)
	if err != nil {
		return nil, err
	}
	p := &page{input: &input.pageInput, backward: input.ScanIndexForward != nil && !*input.ScanIndexForward}
	if err := p.parse(placeholders); err != nil {
		return nil, err
	}
	if err := placeholders.Unused(true); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.resolve(s, call.Fault.Lag); err != nil {
		return nil, err
	}
	key, err := condition.KeyCondition(p.schema().partition.name, p.schema().sort.name)
	if err != nil {
		return nil, err
	}
	for _, a := range p.schema().attributes() {
		if p.filter != nil && p.filter.Mentions(a.name) {
			return nil, attribute.Invalidf("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", a.name)
		}
	}
	if p.window, err = p.schema().window(key); err != nil {
		return nil, err
	}
	return p.read()
}

// window returns the rows that a key condition asks for.
func (k keySchema) window(key *expression.KeyCondition) (window, error) {
	partition, err := k.partition.sortable(key.Partition)
	if err != nil || key.Sort == nil {
		return partitionWindow(partition), err
	}
	sorts := make([]string, len(key.Sort.Values))
	for i, value := range key.Sort.Values {
		if sorts[i], err = k.sort.sortable(value); err != nil {
			return window{}, err
		}
	}
	return sortWindow(partition, key.Sort.Operator, sorts), nil
}

// sortable returns the sortable form of a value that the key attribute is compared with.
func (a keyAttribute) sortable(value attribute.Value) (string, error) {
	if attribute.TypeOf(value) != a.typeName {
		return "", attribute.Invalidf("One or more parameter values were invalid: Condition parameter type does not match schema type")
	}
	key, _ := attribute.Sortable(value)
	return key, a.checkEmpty(value)
}

// scanInput is a scan of a whole table or index; parallel scans are not supported.
type scanInput struct {
	pageInput
	Segment, TotalSegments *unsupported
}

func (s *Service) scan(input *scanInput, call awsjson.Call) (*pageOutput, error) {
	placeholders, err := input.placeholders()
	if err != nil {
		return nil, err
	}
	p := &page{input: &input.pageInput, window: wholeWindow}
	if err := p.parse(placeholders); err != nil {
		return nil, err
	}
	if err := placeholders.Unused(p.filter != nil || p.projection != nil); err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := p.resolve(s, call.Fault.Lag); err != nil {
		return nil, err
	}
	return p.read()
}

// maxPage is the maximum size in bytes of the items that one page evaluates.
const maxPage = 1 << 20

// pageInput holds the common parameters of Query and Scan.
type pageInput struct {
	placeholderMembers
	legacyMembers
	TableName            string
	IndexName            *string
	FilterExpression     *string
	ProjectionExpression *string
	ConsistentRead       bool
	Limit                *int
	ExclusiveStartKey    attribute.Item
	Select               string
}

type pageOutput struct {
	Items            *[]attribute.Item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey attribute.Item `json:",omitempty"`
}

// page is a query or scan on its way.
type page struct {
	input      *pageInput
	filter     *expression.Condition
	projection expression.Projection
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
	return nil
}

// resolve finds the table and the index, and their rows as a read with this lag sees
// them.
func (p *page) resolve(s *Service, lag time.Duration) (err error) {
	now := s.config.Now()
	if p.table, err = s.table(p.input.TableName); err != nil {
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
	if p.input.ConsistentRead {
		return attribute.Invalidf("Consistent reads are not supported on global secondary indexes")
	}
	p.index.catchUp(now)
	p.rows = p.index.history.asOf(now.Add(-lag), p.index.rows)
	return nil
}

// schema returns the key in whose order the page reads.
func (p *page) schema() keySchema {
	if p.index != nil {
		return p.index.schema
	}
	return p.table.schema
}

// startPlace returns the place of the ExclusiveStartKey.
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

// lastKey returns what a page that ends at an item returns to go on from.
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
