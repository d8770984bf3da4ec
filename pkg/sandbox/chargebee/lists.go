package chargebee

import (
	"cmp"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
)

const (
	defaultPerPage = 10
	maxPerPage     = 100
)

var (
	// listedBy has the attributes by which lists are filtered, with [is].
	listedBy = map[string]func(*Invoice) string{
		"id":              func(i *Invoice) string { return i.ID },
		"subscription_id": func(i *Invoice) string { return i.SubscriptionID },
		"customer_id":     func(i *Invoice) string { return i.CustomerID },
		"status":          func(i *Invoice) string { return i.Status },
	}
	// sortedBy has the attributes by which lists are sorted. The default is the order of
	// creation: Chargebee sorts by created_at, ascending.
	//
	// https://apidocs.chargebee.com/docs/api/list-ops
	sortedBy = map[string]func(*Invoice) int64{
		"":           func(*Invoice) int64 { return 0 },
		"date":       func(i *Invoice) int64 { return i.Date },
		"updated_at": func(i *Invoice) int64 { return i.UpdatedAt },
	}

	listParameters = parameters{
		{name: "limit", kind: integer, min: 1, max: maxPerPage},
		{name: "offset", kind: text, max: 1000},
		{name: "sort_by[asc]", kind: text, max: maxID},
		{name: "id[is]", kind: text, max: 100},
		{name: "subscription_id[is]", kind: text, max: 100},
		{name: "customer_id[is]", kind: text, max: 100},
		{name: "status[is]", kind: text, max: 100},
		timestamp("updated_at[after]"),
		{name: "include_deleted", kind: boolean},
	}
)

// passes reports whether an invoice is part of the list that the fields describe.
func (f fields) passes(invoice *Invoice) bool {
	for name, read := range listedBy {
		if f.has(name+"[is]") && f.text(name+"[is]") != read(invoice) {
			return false
		}
	}
	if f.has("updated_at[after]") && invoice.UpdatedAt <= f.integer("updated_at[after]", 0) {
		return false
	}
	return !invoice.Deleted || f.boolean("include_deleted")
}

// entry is one invoice of a list.
type entry struct {
	invoice *Invoice
	place   place
}

// place is the position of an invoice in a sorted list.
type place struct {
	value    int64 // of the attribute that is sorted by
	sequence int   // of creation, among equals
}

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.value, other.value), cmp.Compare(p.sequence, other.sequence))
}

// String returns the place as an offset, in the form that Chargebee's offsets have.
func (p place) String() string {
	return `["` + strconv.FormatInt(p.value, 10) + `","` + strconv.Itoa(p.sequence) + `"]`
}

// startOf returns the place behind which a page begins. It is a place in the order and not a
// count, so that what changes between two pages is neither skipped nor shown twice, except that
// what is sorted by a time that moved comes up again.
func startOf(fields fields) (place, error) {
	if !fields.has("offset") {
		return place{value: math.MinInt64}, nil
	}
	var parts [2]json.Number
	err := json.Unmarshal([]byte(fields.text("offset")), &parts)
	value, errValue := parts[0].Int64()
	sequence, errSequence := parts[1].Int64()
	if errors.Join(err, errValue, errSequence) != nil {
		return place{}, wrongValue("offset", "should be a next_offset of an earlier answer")
	}
	return place{value, int(sequence)}, nil
}

// listAnswer is one page of invoices. NextOffset is absent on the last one.
type listAnswer struct {
	List       []invoiceAnswer `json:"list"`
	NextOffset string          `json:"next_offset,omitempty"`
}

// list returns GET /invoices.
//
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *Service) list(call *call, fields fields) (any, error) {
	sortValue, known := sortedBy[fields.text("sort_by[asc]")]
	if !known {
		return nil, wrongValue("sort_by[asc]", "should be date or updated_at")
	}
	start, err := startOf(fields)
	if err != nil {
		return nil, err
	}
	page := s.entries(call, fields, sortValue, start)
	answer := listAnswer{List: []invoiceAnswer{}}
	if limit := int(fields.integer("limit", defaultPerPage)); len(page) > limit {
		page = page[:limit]
		answer.NextOffset = page[limit-1].place.String()
	}
	for _, one := range page {
		answer.List = append(answer.List, s.show(s.inSchema(call, *one.invoice), s.listedPage()))
	}
	return answer, nil
}

// entries returns the invoices of a list behind start, sorted.
func (s *Service) entries(call *call, fields fields, sortValue func(*Invoice) int64, start place) []entry {
	s.enter()
	defer s.mu.Unlock()
	var entries []entry
	for record, invoice := range s.seen(call) {
		at := place{sortValue(invoice), record.sequence}
		if fields.passes(invoice) && at.compare(start) > 0 {
			entries = append(entries, entry{invoice, at})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.place.compare(b.place) })
	return entries
}
