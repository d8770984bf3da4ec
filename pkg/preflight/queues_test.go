package preflight_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/preflight"
)

const (
	day      = 24 * time.Hour
	arn      = "arn:aws:sqs:eu-central-1:000000000000:"
	queueURL = "https://sqs.eu-central-1.amazonaws.com/000000000000/"
)

// found are two queues as they should be.
func found() (main, deadLetters preflight.Queue) {
	main = preflight.Queue{URL: queueURL + "main", Attributes: finding.QueueAttributes{
		ARN: arn + "main", Retention: 7 * day, Visibility: 30 * time.Second, MaxMessageBytes: 1 << 20, Encrypted: true,
		RedriveTarget: arn + "letters", MaxReceives: 1000,
	}}
	deadLetters = preflight.Queue{URL: queueURL + "letters", Attributes: finding.QueueAttributes{
		ARN: arn + "letters", Retention: 14 * day, MaxMessageBytes: 1 << 20, Encrypted: true,
	}}
	return main, deadLetters
}

var needs = preflight.Requirements{MinReceives: 960, MaxAge: 6 * day, MaxIdle: 40 * time.Minute, Visibility: time.Minute}

// wrong lists the findings that are not ok.
func wrong(findings []preflight.Finding) string {
	var names []string
	for _, found := range findings {
		if found.Level != finding.OK {
			names = append(names, fmt.Sprintf("%s %s", found.Level, found.Name))
		}
	}
	return strings.Join(names, ", ")
}

// These are the cases that no fake can be configured for, or that are close together.
func TestQueues(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(main, deadLetters *preflight.Queue)
		want   string
	}{
		"as it should be":       {func(_, _ *preflight.Queue) {}, ""},
		"FIFO by its attribute": {func(main, _ *preflight.Queue) { main.Attributes.FIFO = true }, "error queue_is_fifo"},
		"unreachable":           {func(main, _ *preflight.Queue) { main.Err = errors.New("no route") }, "error queue_unreachable"},
		"not to be described":   {func(main, _ *preflight.Queue) { main.Denied = true }, ""},
		"enough receives":       {func(main, _ *preflight.Queue) { main.Attributes.MaxReceives = 960 }, ""},
		"one too few":           {func(main, _ *preflight.Queue) { main.Attributes.MaxReceives = 959 }, "error max_receive_count_low"},
		"kept just long enough": {func(main, _ *preflight.Queue) { main.Attributes.Retention = 6*day + 40*time.Minute }, "warning retention_short"},
		"kept a second less":    {func(main, _ *preflight.Queue) { main.Attributes.Retention = 6*day + 40*time.Minute - 1 }, "error retention_too_short"},
		"kept as long as dead letters": {func(main, deadLetters *preflight.Queue) {
			main.Attributes.Retention, deadLetters.Attributes.Retention = 14*day, 14*day
		}, ""},
		"another region": {func(main, _ *preflight.Queue) { main.URL = "https://sqs.us-east-1.amazonaws.com/000000000000/main" }, "error queue_region_differs"},
		"in China":       {func(main, _ *preflight.Queue) { main.URL = "https://sqs.cn-north-1.amazonaws.com.cn/0/main" }, "error queue_region_differs"},
		"a fake":         {func(main, _ *preflight.Queue) { main.URL = "http://127.0.0.1:9324/000000000000/main" }, ""},
		"a source of two": {func(_, deadLetters *preflight.Queue) {
			deadLetters.Attributes.RedrivePermission, deadLetters.Attributes.Sources = "byQueue", arn+"other "+arn+"main"
		}, ""},
		"not the source": {func(_, deadLetters *preflight.Queue) {
			deadLetters.Attributes.RedrivePermission, deadLetters.Attributes.Sources = "byQueue", arn+"other"
		}, "error redrive_not_allowed"},
		"all are allowed": {func(_, deadLetters *preflight.Queue) { deadLetters.Attributes.RedrivePermission = "allowAll" }, ""},
		"dead letters missing": {func(_, deadLetters *preflight.Queue) {
			deadLetters.Missing, deadLetters.Attributes = true, finding.QueueAttributes{}
		}, "error queue_missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			main, deadLetters := found()
			test.change(&main, &deadLetters)
			if got := wrong(preflight.Queues(main, deadLetters, needs)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// The permissions of a KMS key are not tested.
func TestQueues_Summary(t *testing.T) {
	t.Parallel()
	main, deadLetters := found()
	main.Attributes.KMSKey, main.Attributes.Visible = "alias/mine", 7
	findings := preflight.Queues(main, deadLetters, needs)
	if len(findings) != 2 || !strings.Contains(findings[0].Message, "alias/mine (its permissions are not tested)") || !strings.Contains(findings[0].Message, "about 7 visible") {
		t.Errorf("got %+v", findings)
	}
}
