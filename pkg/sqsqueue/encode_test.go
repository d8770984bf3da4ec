package sqsqueue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/queue"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// recording is a client of SQS, and the last request that left it.
type recording struct {
	header http.Header
	body   []byte
}

// Do records the request and returns a fixed response.
func (r *recording) Do(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	r.header, r.body = request.Header, body
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: request,
		Body: io.NopCloser(strings.NewReader(`{"Successful":[{"Id":"0","MessageId":"m"}],"Failed":[]}`)),
	}, nil
}

func (r *recording) client() *awssqs.Client {
	return awssqs.NewFromConfig(aws.Config{
		Region:       "eu-central-1",
		BaseEndpoint: aws.String("http://sandbox.local"),
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   r,
	})
}

// bySDK sends with the SDK's own protocol.
type bySDK struct{ *awssqs.Client }

func (b bySDK) SendMessageBatch(ctx context.Context, input *awssqs.SendMessageBatchInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageBatchOutput, error) {
	return b.Client.SendMessageBatch(ctx, input, func(options *awssqs.Options) { options.DisableMessageChecksumValidation = true })
}

// The encoded request is equal to that of the SDK.
func FuzzBatchProtocol(f *testing.F) {
	f.Add("{}", "", "", "")
	f.Add(`{"id":"ev_1","note":"a \"quote\", a \\, a tab\t, \u2028"}`, "customer", "event_id", "ev_1")
	f.Add("line\nand\r\n\ttab, <&>\u2028\u2029\u007f\U0001f4b6é", "kundé €", "invoice_id", "draft_\"1\"")
	f.Fuzz(func(t *testing.T, body, group, name, value string) {
		if !utf8.ValidString(body + group + name + value) {
			t.Skip("a webhook with invalid UTF-8 is refused before")
		}
		message := queue.Message{Body: []byte(body), GroupID: group, Attributes: map[string]string{name: value, "event_type": "pending_invoice_created"}, OtherAttributes: map[string]queue.Attribute{
			"their.number": {Type: "Number", Value: []byte(value)}, "their.bytes": {Type: "Binary.raw", Value: []byte(body)},
		}}
		var ours, theirs recording
		for _, client := range []sqsqueue.Client{ours.client(), bySDK{theirs.client()}} {
			if _, err := sqsqueue.NewSender(client, "http://sandbox.local/1/events", nil).Send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(decoded(t, theirs.body), decoded(t, ours.body)); diff != "" {
			t.Errorf("body (-want +got):\n%s", diff)
		}
		own := func(name string) bool { return strings.HasPrefix(name, "X-Amz") || name == "Content-Type" }
		for _, name := range slices.Sorted(maps.Keys(theirs.header)) {
			if own(name) && len(ours.header[name]) != len(theirs.header[name]) {
				t.Errorf("%s: %v, want %v", name, ours.header[name], theirs.header[name])
			}
		}
		for _, name := range []string{"X-Amz-Target", "Content-Type"} {
			if got, want := ours.header.Get(name), theirs.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

func decoded(t *testing.T, body []byte) (value any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return value
}
