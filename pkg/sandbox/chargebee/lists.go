package chargebee

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultPerPage = 10
	maxPerPage     = 100
	secondsPerDay  = 24 * 60 * 60
)

// index has the fields by which lists of a resource can be filtered and sorted.
type index[T any] struct {
	texts map[string]func(*T) string
	times map[string]func(*T) int64 // unix seconds
	sorts []string                  // the times that they can be sorted by
}

// parameters returns those that every list of the kind takes.
func (x index[T]) parameters() parameters {
	made := parameters{
		{name: "limit", kind: integer, min: 1, max: maxPerPage},
		{name: "offset", kind: text, max: 1000},
		{name: "sort_by[asc]", kind: text, max: maxID},
		{name: "sort_by[desc]", kind: text, max: maxID},
	}
	for _, name := range slices.Sorted(maps.Keys(x.texts)) {
		made = append(made,
			parameter{name: name + "[is]", kind: text, max: 100},
			parameter{name: name + "[in]", kind: texts})
	}
	for _, name := range slices.Sorted(maps.Keys(x.times)) {
		made = append(made,
			timestamp(name+"[after]"),
			timestamp(name+"[before]"),
			parameter{name: name + "[between]", kind: moments})
	}
	return made
}

// filter makes the test that a resource of the list has to pass.
func (x index[T]) filter(fields fields) func(*T) bool {
	var tests []func(*T) bool
	for name, read := range x.texts {
		if wanted := fields.text(name + "[is]"); wanted != "" {
			tests = append(tests, func(one *T) bool { return read(one) == wanted })
		}
		if wanted := fields.texts(name + "[in]"); wanted != nil {
			tests = append(tests, func(one *T) bool { return slices.Contains(wanted, read(one)) })
		}
	}
	for name, read := range x.times {
		if fields.has(name + "[after]") {
			tests = append(tests, func(one *T) bool { return read(one) > fields.integer(name+"[after]", 0) })
		}
		if fields.has(name + "[before]") {
			tests = append(tests, func(one *T) bool { return read(one) < fields.integer(name+"[before]", 0) })
		}
		if fields.has(name + "[between]") {
			between := fields.moments(name + "[between]")
			tests = append(tests, func(one *T) bool { return read(one) >= between[0] && read(one) <= between[1] })
		}
	}
	return func(one *T) bool {
		return !slices.ContainsFunc(tests, func(test func(*T) bool) bool { return !test(one) })
	}
}

// page takes the page that is asked for out of resources that passed the
// filter. A page begins behind the last resource of the page before, by its
// place in the order and not by a count: what changes between two pages is
// neither skipped nor shown twice, except that what is sorted by a time that
// moved comes up again. nextOffset is "" on the last page.
func (x index[T]) page(fields fields, passed []entry[T]) (page []entry[T], nextOffset string, err error) {
	sorting, err := x.sorting(fields)
	if err != nil {
		return nil, "", err
	}
	start, resumed, err := readPlace(fields)
	if err != nil {
		return nil, "", err
	}
	place := func(one entry[T]) place { return place{sorting.value(one.resource), one.sequence} }
	page = slices.DeleteFunc(passed, func(one entry[T]) bool {
		return resumed && sorting.compare(place(one), start) <= 0
	})
	slices.SortFunc(page, func(a, b entry[T]) int { return sorting.compare(place(a), place(b)) })

	limit := int(fields.integer("limit", defaultPerPage))
	if len(page) > limit {
		page = page[:limit]
		nextOffset = place(page[limit-1]).String()
	}
	return page, nextOffset, nil
}

// entry is one resource of a list.
type entry[T any] struct {
	resource *T
	sequence int // of its creation
}

// sorting is the order of a list.
type sorting[T any] struct {
	value      func(*T) int64
	descending bool
}

// sorting returns the order that a list asks for. The default is the order of
// creation: Chargebee sorts by created_at, ascending.
//
// https://apidocs.chargebee.com/docs/api/list-ops
func (x index[T]) sorting(fields fields) (sorting[T], error) {
	var by, param string
	descending := false
	switch {
	case fields.has("sort_by[asc]") && fields.has("sort_by[desc]"):
		return sorting[T]{}, wrongValue("sort_by[desc]", "cannot be given together with sort_by[asc]")
	case fields.has("sort_by[asc]"):
		param = "sort_by[asc]"
		by = fields.text(param)
	case fields.has("sort_by[desc]"):
		param, descending = "sort_by[desc]", true
		by = fields.text(param)
	default:
		return sorting[T]{value: func(*T) int64 { return 0 }}, nil
	}
	if !slices.Contains(x.sorts, by) {
		return sorting[T]{}, wrongValue(param, "should be "+strings.Join(x.sorts, " or "))
	}
	return sorting[T]{x.times[by], descending}, nil
}

func (s sorting[T]) compare(a, b place) int {
	order := cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.sequence, b.sequence))
	if s.descending {
		return -order
	}
	return order
}

// place is the position of a resource in a sorted list.
type place struct {
	value    int64 // of the field that is sorted by
	sequence int   // of creation, among equals
}

// String returns the place as an offset, in the form that Chargebee's offsets have.
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

var (
	// invoiceIndex has the fields of lists of invoices.
	invoiceIndex = index[Invoice]{
		texts: map[string]func(*Invoice) string{
			"id":              func(i *Invoice) string { return i.ID },
			"subscription_id": func(i *Invoice) string { return i.SubscriptionID },
			"customer_id":     func(i *Invoice) string { return i.CustomerID },
			"status":          func(i *Invoice) string { return i.Status },
		},
		times: map[string]func(*Invoice) int64{
			"date":       func(i *Invoice) int64 { return i.Date },
			"updated_at": func(i *Invoice) int64 { return i.UpdatedAt },
		},
		sorts: []string{"date", "updated_at"},
	}
	listParameters = append(invoiceIndex.parameters(), parameter{name: "include_deleted", kind: boolean})
)

// listAnswer is one page of invoices. NextOffset is absent on the last one.
type listAnswer struct {
	List       []invoiceAnswer `json:"list"`
	NextOffset string          `json:"next_offset,omitempty"`
}

// list returns GET /invoices.
//
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *Service) list(call *call, fields fields) (any, error) {
	passes := invoiceIndex.filter(fields)
	var passed []entry[Invoice]
	s.enter()
	for record, invoice := range s.seen(call) {
		if passes(invoice) && (!invoice.Deleted || fields.boolean("include_deleted")) {
			passed = append(passed, entry[Invoice]{invoice, record.sequence})
		}
	}
	s.mu.Unlock()

	page, nextOffset, err := invoiceIndex.page(fields, passed)
	if err != nil {
		return nil, err
	}
	answer := listAnswer{List: []invoiceAnswer{}, NextOffset: nextOffset}
	for _, one := range page {
		answer.List = append(answer.List, s.show(s.inSchema(call, *one.resource), s.listedPage()))
	}
	return answer, nil
}

// The retention of events.
//
// https://apidocs.chargebee.com/docs/api/events
const (
	eventsKept      = 90 * 24 * time.Hour // a single one
	statusesCovered = 6 * 24 * time.Hour  // a list by webhook_status that gives no occurred_at
)

var (
	// eventIndex has the fields of lists of events.
	eventIndex = index[event]{
		texts: map[string]func(*event) string{
			"id":             func(e *event) string { return e.ID },
			"event_type":     func(e *event) string { return e.Type },
			"webhook_status": func(e *event) string { return e.Status },
			"source":         func(e *event) string { return e.source },
		},
		times: map[string]func(*event) int64{
			"occurred_at": func(e *event) int64 { return e.OccurredAt.Unix() },
		},
		sorts: []string{"occurred_at"},
	}
	listEventsParameters = eventIndex.parameters()
)

// eventAnswer is {"event": …}.
type eventAnswer struct {
	Event json.RawMessage `json:"event"`
}

// eventsAnswer is one page of events. NextOffset is absent on the last one.
type eventsAnswer struct {
	List       []eventAnswer `json:"list"`
	NextOffset string        `json:"next_offset,omitempty"`
}

// listEvents returns GET /events. What the site does not record (see
// Config.Events) is not there.
//
// https://apidocs.chargebee.com/docs/api/events
func (s *Service) listEvents(call *call, fields fields) (any, error) {
	since := time.Time{}
	now := s.config.Now()
	if filters(fields, "webhook_status") && !filters(fields, "occurred_at") {
		since = now.Add(-statusesCovered)
	}
	passes := eventIndex.filter(fields)
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	var passed []entry[event]
	for _, one := range s.outbox.events {
		if !one.OccurredAt.Before(since) && one.seenAt(now.Add(-call.lag)) && passes(one) {
			passed = append(passed, entry[event]{one, one.sequence})
		}
	}
	page, nextOffset, err := eventIndex.page(fields, passed)
	if err != nil {
		return nil, err
	}
	answer := eventsAnswer{List: []eventAnswer{}, NextOffset: nextOffset}
	for _, one := range page {
		answer.List = append(answer.List, eventAnswer{one.resource.body()})
	}
	return answer, nil
}

// filters reports whether a list is filtered by a field.
func filters(fields fields, field string) bool {
	return slices.ContainsFunc([]string{"is", "in", "after", "before", "between"}, func(operator string) bool {
		return fields.has(field + "[" + operator + "]")
	})
}

// seenAt reports whether an event had occurred by a moment.
func (e *event) seenAt(moment time.Time) bool { return !e.OccurredAt.After(moment) }

// retrieveEvent returns GET /events/{id}.
//
// https://apidocs.chargebee.com/docs/api/events
func (s *Service) retrieveEvent(call *call, _ fields) (any, error) {
	now := s.config.Now()
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	found, ok := s.outbox.byID[call.eventID]
	if !ok || !found.seenAt(now.Add(-call.lag)) || now.Sub(found.OccurredAt) >= eventsKept {
		return nil, notFound(call.eventID, "")
	}
	return eventAnswer{found.body()}, nil
}
