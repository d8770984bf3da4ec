package commands_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func (d *deployment) deadURL() string { return d.queueURL + "_dead" }

// sendInvalidDeadLetters sends webhooks of unknown invoices to the dead-letter queue, and returns the ids of
// their events.
func (d *deployment) sendInvalidDeadLetters(prefix string, count int) (ids []string) {
	d.t.Helper()
	var entries []types.SendMessageBatchRequestEntry
	for i := range count {
		id := fmt.Sprintf("%s_%03d", prefix, i)
		body := fmt.Sprintf(`{"id":%q,"event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"draft_%s",`+
			`"customer_id":"c","subscription_id":"s","currency_code":"EUR","status":"pending","date":1767225600}}}`, id, id)
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(fmt.Sprint(i)), MessageBody: &body, MessageGroupId: aws.String("c"),
			MessageAttributes: map[string]types.MessageAttributeValue{"reason": {DataType: aws.String("String"), StringValue: aws.String("too_old")}},
		})
		ids = append(ids, id)
	}
	for batch := range slices.Chunk(entries, 10) {
		if _, err := d.sqs.SendMessageBatch(d.t.Context(), &awssqs.SendMessageBatchInput{QueueUrl: aws.String(d.deadURL()), Entries: batch}); err != nil {
			d.t.Fatal(err)
		}
	}
	return ids
}

func TestReplay(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 25)
	if got := d.must("dlq", "replay"); !strings.Contains(got, "replayed     25") || !strings.Contains(got, "Dry run") {
		t.Errorf("a dry run: %s", got)
	}
	if got := len(queues.Messages(d.name)); got != 0 {
		t.Errorf("a dry run put %d messages into the queue", got)
	}
	if got := d.must("dlq", "replay", "--event", "ev_007", "--yes"); !strings.Contains(got, "replayed      1") {
		t.Errorf("one: %s", got)
	}
	if got := d.must("dlq", "replay", "--reason", "line_limits", "--yes"); !strings.Contains(got, "No matching dead letters") {
		t.Errorf("none: %s", got)
	}
	var result struct {
		Complete bool
		DryRun   bool `json:"dry_run"`
		Counts   map[string]int
		Messages []struct{ Action string }
	}
	if err := json.Unmarshal([]byte(d.must("dlq", "replay", "--yes", "--output", "json")), &result); err != nil {
		t.Fatal(err)
	}
	if !result.Complete || result.DryRun || result.Counts["replayed"] != 24 || len(result.Messages) != 24 {
		t.Errorf("the rest: %+v", result)
	}
	queued, dead := queues.Messages(d.name), queues.Messages(d.name+"_dead")
	if len(queued) != 25 || len(dead) != 0 {
		t.Errorf("%d are in the queue, %d are dead letters", len(queued), len(dead))
	}
}

// The oldest failures are replayed first, whatever the order of the queue.
func TestReplay_Limit(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	now := time.Now()
	for _, hours := range []int{5, 1, 9, 3, 7} {
		_, err := d.sqs.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: aws.String(d.deadURL()), MessageBody: aws.String(fmt.Sprintf(`{"id":"ev_%d"}`, hours)),
			MessageAttributes: map[string]types.MessageAttributeValue{"failed_at": {
				DataType: aws.String("String"), StringValue: aws.String(now.Add(-time.Duration(hours) * time.Hour).Format(time.RFC3339)),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := d.command("dlq", "replay", "--limit=-1"); code != 2 || !strings.Contains(stderr, "--limit") {
		t.Errorf("a negative limit: %d, %s", code, stderr)
	}
	if got := d.must("dlq", "replay", "--limit", "2"); !strings.Contains(got, "replayed      2") || !strings.Contains(got, "Dry run") {
		t.Errorf("a dry run: %s", got)
	}
	replayed := func() (ids []string) {
		for _, message := range queues.Messages(d.name) {
			ids = append(ids, eventID.FindStringSubmatch(message.Body)[1])
		}
		slices.Sort(ids)
		return ids
	}
	for _, step := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--limit", "2"}, "ev_7 ev_9"},
		{[]string{"--limit", "1", "--newer-than", "4h"}, "ev_3 ev_7 ev_9"},
		{[]string{"--newer-than", "2h"}, "ev_1 ev_3 ev_7 ev_9"},
		{[]string{"--limit", "100"}, "ev_1 ev_3 ev_5 ev_7 ev_9"},
	} {
		d.must(append([]string{"dlq", "replay", "--yes"}, step.flags...)...)
		if got := strings.Join(replayed(), " "); got != step.want {
			t.Errorf("%s: %s, want %s", step.flags, got, step.want)
		}
	}
}

// A listing as CSV has the fields of its JSON.
func TestListings_CSV(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendDeadLetter(`{"id":"=cmd()","event_type":"pending_invoice_created","api_version":"v2","content":{"invoice":{"id":"draft_1"}}}`)
	d.event("sub_csv", "e1", "12", "EUR")
	d.reject("draft_csv", "sub_csv", time.Hour)
	if got := d.must("dlq", "list", "--output", "csv"); !strings.HasPrefix(got, "message_id,event_id,invoice_id,") || !strings.Contains(got, ",'=cmd(),draft_1,") {
		t.Errorf("dlq list: %s", got)
	}
	if got := d.must("invoice", "list", "--output", "csv"); !strings.HasPrefix(got, "invoice_id,customer_id,subscription_ids,") || !strings.Contains(got, "\ndraft_csv,") {
		t.Errorf("invoice list: %s", got)
	}
	if code, _, stderr := d.command("sweep", "--output", "csv"); code != 2 || !strings.Contains(stderr, "table, json") {
		t.Errorf("sweep: %d, %s", code, stderr)
	}
}

var eventID = regexp.MustCompile(`^{"id":"(\w+)"`)

// A replay that is killed at random moments loses no message: each is in one or both of the queues.
func TestReplay_Killed(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for round := range 10 {
		all = append(all, d.sendInvalidDeadLetters(fmt.Sprintf("ev%d", round), 200)...)
		replay := exec.CommandContext(t.Context(), program, "dlq", "replay", "--yes")
		replay.Env = append(append(os.Environ(), d.environ...), asConsumer+"=yes")
		if err := replay.Start(); err != nil {
			t.Fatal(err)
		}
		before := len(queues.Messages(d.name))
		d.eventually(func() bool { return len(queues.Messages(d.name)) > before }, "it has begun")
		time.Sleep(rand.N(80 * time.Millisecond))
		_ = replay.Process.Kill()
		_ = replay.Wait()
	}
	found := map[string]bool{}
	for _, name := range []string{d.name, d.name + "_dead"} {
		for _, message := range queues.Messages(name) {
			found[eventID.FindStringSubmatch(message.Body)[1]] = true
		}
	}
	for _, id := range all {
		if !found[id] {
			t.Errorf("%s is lost", id)
		}
	}
	t.Logf("%d of %d are in the queue, %d are dead letters", len(queues.Messages(d.name)), len(all), len(queues.Messages(d.name+"_dead")))
}

func TestDiscard(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendInvalidDeadLetters("ev", 3)
	file := filepath.Join(t.TempDir(), "discarded.jsonl")
	for _, test := range []struct {
		args string
		want string
	}{
		{"--yes --reason-note tests", "a filter is required"},
		{"--event ev_001 --yes", "missing --reason-note"},
	} {
		if code, _, stderr := d.command(append([]string{"dlq", "discard"}, strings.Fields(test.args)...)...); code != 2 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %s", test.args, code, stderr)
		}
	}
	if got := d.must("dlq", "discard", "--event", "ev_001", "--file", file); !strings.Contains(got, "discarded      1") || !strings.Contains(got, "Dry run") {
		t.Errorf("a dry run: %s", got)
	}
	if got := d.must("dlq", "discard", "--event", "ev_001", "--yes", "--reason-note", "a test", "--file", file); !strings.Contains(got, "discarded      1") || !strings.Contains(got, "Archived in "+file) {
		t.Errorf("got %s", got)
	}
	if got := len(queues.Messages(d.name + "_dead")); got != 2 {
		t.Errorf("%d dead letters are left", got)
	}
	kept, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(kept), "ev_001") || !strings.Contains(string(kept), "a test") || strings.Count(string(kept), "\n") != 1 {
		t.Errorf("%s, %v", kept, err)
	}
}

// Claims are released if that is safe. Otherwise the dead letter is not discarded.
func TestDiscard_Release(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	id, body, line := d.rejectWithLine("sub_discard")
	if _, err := d.sqs.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: aws.String(d.deadURL()), MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
	discard := func(args ...string) (code int, stdout, stderr string) {
		t.Helper()
		return d.command(append([]string{"dlq", "discard", "--invoice", id, "--reason-note", "a test", "--file", filepath.Join(t.TempDir(), "kept.jsonl")}, args...)...)
	}
	// A dry run predicts what --yes does.
	for args, want := range map[string]string{"": "use --release, or consumer invoice release " + id, "--release": "with marker " + marker} {
		for _, yes := range []string{"", "--yes"} {
			code, stdout, stderr := discard(strings.Fields(args + " " + yes)...)
			if code != 1 || !strings.Contains(stdout, "refused      1") || !strings.Contains(stdout, want) || !strings.Contains(stderr, "refused or skipped") {
				t.Errorf("%s %s: exit code %d, %s%s", args, yes, code, stdout, stderr)
			}
		}
	}
	if _, stdout, _ := discard("--output", "json"); !strings.Contains(stdout, `"error": "claims are not released: only this message leads to the events`) {
		t.Errorf("as JSON: %s", stdout)
	}
	if err := d.chargebee.RemoveLine(id, line); err != nil {
		t.Fatal(err)
	}
	if code, got, _ := discard("--release"); code != 0 || !strings.Contains(got, "released      1") || !strings.Contains(got, "Dry run") || len(queues.Messages(d.name+"_dead")) != 1 {
		t.Errorf("a dry run: %s", got)
	}
	if code, got, _ := discard("--yes", "--release"); code != 0 || !strings.Contains(got, "released      1") || len(queues.Messages(d.name+"_dead")) != 0 {
		t.Errorf("got %s", got)
	}
	if got := d.must("invoice", "show", id); !strings.Contains(got, "It holds no claims") {
		t.Errorf("got %s", got)
	}
}

// A discarded message is restored as it was, again if that is wanted, and the archive is kept.
func TestRestore(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	d.must("tables", "create")
	d.sendDeadLetter(`{"no":"webhook"}`) // with attributes of two types
	d.sendInvalidDeadLetters("ev", 30)
	bodies := func() map[string]string {
		found := map[string]string{}
		for _, message := range queues.Messages(d.name + "_dead") {
			found[message.Body] = fmt.Sprint(message.Attributes, message.GroupID)
		}
		return found
	}
	before := bodies()
	file := filepath.Join(t.TempDir(), "discarded.jsonl")
	for _, reason := range []string{"chargebee_refused", "too_old"} {
		d.must("dlq", "discard", "--reason", reason, "--yes", "--reason-note", "a test", "--file", file)
	}
	if got := len(queues.Messages(d.name + "_dead")); got != 0 {
		t.Fatalf("%d dead letters are left", got)
	}
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.must("dlq", "restore", file); !strings.Contains(got, "31 dead letters would be restored") || !strings.Contains(got, "Dry run: nothing was changed") || len(bodies()) != 0 {
		t.Errorf("a dry run: %s", got)
	}
	if got := d.must("dlq", "restore", file, "--yes"); !strings.Contains(got, "Restored 31 of 31 dead letters. The file is kept: restored again") {
		t.Errorf("got %s", got)
	}
	if after := bodies(); !maps.Equal(after, before) {
		t.Errorf("got  %v\nwant %v", after, before)
	}
	if kept, err := os.ReadFile(file); err != nil || string(kept) != string(archive) {
		t.Errorf("the archive was changed: %v", err)
	}
	if got := decode[struct{ Messages, Restored int }](d, "dlq", "restore", file, "--yes"); got.Messages != 31 || got.Restored != 31 || len(queues.Messages(d.name+"_dead")) != 62 {
		t.Errorf("a second time: %+v", got)
	}

	if err := os.WriteFile(file, append(archive, "{}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ file, want string }{
		{file, "message 32 is not one of an archive"},
		{file + ".missing", "no such file"},
	} {
		if code, _, stderr := d.command("dlq", "restore", test.file, "--yes"); code != 1 || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit code %d, %s", test.file, code, stderr)
		}
	}
	if got := len(queues.Messages(d.name + "_dead")); got != 62 {
		t.Errorf("%d messages, some of an invalid archive", got)
	}
}
