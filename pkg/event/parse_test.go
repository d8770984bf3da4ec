package event_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/event"
)

// invoice is a valid invoice, with members added in front.
func invoice(members string) string {
	return `{` + members + `"id":"draft_inv_1","customer_id":"c","currency_code":"EUR","status":"pending","date":1767225600,"subscription_id":"s","line_items":[]}`
}

// body is a valid event with the given invoice and members added in front.
func body(members, invoice string) string {
	return `{` + members + `"id":"ev_1","api_version":"v2","content":{"invoice":` + invoice + `},"event_type":"pending_invoice_created"}`
}

func TestParse_ReadsUsedFields(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/pending_invoice_created.json")
	if err != nil {
		t.Fatal(err)
	}
	want := event.Event{
		ID:         "ev_16BHbhF4s42tO2lK",
		Type:       event.PendingInvoiceCreated,
		OccurredAt: 1767225601,
		Invoice: event.Invoice{
			ID:             "draft_inv_16BHbhF4s41mR2kG",
			CustomerID:     "cust_0001",
			SubscriptionID: "sub_0001",
			CurrencyCode:   "EUR",
			Status:         "pending",
			Date:           1767225600,
			LineItems:      []event.LineItem{{ID: "li_16BHbhF4s41mS2kH", SubscriptionID: "sub_0001"}},
		},
	}
	envelope := `{"version":"0","detail-type":"pending_invoice_created","source":"aws.partner/chargebee.com","detail":` + string(content) + `}`
	for name, parse := range map[string]func() (event.Event, error){
		"webhook":              func() (event.Event, error) { return event.Parse(content) },
		"message":              func() (event.Event, error) { return event.ParseMessage(content) },
		"message, EventBridge": func() (event.Event, error) { return event.ParseMessage([]byte(envelope)) },
	} {
		got, err := parse()
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestParse_InvalidEvents(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	for name, test := range map[string]struct {
		body  string
		field string
		text  string // part of the problem
	}{
		"nothing":                             {"", "", "too early"},
		"half an object":                      {`{"event_type":"x"`, "", "too early"},
		"an array":                            {`[]`, "", "not an object"},
		"a string":                            {`"x"`, "", "not an object"},
		"trailing data":                       {body("", invoice("")) + "{}", "", "after the object"},
		"trailing garbage":                    {body("", invoice("")) + "x", "", "malformed"},
		"a BOM":                               {"\uFEFF" + body("", invoice("")), "", "malformed"},
		"invalid UTF-8":                       {body("\"x\":\"\xff\",", invoice("")), "", "malformed"},
		"a raw control character":             {body("\"x\":\"\x01\",", invoice("")), "", "malformed"},
		"a surrogate in UTF-8":                {body("\"x\":\"\xed\xa0\x80\",", invoice("")), "", "malformed JSON at byte 6: invalid UTF-8: half of a character (an unpaired surrogate)"},
		"invalid UTF-8 behind a surrogate":    {body("\"x\":\"\\ud800\xff\",", invoice("")), "", "malformed"},
		"an unpaired surrogate in the id":     {strings.Replace(body("", invoice("")), `"ev_1"`, `"ev\ud800"`, 1), "id", "surrogate"},
		"an unpaired surrogate in event_type": {`{"event_type":"\udc00"}`, "event_type", "surrogate"},
		"an unpaired surrogate in the invoice's id": {body("", strings.Replace(invoice(""), `draft_inv_1`, `\ud800\ud800`, 1)), "content.invoice.id", "surrogate"},
		"an unpaired surrogate in the customer":     {body("", strings.Replace(invoice(""), `"c"`, `"\udbffx"`, 1)), "content.invoice.customer_id", "surrogate"},
		"too deep":                                  {body(`"x":`+deep+`,`, invoice("")), "", "malformed"},
		"no event_type":                             {`{"id":"ev_1"}`, "event_type", "missing"},
		"event_type a number":                       {`{"event_type":1}`, "event_type", "not a string"},
		"event_type null":                           {`{"event_type":null}`, "event_type", "not a string"},
		"event_type empty":                          {`{"event_type":""}`, "event_type", "empty"},
		"event_type twice":                          {`{"event_type":"a","event_type":"pending_invoice_created"}`, "event_type", "more than once"},
		"event_type twice, the same":                {body(`"event_type":"pending_invoice_created",`, invoice("")), "event_type", "more than once"},
		"event_type by an escape":                   {body(`"event\u005ftype":"pending_invoice_created",`, invoice("")), "event_type", "more than once"},
		"another api_version":                       {strings.Replace(body("", invoice("")), `"v2"`, `"v1"`, 1), "api_version", "v2"},
		"the event of API V1":                       {`{"event_type":"invoice_created","api_version":"v1","content":{}}`, "api_version", "API V1; set the API version of the webhook in Chargebee to V2"},
		"api_version a number":                      {strings.Replace(body("", invoice("")), `"v2"`, `2`, 1), "api_version", "not a string"},
		"no id":                                     {strings.Replace(body("", invoice("")), `"id":"ev_1",`, ``, 1), "id", "missing"},
		"id null":                                   {strings.Replace(body("", invoice("")), `"ev_1"`, `null`, 1), "id", "not a string"},
		"id empty":                                  {strings.Replace(body("", invoice("")), `"ev_1"`, `""`, 1), "id", "empty"},
		"id twice":                                  {body(`"id":"ev_0",`, invoice("")), "id", "more than once"},
		"id with a control character":               {strings.Replace(body("", invoice("")), `"ev_1"`, `"a\u0000"`, 1), "id", "SQS"},
		"id with a newline":                         {strings.Replace(body("", invoice("")), `"ev_1"`, `"a\n"`, 1), "id", "control character"},
		"id with a C1 control":                      {strings.Replace(body("", invoice("")), `"ev_1"`, `"a\u009b"`, 1), "id", "control character"},
		"id with a bidirectional control":           {strings.Replace(body("", invoice("")), `"ev_1"`, `"a\u202e"`, 1), "id", "control character"},
		"id too long":                               {strings.Replace(body("", invoice("")), `"ev_1"`, `"`+strings.Repeat("ü", 101)+`"`, 1), "id", "longer than 100"},
		"invoice id too long":                       {body("", strings.Replace(invoice(""), `"draft_inv_1"`, `"`+strings.Repeat("x", 101)+`"`, 1)), "content.invoice.id", "longer than 100"},
		"customer id with a control character":      {body("", `{"id":"draft_inv_1","customer_id":"a\u001b[2J"}`), "content.invoice.customer_id", "control character"},
		"subscription id too long":                  {body("", `{"id":"draft_inv_1","subscription_id":"`+strings.Repeat("x", 101)+`"}`), "content.invoice.subscription_id", "longer than 100"},
		"no content":                                {`{"id":"e","api_version":"v2","event_type":"pending_invoice_created"}`, "content.invoice.id", "missing"},
		"content a string":                          {`{"id":"e","api_version":"v2","content":"x","event_type":"pending_invoice_created"}`, "content", "not an object"},
		"content twice":                             {body(`"content":{},`, invoice("")), "content", "more than once"},
		"invoice null":                              {body("", "null"), "content.invoice", "not an object"},
		"content null":                              {`{"id":"e","content":null,"event_type":"pending_invoice_created"}`, "content", "not an object"},
		"no invoice id":                             {body("", `{}`), "content.invoice.id", "missing"},
		"invoice id null":                           {body("", `{"id":null}`), "content.invoice.id", "not a string"},
		"invoice id empty":                          {body("", `{"id":""}`), "content.invoice.id", "empty"},
		"invoice id a number":                       {body("", strings.Replace(invoice(""), `"draft_inv_1"`, `1`, 1)), "content.invoice.id", "not a string"},
		"invoice id of the ledger's own":            {body("", strings.Replace(invoice(""), `"draft_inv_1"`, `"#ratelimit"`, 1)), "content.invoice.id", "begins with #"},
		"customer twice":                            {body("", invoice(`"customer_id":"b",`)), "content.invoice.customer_id", "more than once"},
		"date a string":                             {body("", strings.Replace(invoice(""), `1767225600`, `"1767225600"`, 1)), "content.invoice.date", "not an integer"},
		"date a fraction":                           {body("", strings.Replace(invoice(""), `1767225600`, `1767225600.5`, 1)), "content.invoice.date", "not an integer"},
		"date an exponent":                          {body("", strings.Replace(invoice(""), `1767225600`, `1e9`, 1)), "content.invoice.date", "not an integer"},
		"date out of range":                         {body("", strings.Replace(invoice(""), `1767225600`, `9223372036854775808`, 1)), "content.invoice.date", "not an integer"},
		"date a boolean":                            {body("", strings.Replace(invoice(""), `1767225600`, `false`, 1)), "content.invoice.date", "not an integer"},
		"subscription a number":                     {body("", strings.Replace(invoice(""), `"s"`, `1`, 1)), "content.invoice.subscription_id", "not a string"},
		"customer an object":                        {body("", strings.Replace(invoice(""), `"c"`, `{"id":"c"}`, 1)), "content.invoice.customer_id", "not a string"},
		"currency a number":                         {body("", strings.Replace(invoice(""), `"EUR"`, `978`, 1)), "content.invoice.currency_code", "not a string"},
		"status a boolean":                          {body("", strings.Replace(invoice(""), `"pending"`, `true`, 1)), "content.invoice.status", "not a string"},
		"status twice, once null":                   {body("", invoice(`"status":null,`)), "content.invoice.status", "more than once"},
		"line_items twice, once null":               {body("", invoice(`"line_items":null,`)), "content.invoice.line_items", "more than once"},
		"line_items_next_offset twice":              {body("", invoice(`"line_items_next_offset":null,"line_items_next_offset":"x",`)), "content.invoice.line_items_next_offset", "more than once"},
		"line_items an object":                      {body("", strings.Replace(invoice(""), `[]`, `{}`, 1)), "content.invoice.line_items", "not an array"},
		"a line's id twice":                         {body("", strings.Replace(invoice(""), `[]`, `[{},{"id":"a","id":"a"}]`, 1)), "content.invoice.line_items.1.id", "more than once"},
		"a line's subscription twice":               {body("", strings.Replace(invoice(""), `[]`, `[{"subscription_id":null,"subscription_id":"a"}]`, 1)), "content.invoice.line_items.0.subscription_id", "more than once"},
		"U+FFFF in the body":                        {body("\"x\":\"\uFFFF\",", invoice("")), "", "SQS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := event.Parse([]byte(test.body))
			var invalid *event.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("it was accepted: %v", err)
			}
			for _, problem := range invalid.Problems {
				if problem.Field == test.field && strings.Contains(problem.Problem, test.text) {
					return
				}
			}
			t.Errorf("%v does not contain %q %q", invalid.Problems, test.field, test.text)
		})
	}
}

func TestParse_ReportsEveryFieldOnce(t *testing.T) {
	t.Parallel()
	_, err := event.Parse([]byte(`{"event_type":"pending_invoice_created","content":{"invoice":{"date":"x"}}}`))
	var invalid *event.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var fields []string
	for _, problem := range invalid.Problems {
		fields = append(fields, problem.Field)
	}
	want := "content.invoice.date id content.invoice.id"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A body can have 100,000 invalid fields.
func TestParse_LimitsProblems(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"fields": body(strings.Repeat(`"id":"",`, 100_000), invoice("")),
		"types":  `{` + strings.Repeat(`"event_type":"",`, 100_000) + `"id":"x"}`,
		"lines":  body("", strings.Replace(invoice(""), `[]`, `[`+strings.Repeat(`{"id":1,"id":1},`, 50_000)+`{}]`, 1)),
	} {
		_, err := event.Parse([]byte(text))
		if invalid, ok := errors.AsType[*event.InvalidError](err); !ok || len(invalid.Problems) != 32 {
			t.Errorf("%s: %d bytes of problems", name, len(fmt.Sprint(err)))
		}
	}
}

func TestParse_ValidEvents(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another type":                       `{"event_type":"invoice_generated"}`,
		"another type, its fields wrong":     `{"id":1,"id":2,"api_version":"v1","content":[],"event_type":"customer_created"}`,
		"duplicates of what is not read":     body(`"x":1,"x":2,`, invoice(`"total":1,"total":2,`)),
		"another case":                       body(`"EVENT_TYPE":"x",`, invoice("")),
		"duplicates of occurred_at":          body(`"occurred_at":1,"occurred_at":"x",`, invoice("")),
		"a surrogate in a name":              body(`"id\ud800":1,`, invoice(`"id\ud800":1,`)),
		"no subscription, no lines":          body("", `{"id":"i","customer_id":"c","currency_code":"EUR","status":"pending","date":1}`),
		"another status":                     body("", strings.Replace(invoice(""), `"pending"`, `"posted"`, 1)),
		"lines of any shape":                 body("", strings.Replace(invoice(""), `[]`, `[1,null,{},{"id":7,"subscription_id":null},{"id":"\ud800"},{"id":"li_1"}]`, 1)),
		"every character that JSON escapes":  body(`"x":"\u0000\ud83d\ude00\"",`, invoice("")),
		"white space":                        "\r\n\t " + body("", invoice("")) + " \n",
		"a detail beside the event's fields": body(`"detail":{},`, invoice("")),
	} {
		for _, parse := range []func([]byte) (event.Event, error){event.Parse, event.ParseMessage} {
			if _, err := parse([]byte(text)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Chargebee may leave a member out or send null for it: both read alike.
func TestParse_OptionalMembers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want event.Event
	}{
		"only what is required": {
			body: `{"id":"ev_1","event_type":"pending_invoice_created","content":{"invoice":{"id":"i"}}}`,
			want: event.Event{Invoice: event.Invoice{ID: "i"}},
		},
		"null": {
			body: `{"id":"ev_1","event_type":"pending_invoice_created","api_version":null,"occurred_at":null,"x":null,"content":{"invoice":{"id":"i",
				"customer_id":null,"currency_code":null,"status":null,"subscription_id":null,"date":null,"line_items":null,"line_items_next_offset":null}}}`,
			want: event.Event{Invoice: event.Invoice{ID: "i"}},
		},
		"empty": {
			body: `{"id":"ev_1","event_type":"pending_invoice_created","api_version":"","occurred_at":"","content":{"invoice":{"id":"i",
				"customer_id":"","currency_code":"","status":"","subscription_id":"","date":0,"line_items":[],"line_items_next_offset":""}}}`,
			want: event.Event{Invoice: event.Invoice{ID: "i", LineItems: []event.LineItem{}, MoreLines: true}},
		},
		"present": {
			body: `{"id":"ev_1","event_type":"pending_invoice_created","api_version":"v2","occurred_at":7,"content":{"invoice":{"id":"i",
				"customer_id":"c","currency_code":"EUR","status":"pending","subscription_id":"s","date":-1,"line_items":[{"id":"li_1"}],"line_items_next_offset":"[\"1\"]"}}}`,
			want: event.Event{OccurredAt: 7, Invoice: event.Invoice{
				ID: "i", CustomerID: "c", CurrencyCode: "EUR", Status: "pending", SubscriptionID: "s", Date: -1,
				LineItems: []event.LineItem{{ID: "li_1"}}, MoreLines: true,
			}},
		},
		"an offset of another type": {
			body: body("", `{"id":"i","line_items_next_offset":{"a":[]}}`),
			want: event.Event{Invoice: event.Invoice{ID: "i", MoreLines: true}},
		},
		"an id with an escape": {
			body: body("", `{"id":"\u0069\ud83d\ude00","line_items":[{"id":"\/"},{"id":"\ud83d"}]}`),
			want: event.Event{Invoice: event.Invoice{ID: "i\U0001F600", LineItems: []event.LineItem{{ID: "/"}, {}}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.ID, test.want.Type = "ev_1", event.PendingInvoiceCreated
			for _, text := range []string{test.body, `{"detail":` + test.body + `}`} {
				got, err := event.ParseMessage([]byte(text))
				if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
					t.Errorf("ParseMessage: %v (-want +got):\n%s", err, diff)
				}
			}
		})
	}
}

func TestParse_OccurredAt(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{
		`1767225601`: 1767225601, `0`: 0, `9223372036854775807`: 9223372036854775807, `9223372036854775808`: 0,
		`1.5`: 0, `1e9`: 0, `"1767225601"`: 0, `null`: 0, `true`: 0, `{"a":[1]}`: 0, `[1]`: 0, `"\ud800"`: 0,
		`1,"occurred_at":2`: 0, `null,"occurred_at":2`: 0, `1,"occurred_at":2,"occurred_at":3`: 0,
	} {
		got, err := event.Parse([]byte(body(`"occurred_at":`+value+`,`, invoice(""))))
		if err != nil || got.OccurredAt != want {
			t.Errorf("%s: got %d, %v, want %d", value, got.OccurredAt, err, want)
		}
	}
}

// An escaped unpaired surrogate is valid JSON and plain ASCII, so SQS takes it.
func TestParse_UnpairedSurrogates(t *testing.T) {
	t.Parallel()
	for _, escaped := range []string{`\ud800`, `\udfff`, `\uD800\uD800`, `\ud800\n`, `\udc00\ud800`} {
		text := body(`"x":"`+escaped+`","y":[{"`+escaped+`":"`+escaped+`"}],`, invoice(`"po_number":"`+escaped+`",`))
		if _, err := event.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", escaped, err)
		}
	}
}

func TestParse_InvalidUTF8(t *testing.T) {
	t.Parallel()
	for text, offset := range map[string]int{"\xff": 0, "{\"\xc3\":1}": 2, "{\"ü\":\"\xc0\x80\"}": 7, "{\"\uFFFD\":1}\xf0": 9} {
		_, err := event.Parse([]byte(text))
		if want := fmt.Sprintf("malformed JSON at byte %d: invalid UTF-8", offset); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestParseMessage_NamesFieldsBelowDetail(t *testing.T) {
	t.Parallel()
	_, err := event.ParseMessage([]byte(`{"detail":{"event_type":"pending_invoice_created"}}`))
	if err == nil || !strings.Contains(err.Error(), "detail.content.invoice.id is missing") {
		t.Errorf("got %v", err)
	}
	if _, err := event.Parse([]byte(`{"detail":` + body("", invoice("")) + `}`)); err == nil {
		t.Error("a webhook in an envelope was accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(body("", invoice(""))))
	f.Add([]byte(`{"detail":` + body("", invoice("")) + `}`))
	f.Add([]byte(`{"event_type":"x","content":[{}]}`))
	f.Add([]byte(body(`"x\ud800":"\udc00","occurred_at":1,`, `{"id":"i","date":null,"line_items":null,"line_items_next_offset":"x"}`)))
	f.Add([]byte(body("\"x\":\"\xed\xa0\x80\",", invoice(""))))
	f.Fuzz(func(t *testing.T, body []byte) {
		webhook, err := event.Parse(body)
		if err == nil && webhook.Type == "" {
			t.Error("an event without a type was accepted")
		}
		if err == nil && webhook.Type == event.PendingInvoiceCreated && (webhook.ID == "" || webhook.Invoice.ID == "") {
			t.Error("an event without the required members was accepted")
		}
		if err == nil && !utf8.Valid(body) {
			t.Error("invalid UTF-8 was accepted")
		}
		message, messageErr := event.ParseMessage(body)
		if err == nil && (messageErr != nil || fmt.Sprint(message) != fmt.Sprint(webhook)) {
			t.Errorf("a webhook reads differently as a message: %v, %v", message, messageErr)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	content, err := os.ReadFile("testdata/pending_invoice_created.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Parse(content); err != nil {
			b.Fatal(err)
		}
	}
}
