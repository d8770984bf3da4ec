package dynamostore_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

const docs = "../../docs/"

// isValid reports whether docs/event.schema.json accepts an item. Attributes of other types than S
// and N become null.
func isValid(t *testing.T, item map[string]types.AttributeValue) bool {
	t.Helper()
	var members []string
	for name, value := range item {
		member := "null"
		switch value := value.(type) {
		case *types.AttributeValueMemberS:
			member = strconv.Quote(value.Value)
		case *types.AttributeValueMemberN:
			member = value.Value
		}
		members = append(members, strconv.Quote(name)+":"+member)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader("{" + strings.Join(members, ",") + "}"))
	if err != nil {
		t.Fatal(err)
	}
	return jsonschema.NewCompiler().MustCompile(docs+"event.schema.json").Validate(instance) == nil
}

// TestEventSchema_AcceptsWhatIsBilled reads each case from the table, and compares with the schema
// whether it can be billed.
func TestEventSchema_AcceptsWhatIsBilled(t *testing.T) {
	t.Parallel()
	type attributes = map[string]types.AttributeValue
	for name, test := range map[string]struct {
		attributes attributes
		fault      string // of the event; empty if it can be billed
	}{
		"complete":                        {attributes{"customer_id": text("c"), "description": text("Calls"), "quantity": number("2"), "status": text("unbilled")}, ""},
		"only what is required":           {nil, ""},
		"correction":                      {attributes{"amount": number("-12.5")}, ""},
		"further attributes":              {attributes{"order": text("o")}, ""},
		"largest amount":                  {attributes{"amount": number("9007199254740991")}, ""},
		"charge code of 100 characters":   {attributes{"charge_code": text(strings.Repeat("ü", 100))}, ""},
		"largest quantity":                {attributes{"quantity": number("9" + strings.Repeat("0", 37))}, ""},
		"charge code of 101 characters":   {attributes{"charge_code": text(strings.Repeat("c", 101))}, "charge_code has 101 characters"},
		"description above 4,096 bytes":   {attributes{"description": text(strings.Repeat("d", 4097))}, "description has 4097 bytes"},
		"amount of 2^53":                  {attributes{"amount": number("9007199254740992")}, "amount is 9007199254740992"},
		"amount of -1e125":                {attributes{"amount": number("-1e125")}, "amount is"},
		"amount a text":                   {attributes{"amount": text("1")}, "amount is not a number"},
		"amount absent":                   {attributes{"amount": nil}, "amount is not a number"},
		"quantity of 1e100":               {attributes{"quantity": number("1e100")}, "quantity is"},
		"quantity a boolean":              {attributes{"quantity": &types.AttributeValueMemberBOOL{Value: true}}, "quantity is not a number"},
		"charge code a number":            {attributes{"charge_code": number("1")}, "charge_code is not a string"},
		"charge code absent":              {attributes{"charge_code": nil}, "charge_code is missing"},
		"charge code empty":               {attributes{"charge_code": text("")}, "charge_code is missing"},
		"description null":                {attributes{"description": &types.AttributeValueMemberNULL{Value: true}}, "description is not a string"},
		"currency code a list":            {attributes{"currency_code": &types.AttributeValueMemberL{}}, "currency_code is not a string"},
		"currency code of 11 bytes":       {attributes{"currency_code": text(strings.Repeat("E", 11))}, "currency_code has 11 bytes"},
		"occurred at a fraction":          {attributes{"occurred_at": number("100.5")}, "occurred_at is not unix seconds"},
		"occurred before 1970":            {attributes{"occurred_at": number("-5")}, "occurred_at is not unix seconds: -5"},
		"occurred at a negative fraction": {attributes{"occurred_at": number("-0.5")}, "occurred_at is not unix seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			item := event("ev", test.attributes)
			f.put(item)
			read := f.unbilled()
			if len(read) != 1 {
				t.Fatalf("got %d events", len(read))
			}
			if fault := read[0].Validated().Fault; !strings.HasPrefix(fault, test.fault) || test.fault == "" && fault != "" {
				t.Errorf("fault = %q, want %q", fault, test.fault)
			}
			if got, want := isValid(t, item), test.fault == ""; got != want {
				t.Errorf("the schema accepts it: %t, want %t", got, want)
			}
		})
	}
}

// TestProducers runs the programs of docs/events.md, and compares what they write.
func TestProducers(t *testing.T) {
	t.Parallel()
	python := func(t *testing.T, file string) []string {
		t.Helper()
		if _, err := exec.LookPath("python3"); err != nil {
			t.Skip("there is no python3")
		}
		if output, err := exec.CommandContext(t.Context(), "python3", "-m", "py_compile", file).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		if exec.CommandContext(t.Context(), "python3", "-c", "import boto3").Run() != nil {
			t.Skip("there is no boto3: only the syntax was checked")
		}
		return []string{"python3", file}
	}
	for language, test := range map[string]struct {
		file    string
		command func(t *testing.T, file string) []string
		output  string
	}{
		"go":     {"main.go", func(_ *testing.T, file string) []string { return []string{"go", "run", file} }, "export-7f3a created: true\nexport-7f3a created: false\n"},
		"python": {"producer.py", python, "export-7f3a created: True\nexport-7f3a created: False\n"},
	} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile(docs + "events.md")
			if err != nil {
				t.Fatal(err)
			}
			programs := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1)
			if len(programs) != 1 {
				t.Fatalf("docs/events.md has %d programs in %s", len(programs), language)
			}
			file := filepath.Join(t.TempDir(), test.file)
			if err := os.WriteFile(file, programs[0][1], 0o600); err != nil {
				t.Fatal(err)
			}
			args := test.command(t, file)

			server := httptest.NewServer(dynamodb.New(dynamodb.Config{}))
			defer server.Close()
			sdk := awsdynamodb.New(awsdynamodb.Options{
				Region: "eu-central-1", BaseEndpoint: aws.String(server.URL),
				Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
			})
			if _, err := (&dynamostore.Tables{Client: sdk, EventsTable: "billable_events", LedgerTable: "ledger"}).Create(t.Context()); err != nil {
				t.Fatal(err)
			}
			command := exec.CommandContext(t.Context(), args[0], args[1:]...)
			command.Env = append(os.Environ(), "AWS_ENDPOINT_URL_DYNAMODB="+server.URL, "AWS_REGION=eu-central-1",
				"AWS_DEFAULT_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret")
			output, err := command.CombinedOutput()
			if diff := cmp.Diff(test.output, string(output)); err != nil || diff != "" {
				t.Fatalf("%v: output (-want +got):\n%s", err, diff)
			}

			store := &dynamostore.Store{Client: sdk, EventsTable: "billable_events", LedgerTable: "ledger"}
			want := billing.Event{
				EventKey:   billing.EventKey{SubscriptionID: "sub_0001", EventID: "export-7f3a"},
				OccurredAt: 1767225600, ChargeCode: "exports", Description: "Exports", Amount: "12.5", Quantity: "1", CurrencyCode: "EUR",
			}
			for got, err := range store.Unbilled(t.Context(), "sub_0001", 1767225601) {
				got = got.Validated()
				got.Size = 0
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%v: event (-want +got):\n%s", err, diff)
				}
			}
			scanned, err := sdk.Scan(t.Context(), &awsdynamodb.ScanInput{TableName: aws.String("billable_events")})
			if err != nil || len(scanned.Items) != 1 || !isValid(t, scanned.Items[0]) {
				t.Errorf("%v: %v", err, scanned.Items)
			}
		})
	}
}

// TestCorrection_Void runs the correction of docs/events.md. The voided event is not billed, and a late
// retry of the write that created it does not bring it back.
func TestCorrection_Void(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(docs + "events.md")
	if err != nil {
		t.Fatal(err)
	}
	expression := func(flag string) *string {
		found := regexp.MustCompile(flag + " '([^']*)'").FindSubmatch(page[strings.Index(string(page), "update-item"):])
		if found == nil {
			t.Fatalf("docs/events.md has no %s", flag)
		}
		return aws.String(string(found[1]))
	}
	f := newFixture(t)
	create := func() error {
		_, err := f.sdk.PutItem(t.Context(), &awsdynamodb.PutItemInput{
			TableName: aws.String("events"), Item: event("ev", nil), ConditionExpression: aws.String("attribute_not_exists(event_id)"),
		})
		return err
	}
	void := func() error {
		_, err := f.sdk.UpdateItem(t.Context(), &awsdynamodb.UpdateItemInput{
			TableName:                 aws.String("events"),
			Key:                       map[string]types.AttributeValue{"subscription_id": text("sub"), "event_id": text("ev")},
			ConditionExpression:       expression("--condition-expression"),
			UpdateExpression:          expression("--update-expression"),
			ExpressionAttributeNames:  map[string]string{"#status": "status"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":void": text(billing.EventVoid)},
		})
		return err
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	read := f.unbilled()
	if err := void(); err != nil {
		t.Fatal(err)
	}
	if create() == nil {
		t.Error("a late retry created the event again")
	}
	if left := f.unbilled(); len(left) != 0 {
		t.Errorf("unbilled are %v", left)
	}

	claim := billing.Step{Record: billing.Record{InvoiceID: "draft", State: billing.Claiming, Epoch: "e", Version: "w1"}, Claim: &billing.Page{Events: read}}
	changed, ok := errors.AsType[*billing.EventsChanged](f.commit(claim))
	if !ok || changed.Events[0].Status != billing.EventVoid {
		t.Errorf("an index that still shows it: %+v", changed)
	}
}

// TestStore_VoidedEvents: an event that is void is not billed, whatever the index shows.
func TestStore_VoidedEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(event("void", map[string]types.AttributeValue{"status": text(billing.EventVoid)}))
	f.put(event("ev", nil))
	var all []string
	for found, err := range f.store.AllUnbilled(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found.EventID)
	}
	if left := f.unbilled(); len(left) != 1 || left[0].EventID != "ev" || len(all) != 1 || all[0] != "ev" {
		t.Errorf("unbilled are %v and %v", left, all)
	}
}
