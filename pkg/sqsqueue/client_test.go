package sqsqueue_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// With more callers than the SDK keeps connections, none is opened twice.
func TestTheClientKeepsItsConnections(t *testing.T) {
	t.Parallel()
	const callers, rounds = 40, 5
	for name, client := range map[string]aws.HTTPClient{"none": nil, "the SDK's own": awshttp.NewBuildableClient()} {
		var opened atomic.Int64
		var arrived sync.WaitGroup // so that all calls of a round are under way at once
		service := sqs.New(sqs.Config{})
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait()
			service.ServeHTTP(w, r)
		}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		server.Start()
		sdk := sqsqueue.NewClient(aws.Config{
			Region:       "eu-central-1",
			BaseEndpoint: &server.URL,
			Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient:   client,
		}, callers)
		for range rounds {
			arrived.Add(callers)
			var group sync.WaitGroup
			for range callers {
				group.Go(func() {
					if _, err := sdk.ListQueues(t.Context(), &awssqs.ListQueuesInput{}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
		// A caller may open a connection although one comes free a moment later.
		if opened.Load() > 2*callers {
			t.Errorf("client %s: %d connections for %d callers", name, opened.Load(), callers)
		}
		server.Close()
	}
}
