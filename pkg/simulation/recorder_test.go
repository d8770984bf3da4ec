package simulation_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// recorder records what happens from outside the product. The invariant checks use it.
type recorder struct {
	env *env

	mu           sync.Mutex
	events       map[string]int64 // billable events, by id; see recordWritten
	invoices     []invoiceRecord  // in the order of their creation
	edits        []subscriptionEdit
	removed      map[string]string   // subscription of the line that was removed from a draft, by draft
	sent         []time.Time         // calls of consumers to Chargebee
	reads        map[podDraft]int64  // version of a draft that a pod read last
	charged      map[string]int64    // version that the pod had read that first charged a draft, by draft; 0: none
	refused      map[podDraft]string // idempotency key of a close that was refused, until the pod writes the record
	refusals     map[string]int      // refusals of a close after which the pod wrote the record, by idempotency key
	closeRefused map[string]bool     // drafts whose close was refused, as pods received it
	sessions     int                 // that consumers reported
	rejected     int                 // sessions that rejected their message
}

// invoiceRecord is an invoice as it was created.
type invoiceRecord struct {
	renewal       int // its number in the scenario
	draft         string
	date          int64 // unix seconds
	subscriptions []string
}

// subscriptionEdit is a manual edit of the subscription of a draft.
type subscriptionEdit struct {
	draft        string
	at           time.Time
	version      int64  // of the draft with the edit
	subscription string // that the draft got
}

// podDraft is a draft and a pod that processes it.
type podDraft struct{ pod, draft string }

func newRecorder(e *env) *recorder {
	return &recorder{
		env: e, events: map[string]int64{}, removed: map[string]string{},
		reads: map[podDraft]int64{}, charged: map[string]int64{}, refused: map[podDraft]string{}, refusals: map[string]int{},
		closeRefused: map[string]bool{},
	}
}

// recordWriting records an event that is about to be written.
func (r *recorder) recordWriting(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[event] = 0
}

// recordWritten records that an event certainly has its present values from now on.
func (r *recorder) recordWritten(event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events[event] = time.Now().Unix()
}

// wasWrittenBefore reports whether an event certainly had its present values before the given time.
func (r *recorder) wasWrittenBefore(event string, at int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := r.events[event]
	return written != 0 && written < at
}

func (r *recorder) recordInvoice(invoice invoiceRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.invoices = append(r.invoices, invoice)
}

// invoice returns the first invoice that a condition holds for.
func (r *recorder) invoice(condition func(invoiceRecord) bool) (found invoiceRecord, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := slices.IndexFunc(r.invoices, condition); at >= 0 {
		return r.invoices[at], true
	}
	return invoiceRecord{}, false
}

// list returns the invoices so far.
func (r *recorder) list() []invoiceRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.invoices)
}

func (r *recorder) recordEdit(edit subscriptionEdit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.edits = append(r.edits, edit)
}

// recordRemoval records that a line of a subscription is removed from a draft. It reports whether
// it is the first one.
func (r *recorder) recordRemoval(draft, subscription string) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.removed[draft]; ok {
		return false
	}
	r.removed[draft] = subscription
	return true
}

// recordCall records a call that a pod sends to Chargebee. It checks that a draft is read before
// it is charged.
func (r *recorder) recordCall(pod string, request *http.Request) {
	draft, operation, ok := invoiceCall(request)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, time.Now())
	_, charged := r.charged[draft]
	if !ok || charged || operation != "add_charge" && operation != "add_charge_item" {
		return
	}
	version := r.reads[podDraft{pod, draft}]
	r.charged[draft] = version
	if version == 0 && !r.env.scenario.consumer.Invoice.TrustWebhook && !r.env.isInDoubt(draft) {
		r.env.violations.addf("%s charges %s, and has not read it", pod, draft)
	}
}

// invoiceCall returns the invoice and the operation of a call to Chargebee about an invoice. The
// operation of a read is empty.
func invoiceCall(request *http.Request) (id, operation string, ok bool) {
	path, ok := strings.CutPrefix(request.URL.Path, "/api/v2/invoices/")
	id, operation, _ = strings.Cut(path, "/")
	return id, operation, ok
}

// maxRefusals is the maximum number of refusals of a close under one key after which the pod wrote the
// record. The first write that is not only a heartbeat changes the key.
const maxRefusals = 2

// resourceVersion matches the version of an invoice in an answer.
var resourceVersion = regexp.MustCompile(`"resource_version":(\d+)`)

// recordAnswer records an answer of Chargebee that a pod receives.
func (r *recorder) recordAnswer(pod string, request *http.Request, status int, body []byte) {
	draft, operation, ok := invoiceCall(request)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch found := resourceVersion.FindSubmatch(body); {
	case operation == "" && status == http.StatusOK && found != nil:
		r.reads[podDraft{pod, draft}], _ = strconv.ParseInt(string(found[1]), 10, 64)
	case operation == "close" && isRefusal(status, body):
		key := request.Header.Get("chargebee-idempotency-key")
		if r.refusals[key] == maxRefusals {
			r.env.violations.addf("the close of %s is refused under a key after %d recorded refusals", draft, maxRefusals)
		}
		r.refused[podDraft{pod, draft}] = key
		r.closeRefused[draft] = true
	}
}

// recordCommit records that a pod wrote the record of a draft.
func (r *recorder) recordCommit(pod, draft string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key, ok := r.refused[podDraft{pod, draft}]; ok {
		delete(r.refused, podDraft{pod, draft})
		r.refusals[key]++
	}
}

// isRefusal reports whether Chargebee refuses a call permanently. An answer that was cut is of
// unknown content, and refused credentials are not about the call.
func isRefusal(status int, body []byte) bool {
	var refusal struct {
		Code string `json:"api_error_code"`
	}
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict:
		return json.Unmarshal(body, &refusal) == nil && refusal.Code != "" && refusal.Code != chargebee.ErrSiteNotFound.Code
	default:
		return false
	}
}

// recordSession records a session from the log line of a consumer. It checks that a rejection has
// a cause.
func (r *recorder) recordSession(pod string, session logLine) {
	rejected := session.Outcome == "rejected"
	r.mu.Lock()
	r.sessions++
	if rejected {
		r.rejected++
	}
	r.mu.Unlock()
	if rejected && !r.hasCause(pod, session.InvoiceID, session.Reason) {
		r.env.violations.addf("%s rejects %s without a cause: %s", pod, session.InvoiceID, session.Reason)
	}
}

// peak returns the most calls that were sent to Chargebee within 60 seconds, and when these began.
// The limit applies to them as to the calls that arrive: the network of a scenario delays calls
// more than the jitter that the rate limiter allows for.
func (r *recorder) peak() (calls int, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.sent, time.Time.Compare)
	first := 0
	for last, at := range r.sent {
		for at.Sub(r.sent[first]) >= time.Minute {
			first++
		}
		if count := last - first + 1; count > calls {
			calls, began = count, r.sent[first]
		}
	}
	return calls, began
}
