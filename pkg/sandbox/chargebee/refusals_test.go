package chargebee_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/chargebee/chargebee-go/v3"
	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/models/invoice"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// row is one line of Chargebee's tables of errors.
type row struct {
	status     int
	kind, code string
}

var rows = []row{
	{400, "invalid_request", "invalid_request"},
	{400, "invalid_request", "param_wrong_value"},
	{400, "untyped", "configuration_incompatible"},
	{400, "invalid_request", "resource_limit_exhausted"},
	{400, "invalid_request", "resource_limit_exceeded"},
	{400, "invalid_request", "duplicate_entry"},
	{400, "payment", "payment_processing_failed"},
	{400, "payment", "payment_method_not_present"},
	{400, "payment", "payment_method_verification_failed"},
	{400, "payment", "payment_gateway_currency_incompatible"},
	{400, "payment", "payment_intent_invalid"},
	{400, "payment", "payment_intent_invalid_amount"},
	{401, "untyped", "api_authentication_failed"},
	{401, "untyped", "basic_authentication_failed"},
	{403, "operation_failed", "request_blocked"},
	{403, "untyped", "api_authorization_failed"},
	{404, "invalid_request", "resource_not_found"},
	{404, "untyped", "site_not_found"},
	{405, "invalid_request", "http_method_not_supported"},
	{409, "invalid_request", "invalid_state_for_request"},
	{422, "invalid_request", "unable_to_process_request"},
	{429, "operation_failed", "api_request_limit_exceeded"},
	{429, "operation_failed", "third_party_api_request_limit_exceeded"},
	{429, "operation_failed", "lock_timeout"},
	{500, "operation_failed", "internal_error"},
	{503, "operation_failed", "internal_temporary_error"},
	{503, "invalid_request", "db_connection_failure"},
	{503, "operation_failed", "site_not_ready"},
	{503, "operation_failed", "site_read_only_mode"},
}

// Every documented row can be injected, and reaches the real SDK as documented,
// without an effect.
func TestEveryErrorRow(t *testing.T) {
	t.Parallel()
	refuse := sandbox.FaultFunc(func(operation string) sandbox.Fault {
		if operation != "add_charge" {
			return sandbox.Fault{}
		}
		return sandbox.Fault{Kind: sandbox.Refuse}
	})
	s := newSite(t, chargebee.Config{Faults: refuse, Refusals: chargebee.Documented()})
	environment := serve(t, s)
	draft := s.renew("ada-1")
	if len(rows) != len(chargebee.Documented()) {
		t.Errorf("%d rows are documented, %d can be injected", len(rows), len(chargebee.Documented()))
	}
	for _, row := range rows {
		_, err := invoiceaction.AddCharge(draft.ID, &invoice.AddChargeRequestParams{Amount: new(int64(1)), Description: "d"}).
			Contexts(t.Context()).RequestWithEnv(environment)
		var refused *sdk.Error
		if !errors.As(err, &refused) {
			t.Errorf("%v: the SDK says %v", row, err)
			continue
		}
		if refused.HTTPStatusCode != row.status || string(refused.Type) != row.kind || refused.APIErrorCode != row.code || refused.Msg == "" {
			t.Errorf("%v: the SDK has %d %s %s %q", row, refused.HTTPStatusCode, refused.Type, refused.APIErrorCode, refused.Msg)
		}
	}
	for i, call := range s.Calls() {
		if call.Status != rows[i].status || call.Code != rows[i].code {
			t.Errorf("%v: answered %d %s", rows[i], call.Status, call.Code)
		}
	}
	if got := s.amounts(draft.ID); len(got) != 0 {
		t.Errorf("refused calls took effect: %v", got)
	}
}

// A response of a proxy is HTML, whatever its status.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 500, 502, 503, 504} {
		for _, kind := range []sandbox.Kind{sandbox.Refuse, sandbox.LoseReply} {
			page := []*chargebee.Error{chargebee.Page(status).After(3 * time.Second)}
			s := newSite(t, chargebee.Config{
				Faults: script("add_charge", sandbox.Fault{Kind: kind}), Refusals: page, LostReplies: page,
			})
			draft := s.renew("ada-1")
			answer := s.charge(draft.ID, "1", "k")
			if answer.status != status || answer.header.Get("Content-Type") != "text/html" ||
				!strings.HasPrefix(answer.raw, "<html>") || answer.header.Get("Retry-After") != "3" {
				t.Errorf("%d: %d %v %s", status, answer.status, answer.header, answer.raw)
			}
			if applied := len(s.amounts(draft.ID)) == 1; applied != (kind == sandbox.LoseReply) {
				t.Errorf("%d, kind %d: applied: %t", status, kind, applied)
			}
		}
	}
}

// Retry-After comes with the injected refusals that have one, and with crossed
// limits unless the site leaves it out.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	throttled := func(refusal *chargebee.Error) chargebee.Config {
		return chargebee.Config{
			Faults:    sandbox.FaultFunc(func(string) sandbox.Fault { return sandbox.Fault{Kind: sandbox.Throttle} }),
			Throttles: []*chargebee.Error{refusal},
		}
	}
	for _, test := range []struct {
		name   string
		config chargebee.Config
		code   string
		want   string
	}{
		{"a lock, without", throttled(chargebee.ErrLockTimeout), "lock_timeout", ""},
		{"a lock, with", throttled(chargebee.ErrLockTimeout.After(1500 * time.Millisecond)), "lock_timeout", "2"},
		{"a third party", throttled(chargebee.ErrThirdPartyLimited.After(time.Minute)), "third_party_api_request_limit_exceeded", "60"},
		{"a limit", chargebee.Config{RequestsPerMinute: 1}, "api_request_limit_exceeded", "60"},
		{"a limit, without", chargebee.Config{RequestsPerMinute: 1, NoRetryAfter: true}, "api_request_limit_exceeded", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, test.config)
			s.get("any", "")
			answer := s.get("any", "")
			if answer.status != 429 || answer.Code != test.code || answer.header.Get("Retry-After") != test.want {
				t.Errorf("%s: %d %s, Retry-After %q", test.name, answer.status, answer.Code, answer.header.Get("Retry-After"))
			}
		})
	}
}

// A fault can choose its refusal.
func TestChosenRefusal(t *testing.T) {
	t.Parallel()
	for choice := uint64(1); choice < uint64(len(rows)); choice++ {
		s := newSite(t, chargebee.Config{
			Faults:   script("retrieve", sandbox.Fault{Kind: sandbox.Refuse, Choice: choice}),
			Refusals: chargebee.Documented(),
		})
		if answer := s.get("any", ""); answer.Code != rows[choice].code {
			t.Errorf("choice %d: %s", choice, answer.Code)
		}
	}
}

// A site that stores errors replays an injected one under its key, unless it
// came from before the keys; any other site forgets it.
func TestStoredRefusals(t *testing.T) {
	t.Parallel()
	beforeKeys := map[string]bool{
		"api_authentication_failed": true, "basic_authentication_failed": true, "request_blocked": true,
		"api_authorization_failed": true, "site_not_found": true, "api_request_limit_exceeded": true,
		"site_not_ready": true, "site_read_only_mode": true,
	}
	for _, stores := range []bool{false, true} {
		for i, refusal := range append(chargebee.Documented(), chargebee.Page(502), chargebee.Page(200)) {
			s := newSite(t, chargebee.Config{
				Faults:   script("add_charge", sandbox.Fault{}, sandbox.Fault{Kind: sandbox.Refuse}, sandbox.Fault{}, sandbox.Fault{Kind: sandbox.Refuse}),
				Refusals: []*chargebee.Error{refusal}, StoreErrors: stores,
			})
			draft := s.renew("ada-1")
			s.charge(draft.ID, "1", "done")
			s.charge(draft.ID, "2", "struck")
			again := s.charge(draft.ID, "2", "struck")
			stored := stores && i < len(rows) && !beforeKeys[refusal.Code]
			if again.replayed != stored || (again.status == 200) == stored || stored && again.Code != refusal.Code {
				t.Errorf("%v, stored %t: again %d %s, replayed %t", refusal, stores, again.status, again.Code, again.replayed)
			}
			// A call that took effect is not forgotten for a refusal.
			s.charge(draft.ID, "1", "done")
			if again := s.charge(draft.ID, "1", "done"); again.status != 200 || !again.replayed {
				t.Errorf("%v, stored %t: the key of a charge that took effect: %d", refusal, stores, again.status)
			}
		}
	}
}

// A payment that fails at the close has one of three outcomes.
func TestCollection(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		collection chargebee.Collection
		code       string // of the answer
		status     string // of the invoice afterwards
	}{
		{chargebee.CollectAsConfigured, "", "payment_due"},
		{chargebee.CollectUnpaid, "", "not_paid"},
		{chargebee.CollectRefused, "payment_processing_failed", "pending"},
		{chargebee.CollectRefusedButClosed, "payment_processing_failed", "not_paid"},
	} {
		var asked []int64
		s := newSite(t, chargebee.Config{Collect: func(invoice chargebee.Invoice) chargebee.Collection {
			asked = append(asked, invoice.AmountDue)
			return test.collection
		}})
		draft := s.renew("ada-1")
		answer := s.must(request{path: "invoices/" + draft.ID + "/close"})
		if answer.Code != test.code || test.code != "" && (answer.status != 400 || answer.Type != "payment") {
			t.Errorf("%d: %s", test.collection, answer.raw)
		}
		all := s.Invoices()
		if len(all) != 1 || all[0].Status != test.status || (all[0].ID == draft.ID) != (test.status == "pending") || all[0].AmountDue != 1000 {
			t.Errorf("%d: the books have %+v", test.collection, all)
		}
		if fmt.Sprint(asked) != "[1000]" {
			t.Errorf("%d: asked for %v", test.collection, asked)
		}
	}
}
