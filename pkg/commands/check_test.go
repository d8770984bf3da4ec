package commands_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// checked is the output of check.
type checked struct{ Findings []finding }

type finding struct {
	Name, Subject, Level, Finding string
	Solution                      string `json:"remedy"`
}

// check returns the exit code, and "level subject name" of all findings that are not ok.
func (d *deployment) check() (code int, found checked, wrong []string) {
	d.t.Helper()
	code, stdout, stderr := d.command("check", "--output", "json")
	if err := json.Unmarshal([]byte(stdout), &found); err != nil {
		d.t.Fatalf("exit code %d: %v\n%s%s", code, err, stdout, stderr)
	}
	for _, finding := range found.Findings {
		if finding.Level != "ok" {
			wrong = append(wrong, finding.Level+" "+finding.Subject+" "+finding.Name)
		}
		if (finding.Level == "ok") != (finding.Solution == "") || finding.Finding == "" {
			d.t.Errorf("no solution: %+v", finding)
		}
	}
	slices.Sort(wrong)
	return code, found, wrong
}

// set changes attributes of a queue.
func (d *deployment) set(url string, pairs ...string) {
	d.t.Helper()
	attributes := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		attributes[pair[0]] = pair[1]
	}
	if _, err := d.sqs.SetQueueAttributes(d.t.Context(), &awssqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: attributes}); err != nil {
		d.t.Fatal(err)
	}
}

// site has the deployment call another Chargebee.
func (d *deployment) site(config chargebee.Config) {
	config.APIKey = "site_key"
	server := httptest.NewServer(chargebee.New(config))
	d.t.Cleanup(server.Close)
	d.environ = append(d.environ, "BILLABLE_CHARGEBEE_BASE_URL="+server.URL)
}

// reindex replaces the index of the events' table, or takes it away.
func (d *deployment) reindex(index *types.CreateGlobalSecondaryIndexAction) {
	d.t.Helper()
	update := func(input *awsdynamodb.UpdateTableInput) {
		input.TableName = aws.String(d.name + "_events")
		if _, err := d.dynamodb.UpdateTable(d.t.Context(), input); err != nil {
			d.t.Fatal(err)
		}
	}
	update(&awsdynamodb.UpdateTableInput{GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("unbilled")}},
	}})
	if index == nil {
		return
	}
	update(&awsdynamodb.UpdateTableInput{
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("unbilled"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: index.KeySchema[1].AttributeName, AttributeType: types.ScalarAttributeTypeN},
		},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: index}},
	})
}

// indexBy is an index of unbilled events that are sorted by a number.
func indexBy(sort string, projection types.ProjectionType) *types.CreateGlobalSecondaryIndexAction {
	return &types.CreateGlobalSecondaryIndexAction{
		IndexName: aws.String("unbilled"),
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("unbilled"), KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange},
		},
		Projection: &types.Projection{ProjectionType: projection},
	}
}

// expire has the ledger's items expire by this attribute alone, or not at all.
func (d *deployment) expire(attribute string) {
	d.t.Helper()
	update := func(name string, enabled bool) {
		if _, err := d.dynamodb.UpdateTimeToLive(d.t.Context(), &awsdynamodb.UpdateTimeToLiveInput{
			TableName:               aws.String(d.name + "_ledger"),
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &name, Enabled: &enabled},
		}); err != nil {
			d.t.Fatal(err)
		}
	}
	update("expires_at", false)
	if attribute != "" {
		update(attribute, true)
	}
}

// Each case has one problem, and no other finding.
func TestCheck_Misconfigurations(t *testing.T) {
	type change func(d *deployment)
	environ := func(pairs ...string) change {
		return func(d *deployment) {
			for _, pair := range pairs {
				d.environ = append(d.environ, "BILLABLE_"+strings.ReplaceAll(pair, "NAME", d.name))
			}
		}
	}
	main := func(pairs ...string) change { return func(d *deployment) { d.set(d.queueURL, pairs...) } }
	deadLetters := func(pairs ...string) change { return func(d *deployment) { d.set(d.deadURL(), pairs...) } }
	deny := func(action, suffix string) change {
		return func(d *deployment) { denied.deny(action, d.name+suffix) }
	}
	settled := func(ago time.Duration) change { // a finished invoice
		return func(d *deployment) {
			d.put("_ledger", map[string]any{"invoice_id": "inv", "state": "done", "outcome": "closed", "version": 1, "updated_at": time.Now().Add(ago).Unix()})
		}
	}
	for name, test := range map[string]struct {
		change change
		want   string // with commas between; with an error among them the exit code is 1
	}{
		"nothing": {want: ""},

		"queue missing":                {change: environ("QUEUE_URL=http://sandbox.local/000000000000/other"), want: "error queue queue_missing"},
		"queue of another account":     {change: environ("QUEUE_URL=http://sandbox.local/111111111111/NAME"), want: "error queue queue_missing"},
		"queue URL is none":            {change: environ("QUEUE_URL=queue"), want: "error queue queue_missing"},
		"dead-letter queue missing":    {change: environ("QUEUE_DEAD_LETTER_URL=http://sandbox.local/000000000000/other"), want: "error dead-letter queue queue_missing"},
		"one queue for both":           {change: environ("QUEUE_DEAD_LETTER_URL=http://sandbox.example/000000000000/NAME"), want: "error queue queue_urls_same"},
		"FIFO":                         {change: environ("QUEUE_URL=http://sandbox.local/000000000000/NAME.fifo"), want: "error queue queue_is_fifo"},
		"another region":               {change: environ("QUEUE_URL=https://sqs.us-east-1.amazonaws.com/000000000000/NAME"), want: "error queue queue_region_differs"},
		"no redrive policy":            {change: main("RedrivePolicy", ""), want: "error queue redrive_policy_missing"},
		"few receives":                 {change: func(d *deployment) { d.set(d.queueURL, "RedrivePolicy", redrive(d.name+"_dead", 500)) }, want: "error queue max_receive_count_low"},
		"kept for too short":           {change: main("MessageRetentionPeriod", "345600"), want: "error queue retention_too_short"},
		"kept for six days and a half": {change: main("MessageRetentionPeriod", "561600"), want: "warning queue retention_short"},
		"letters kept for 10 days":     {change: deadLetters("MessageRetentionPeriod", "864000"), want: "warning dead-letter queue dead_letter_retention_short"},
		"letters forgotten earlier":    {change: deadLetters("MessageRetentionPeriod", "86400"), want: "error dead-letter queue dead_letter_retention_too_short"},
		"not encrypted":                {change: main("SqsManagedSseEnabled", "false"), want: "warning queue queue_not_encrypted"},
		"delayed":                      {change: main("DelaySeconds", "60"), want: "warning queue queue_delays"},
		"small messages":               {change: main("MaximumMessageSize", "262144"), want: "warning queue message_size_limited"},
		"small dead letters":           {change: deadLetters("MaximumMessageSize", "262144"), want: "error dead-letter queue dead_letter_size_limited"},
		"dead letters not let in":      {change: deadLetters("RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`), want: "error queue redrive_not_allowed"},
		"dead letters of one source":   {change: deadLetters("RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-central-1:000000000000:other"]}`), want: "error queue redrive_not_allowed"},
		"to another queue": {
			change: func(d *deployment) {
				d.createQueue(d.name+"_third", nil)
				d.set(d.queueURL, "RedrivePolicy", redrive(d.name+"_third", 1000))
			},
			want: "error queue redrive_target_differs",
		},
		"letters are moved on": {
			change: func(d *deployment) {
				d.createQueue(d.name+"_third", nil)
				d.set(d.deadURL(), "RedrivePolicy", redrive(d.name+"_third", 10))
			},
			want: "error dead-letter queue dead_letters_redriven",
		},

		"no table of events":       {change: environ("EVENTS_TABLE=NAME_other"), want: "error events table_missing"},
		"no ledger":                {change: environ("LEDGER_TABLE=NAME_other"), want: "error ledger table_missing, warning chargebee site_not_asked"},
		"another key":              {change: environ("LEDGER_TABLE=NAME_events", "EVENTS_TABLE=NAME_other"), want: "error events table_missing, error ledger table_key_differs, warning chargebee site_not_asked"},
		"no index":                 {change: func(d *deployment) { d.reindex(nil) }, want: "error events index_missing"},
		"index without attributes": {change: func(d *deployment) { d.reindex(indexBy("occurred_at", types.ProjectionTypeKeysOnly)) }, want: "error events index_projection_differs"},
		"index by another key":     {change: func(d *deployment) { d.reindex(indexBy("amount", types.ProjectionTypeAll)) }, want: "error events index_key_differs"},
		"no unbilled event":        {change: settled(-time.Hour), want: "warning events nothing_unbilled"},
		"only old invoices":        {change: settled(-8 * 24 * time.Hour), want: ""},
		"an unbilled event": {
			change: func(d *deployment) {
				settled(-time.Hour)(d)
				d.put("_events", map[string]any{"subscription_id": "sub", "event_id": "e", "unbilled": "sub", "occurred_at": 1})
			},
			want: "",
		},
		"no time to live":      {change: func(d *deployment) { d.expire("") }, want: "warning ledger time_to_live_off"},
		"another time to live": {change: func(d *deployment) { d.expire("updated_at") }, want: "error ledger time_to_live_differs"},
		"not protected": {
			change: func(d *deployment) {
				_, err := d.dynamodb.UpdateTable(d.t.Context(), &awsdynamodb.UpdateTableInput{TableName: aws.String(d.name + "_ledger"), DeletionProtectionEnabled: aws.Bool(false)})
				if err != nil {
					d.t.Fatal(err)
				}
			},
			want: "warning ledger deletion_not_protected",
		},

		"no receives":              {change: deny("ReceiveMessage", ""), want: "error queue permission_missing"},
		"no deletes":               {change: deny("DeleteMessage", ""), want: "error queue permission_missing"},
		"no hiding":                {change: deny("ChangeMessageVisibility", ""), want: "error queue permission_missing"},
		"no description of queue":  {change: deny("GetQueueAttributes", ""), want: "error queue permission_missing"},
		"no replays":               {change: deny("SendMessage", ""), want: "warning queue permission_missing"},
		"no rejections":            {change: deny("SendMessage", "_dead"), want: "error dead-letter queue permission_missing"},
		"no look at dead letters":  {change: deny("ReceiveMessage", "_dead"), want: "warning dead-letter queue permission_missing"},
		"no query":                 {change: deny("Query", "_events"), want: "error events permission_missing"},
		"no claims":                {change: deny("UpdateItem", "_events"), want: "error events permission_missing"},
		"no scan":                  {change: deny("Scan", "_events"), want: "warning events permission_missing"},
		"no begin":                 {change: deny("PutItem", "_ledger"), want: "error ledger permission_missing"},
		"no reads":                 {change: deny("GetItem", "_ledger"), want: "error ledger permission_missing, warning chargebee site_not_asked"},
		"no description of ledger": {change: deny("DescribeTable", "_ledger"), want: "warning ledger permission_missing"},
		"no time to live seen":     {change: deny("DescribeTimeToLive", "_ledger"), want: "warning ledger permission_missing"},

		"wrong key":        {change: environ("CHARGEBEE_API_KEY=another"), want: "error chargebee site_unauthorized"},
		"nothing listens":  {change: environ("CHARGEBEE_BASE_URL=http://127.0.0.1:1"), want: "error chargebee site_no_answer"},
		"maintenance":      {change: func(d *deployment) { d.site(refusing(chargebee.ErrSiteNotReady)) }, want: "error chargebee site_not_ready"},
		"over its limit":   {change: func(d *deployment) { d.site(refusing(chargebee.ErrRateLimited)) }, want: "error chargebee site_over_limit"},
		"clock far ahead":  {change: func(d *deployment) { d.site(chargebee.Config{Now: late(-time.Minute)}) }, want: "error chargebee clock_differs"},
		"clock behind":     {change: func(d *deployment) { d.site(chargebee.Config{Now: late(time.Minute)}) }, want: "error chargebee clock_differs"},
		"clock drifts":     {change: func(d *deployment) { d.site(chargebee.Config{Now: late(20 * time.Second)}) }, want: "warning chargebee clock_drifts"},
		"clock a bit off":  {change: func(d *deployment) { d.site(chargebee.Config{Now: late(10 * time.Second)}) }, want: ""},
		"more than plans":  {change: environ("CHARGEBEE_REQUESTS_PER_MINUTE=4000"), want: "warning rate limit requests_per_minute_above_plans"},
		"too many workers": {change: environ("WORKER_CONCURRENCY=51"), want: "error rate limit concurrency_above_max_concurrent"},
		"different limits": {
			change: func(d *deployment) {
				d.must("check") // calls Chargebee
				environ("CHARGEBEE_REQUESTS_PER_MINUTE=20")(d)
			},
			want: "warning rate limit requests_per_minute_differs",
		},
		"stopped by an operator": {
			change: func(d *deployment) { d.must("pause", "--reason", "a test", "--yes") },
			want:   "warning chargebee site_not_asked, warning rate limit operator_pause",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			d.must("tables", "create")
			if test.change != nil {
				test.change(d)
			}
			code, found, wrong := d.check()
			if got := strings.Join(wrong, ", "); got != test.want {
				t.Errorf("got %q, want %q:\n%+v", got, test.want, found.Findings)
			}
			if code != min(strings.Count(test.want, "error "), 1) {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// late is a clock that differs by so much.
func late(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// refusing is a site that answers every call with a refusal.
func refusing(refusal *chargebee.Error) chargebee.Config {
	return chargebee.Config{
		Refusals: []*chargebee.Error{refusal},
		Faults:   sandbox.FaultFunc(func(string) sandbox.Fault { return sandbox.Fault{Kind: sandbox.Refuse} }),
	}
}

// A check leaves no message, no item and no receive.
func TestCheck_ChangesNothing(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.send("a message")
	d.must("check")
	messages := queues.Messages(d.name)
	if len(messages) != 1 || messages[0].State != sqs.Visible || messages[0].ReceiveCount != 0 {
		t.Errorf("got %+v", messages)
	}
	if got := queues.Messages(d.name + "_dead"); len(got) != 0 {
		t.Errorf("dead letters %+v", got)
	}
	for _, item := range append(tables.Items(d.name+"_ledger"), tables.Items(d.name+"_events")...) {
		if key := fmt.Sprint(item["invoice_id"]); !strings.Contains(key, "#ratelimit") { // the permit of its call
			t.Errorf("item %v", item)
		}
	}
}

// check requires the same settings as run.
func TestCheck_RequiresSettings(t *testing.T) {
	d := &deployment{t: t}
	if code, stdout, stderr := d.command("check"); code != 2 || stdout != "" || !strings.Contains(stderr, "queue.dead_letter_url") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
