package commands_test

import (
	"encoding/json"
	"fmt"
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
	if got := d.must("dlq", "discard", "--event", "ev_001", "--yes", "--reason-note", "a test", "--file", file); !strings.Contains(got, "discarded      1") {
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
