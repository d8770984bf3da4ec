package chargebee

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// The events that occur here.
const (
	EventPendingInvoiceCreated = "pending_invoice_created"
	EventPendingInvoiceUpdated = "pending_invoice_updated"
	EventInvoiceGenerated      = "invoice_generated"
	EventInvoiceUpdated        = "invoice_updated"
	EventInvoiceDeleted        = "invoice_deleted"
)

// The states of an event's webhook.
const (
	WebhookNotConfigured = "not_configured" // not sent: its type is not enabled
	WebhookScheduled     = "scheduled"      // not sent yet
	WebhookReScheduled   = "re_scheduled"   // failed, and to be sent again
	WebhookSucceeded     = "succeeded"
	WebhookFailed        = "failed" // for good
)

// Event is an event and the state of its webhook.
type Event struct {
	ID         string
	Type       string
	InvoiceID  string
	OccurredAt time.Time
	Status     string    // one of the Webhook… constants
	Attempts   []Attempt // to deliver it, resends and duplicates included
}

// Attempt is one delivery of a webhook.
type Attempt struct {
	At      time.Time // when it was sent
	Status  int       // the endpoint's answer; 0: none
	Problem string    // why there was none
}

// event is the site's record of an Event.
type event struct {
	Event
	source     string
	apiVersion string
	content    json.RawMessage // the invoice as it was then
	bare       bool            // the webhook has no optional attributes
	webhookID  string
	attempts   int // that were part of the schedule
}

// eventBody is the body of a webhook. In real ones, too, event_type comes after
// content.
type eventBody struct {
	ID            string         `json:"id"`
	OccurredAt    int64          `json:"occurred_at"`
	Source        string         `json:"source"`
	Object        string         `json:"object"`
	APIVersion    string         `json:"api_version"`
	Content       eventContent   `json:"content"`
	EventType     string         `json:"event_type"`
	WebhookStatus string         `json:"webhook_status"`
	Webhooks      []eventWebhook `json:"webhooks,omitempty"`
}

type eventContent struct {
	Invoice json.RawMessage `json:"invoice"`
}

type eventWebhook struct {
	ID            string `json:"id"`
	WebhookStatus string `json:"webhook_status"`
	Object        string `json:"object"`
}

// bareBody is the body of a webhook without optional attributes.
type bareBody struct {
	ID        string       `json:"id"`
	Content   eventContent `json:"content"`
	EventType string       `json:"event_type"`
}

// webhook returns the body of the webhook if it were sent now. It has no webhooks as long as
// nothing was sent; afterwards they have the status of the last attempt, so that the bytes can
// differ between attempts.
func (e *event) webhook() []byte {
	if e.bare {
		return encode(bareBody{
			ID:        e.ID,
			Content:   eventContent{encode(map[string]string{"id": e.InvoiceID})},
			EventType: e.Type,
		})
	}
	body := eventBody{
		ID:            e.ID,
		OccurredAt:    e.OccurredAt.Unix(),
		Source:        e.source,
		Object:        "event",
		APIVersion:    e.apiVersion,
		Content:       eventContent{e.content},
		EventType:     e.Type,
		WebhookStatus: e.Status,
	}
	if len(e.Attempts) > 0 {
		body.Webhooks = []eventWebhook{{ID: e.webhookID, WebhookStatus: e.Status, Object: "webhook"}}
	}
	return encode(body)
}

// encode returns a value as JSON.
func encode(value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic("chargebee: value cannot be encoded: " + err.Error())
	}
	return encoded
}

// cause is the cause of an event.
type cause struct {
	eventType string
	source    string
}

// The sources of events.
const (
	sourceAPI       = "api"
	sourceConsole   = "admin_console"
	sourceScheduled = "scheduled_job"
)

// emit records an event and schedules its webhook, if its type is enabled.
// Others are not recorded, except the renewals. Its id defaults to a random one. The caller holds s.mu.
func (s *Service) emit(cause cause, invoice Invoice, id string) Event {
	enabled := slices.Contains(s.config.Events, cause.eventType)
	if !enabled && cause.eventType != EventPendingInvoiceCreated {
		return Event{}
	}
	emitted := &event{
		Event: Event{
			ID:         cmp.Or(id, s.newID("ev_")),
			Type:       cause.eventType,
			InvoiceID:  invoice.ID,
			OccurredAt: s.config.Now(),
			Status:     WebhookNotConfigured,
		},
		source:     cause.source,
		apiVersion: s.config.APIVersion,
		content:    encode(s.wire(s.cut(invoice, s.webhookPage()))),
		bare:       s.config.BareWebhooks,
		webhookID:  s.newID("whv2_"),
	}
	if enabled {
		emitted.Status = WebhookScheduled
	}
	return s.outbox.record(emitted)
}

// Events returns all events so far, in the order in which they occurred.
func (s *Service) Events() []Event {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	events := make([]Event, len(s.outbox.events))
	for i, event := range s.outbox.events {
		events[i] = event.snapshot()
	}
	return events
}

// Payload returns the body that an event's webhook would have if it were sent now;
// nil if there is no such event.
func (s *Service) Payload(eventID string) []byte {
	s.outbox.mu.Lock()
	defer s.outbox.mu.Unlock()
	found, ok := s.outbox.byID[eventID]
	if !ok {
		return nil
	}
	return found.webhook()
}

func (e *event) snapshot() Event {
	copied := e.Event
	copied.Attempts = slices.Clone(e.Attempts)
	return copied
}
