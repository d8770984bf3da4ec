package chargebee

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
)

const (
	defaultInvoicesPerPage = 10
	maxInvoicesPerPage     = 100
	secondsPerDay          = 24 * 60 * 60
)

// listed are the fields that a list can be filtered by.
var (
	listedTexts = map[string]func(*Invoice) string{
		"id":              func(i *Invoice) string { return i.ID },
		"subscription_id": func(i *Invoice) string { return i.SubscriptionID },
		"customer_id":     func(i *Invoice) string { return i.CustomerID },
		"status":          func(i *Invoice) string { return i.Status },
	}
	listedTimes = map[string]func(*Invoice) int64{
		"date":       func(i *Invoice) int64 { return i.Date },
		"updated_at": func(i *Invoice) int64 { return i.UpdatedAt },
	}
	listParameters = slices.Concat(pageParameters, filterParameters())

	pageParameters = parameters{
		{name: "limit", kind: integer, min: 1, max: maxInvoicesPerPage},
		{name: "offset", kind: text, max: 1000},
		{name: "include_deleted", kind: boolean},
		{name: "sort_by[asc]", kind: text, max: maxID},
		{name: "sort_by[desc]", kind: text, max: maxID},
	}
)

func filterParameters() parameters {
	var made parameters
	for name := range listedTexts {
		made = append(made,
			parameter{name: name + "[is]", kind: text, max: 100},
			parameter{name: name + "[is_not]", kind: text, max: 100},
			parameter{name: name + "[in]", kind: texts},
			parameter{name: name + "[not_in]", kind: texts})
	}
	for name := range listedTimes {
		made = append(made,
			timestamp(name+"[after]"),
			timestamp(name+"[before]"),
			timestamp(name+"[on]"),
			parameter{name: name + "[between]", kind: moments})
	}
	return made
}

// listAnswer is one page of invoices. NextOffset is absent on the last one.
type listAnswer struct {
	List       []invoiceAnswer `json:"list"`
	NextOffset string          `json:"next_offset,omitempty"`
}

// list is GET /invoices. A page begins behind the last invoice of the page
// before, by its place in the order and not by a count: what changes between
// two pages is neither skipped nor shown twice, except that an invoice sorted
// by updated_at comes up again when it is changed.
//
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *Service) list(_ *call, fields fields) (any, error) {
	sorting, err := readSorting(fields)
	if err != nil {
		return nil, err
	}
	start, resumed, err := readPlace(fields)
	if err != nil {
		return nil, err
	}

	type placed struct {
		place
		invoice Invoice
	}
	var found []placed
	s.mu.Lock()
	for _, record := range s.order {
		at := place{sorting.value(&record.invoice), record.sequence}
		if listed(&record.invoice, fields) && (!resumed || sorting.compare(at, start) > 0) {
			found = append(found, placed{at, record.invoice})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(found, func(a, b placed) int { return sorting.compare(a.place, b.place) })

	limit := int(fields.integer("limit", defaultInvoicesPerPage))
	answer := listAnswer{List: []invoiceAnswer{}}
	for _, one := range found[:min(limit, len(found))] {
		answer.List = append(answer.List, s.show(one.invoice, linePage{}))
	}
	if len(found) > limit {
		answer.NextOffset = found[limit-1].String()
	}
	return answer, nil
}

// listed tells whether an invoice passes all filters.
func listed(invoice *Invoice, fields fields) bool {
	if invoice.Deleted && !fields.boolean("include_deleted") {
		return false
	}
	for name, read := range listedTexts {
		value := read(invoice)
		if !matches(fields, name+"[is]", value) ||
			fields.has(name+"[is_not]") && fields.text(name+"[is_not]") == value ||
			fields.has(name+"[in]") && !slices.Contains(fields.texts(name+"[in]"), value) ||
			fields.has(name+"[not_in]") && slices.Contains(fields.texts(name+"[not_in]"), value) {
			return false
		}
	}
	for name, read := range listedTimes {
		value := read(invoice)
		day := fields.integer(name+"[on]", value)
		between := [2]int64{value, value}
		if fields.has(name + "[between]") {
			between = fields.moments(name + "[between]")
		}
		if value <= fields.integer(name+"[after]", value-1) ||
			value >= fields.integer(name+"[before]", value+1) ||
			value/secondsPerDay != day/secondsPerDay ||
			value < between[0] || value > between[1] {
			return false
		}
	}
	return true
}

// sorting is the order of a list: by default the newest invoices first.
type sorting struct {
	value      func(*Invoice) int64
	descending bool
}

func readSorting(fields fields) (sorting, error) {
	by, param, descending := "date", "", true
	switch {
	case fields.has("sort_by[asc]") && fields.has("sort_by[desc]"):
		return sorting{}, wrongValue("sort_by[desc]", "cannot be given together with sort_by[asc]")
	case fields.has("sort_by[asc]"):
		param, descending = "sort_by[asc]", false
		by = fields.text(param)
	case fields.has("sort_by[desc]"):
		param = "sort_by[desc]"
		by = fields.text(param)
	}
	value, ok := listedTimes[by]
	if !ok {
		return sorting{}, wrongValue(param, "should be date or updated_at")
	}
	return sorting{value, descending}, nil
}

func (s sorting) compare(a, b place) int {
	order := cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.sequence, b.sequence))
	if s.descending {
		return -order
	}
	return order
}

// place is where an invoice stands in a sorted list.
type place struct {
	value    int64 // of the field that is sorted by
	sequence int   // of creation, among equals
}

// String is the place as an offset, in the form that Chargebee's offsets have.
func (p place) String() string {
	return `["` + strconv.FormatInt(p.value, 10) + `","` + strconv.Itoa(p.sequence) + `"]`
}

func readPlace(fields fields) (at place, given bool, err error) {
	if !fields.has("offset") {
		return place{}, false, nil
	}
	wrong := wrongValue("offset", "should be a next_offset of an earlier answer")
	var parts []string
	if err := json.Unmarshal([]byte(fields.text("offset")), &parts); err != nil || len(parts) != 2 {
		return place{}, false, wrong
	}
	if at.value, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return place{}, false, wrong
	}
	if at.sequence, err = strconv.Atoi(parts[1]); err != nil {
		return place{}, false, wrong
	}
	return at, true, nil
}
