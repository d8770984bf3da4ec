package dynamostore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// remembered is a service that answers each operation always as it did the first time,
// so that nothing of its own work is measured. Writes always succeed.
type remembered struct {
	service http.RoundTripper
	answers map[string]remembrance // by operation; one call at a time
}

type remembrance struct {
	header http.Header
	body   []byte
}

func (r *remembered) RoundTrip(request *http.Request) (*http.Response, error) {
	target := request.Header.Get("X-Amz-Target")
	known, ok := r.answers[target]
	if !ok {
		response, err := r.service.RoundTrip(request)
		if err != nil || response.StatusCode != http.StatusOK {
			return response, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		known = remembrance{response.Header, body}
		r.answers[target] = known
	} else if _, err := io.Copy(io.Discard, request.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: known.header, ContentLength: int64(len(known.body)),
		Body: io.NopCloser(bytes.NewReader(known.body)), Request: request,
	}, nil
}

// BenchmarkStore measures the calls of an invoice of 50 events without network and service: encoding,
// signing, decoding.
func BenchmarkStore(b *testing.B) {
	var keys []billing.EventKey
	page := billing.Page{Number: 1}
	for i := range 50 {
		key := billing.EventKey{SubscriptionID: "sub", EventID: fmt.Sprintf("evt_%06d_4f1c2a9b", i)}
		keys = append(keys, key)
		page.Events = append(page.Events, billing.Event{EventKey: key, OccurredAt: 100, ChargeCode: "calls", Amount: "1.50", CurrencyCode: "EUR"})
	}
	store := rememberedStore(b, page.Events)
	commit := func(step billing.Step) func(context.Context) error {
		step.PreviousVersion, step.Record = "w0", full()
		return func(ctx context.Context) error { return store.Commit(ctx, step) }
	}
	for _, call := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"Head", func(ctx context.Context) error {
			_, ok, err := store.Record(ctx, "draft")
			if err == nil && !ok {
				err = errors.New("there is no head")
			}
			return err
		}},
		{"Unbilled=50", func(ctx context.Context) error {
			found := 0
			for _, err := range store.Unbilled(ctx, "sub", 1000) {
				if err != nil {
					return err
				}
				found++
			}
			if found != len(keys) {
				return fmt.Errorf("%d events are unbilled", found)
			}
			return nil
		}},
		{"Commit/head", commit(billing.Step{})},
		{"Commit/claim=50", commit(billing.Step{Claim: &page})},
		{"Commit/bill=50", commit(billing.Step{Bill: page.Events})},
	} {
		b.Run(call.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call.do(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// rememberedStore is a store over a service that holds a head and events.
func rememberedStore(b *testing.B, events []billing.Event) *dynamostore.Store {
	b.Helper()
	service := sandbox.Transport{Handler: dynamodb.New(dynamodb.Config{})}
	client := func(transport http.RoundTripper) *awsdynamodb.Client {
		return awsdynamodb.NewFromConfig(aws.Config{
			Region:      "eu-central-1",
			Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
			HTTPClient:  &http.Client{Transport: transport},
		}, func(options *awsdynamodb.Options) { options.BaseEndpoint = aws.String("http://sandbox.local") })
	}
	filling := client(service)
	if _, err := (&dynamostore.Tables{Client: filling, EventsTable: "events", LedgerTable: "ledger"}).Create(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, unbilled := range events {
		if _, err := filling.PutItem(b.Context(), &awsdynamodb.PutItemInput{TableName: aws.String("events"), Item: event(unbilled.EventID, nil)}); err != nil {
			b.Fatal(err)
		}
	}
	store := &dynamostore.Store{Client: filling, EventsTable: "events", LedgerTable: "ledger"}
	if err := store.Commit(b.Context(), billing.Step{Record: full()}); err != nil {
		b.Fatal(err)
	}
	store.Client = client(&remembered{service: service, answers: map[string]remembrance{
		"DynamoDB_20120810.PutItem":            {body: []byte("{}")},
		"DynamoDB_20120810.TransactWriteItems": {body: []byte("{}")},
	}})
	return store
}
