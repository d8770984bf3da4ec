package chargebee

import (
	"encoding/json"
	"slices"
	"time"
)

// How far back the site knows its events.
//
// https://apidocs.chargebee.com/docs/api/events
const (
	eventsKept      = 90 * 24 * time.Hour // a single one
	statusesCovered = 6 * 24 * time.Hour  // a list by webhook_status that gives no occurred_at
)

var (
	// eventIndex is what lists of events can be filtered and sorted by.
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

// listEvents is GET /events. What the site does not record (see
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

// filters tells whether a list is filtered by a field.
func filters(fields fields, field string) bool {
	return slices.ContainsFunc([]string{"is", "is_not", "in", "not_in", "after", "before", "on", "between"}, func(operator string) bool {
		return fields.has(field + "[" + operator + "]")
	})
}

// seenAt tells whether an event had occurred by a moment.
func (e *event) seenAt(moment time.Time) bool { return !e.OccurredAt.After(moment) }

// retrieveEvent is GET /events/{id}.
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
