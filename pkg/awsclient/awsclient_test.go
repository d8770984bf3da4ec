package awsclient_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
)

// environment is one in which the SDK finds all it needs.
func environment(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CA_BUNDLE": "",
	} {
		t.Setenv(name, value)
	}
}

// counted serves a handler and counts the connections that are opened.
func counted(t *testing.T, handler http.Handler) (url string, opened *atomic.Int64) {
	t.Helper()
	opened = new(atomic.Int64)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, opened
}

// failingLog fails the test that logs something.
type failingLog struct{ *testing.T }

func (l failingLog) Write(line []byte) (int, error) {
	l.Errorf("logged: %s", line)
	return len(line), nil
}

func load(t *testing.T, connections int) aws.Config {
	t.Helper()
	config, err := awsclient.Load(t.Context(), connections, zerolog.New(failingLog{t}))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestLoad_KeepsConnections with more callers than the SDK keeps connections.
func TestLoad_KeepsConnections(t *testing.T) {
	environment(t)
	const callers, rounds = 40, 5
	var arrived sync.WaitGroup // so that all calls of a round run at once
	service := sqs.New(sqs.Config{})
	url, opened := counted(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait()
		service.ServeHTTP(w, r)
	}))
	client := awssqs.NewFromConfig(load(t, callers), func(options *awssqs.Options) { options.BaseEndpoint = &url })
	for range rounds {
		arrived.Add(callers)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				if _, err := client.ListQueues(t.Context(), &awssqs.ListQueuesInput{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	// A caller may open a connection although one comes free a moment later.
	if opened.Load() > 2*callers {
		t.Errorf("%d connections for %d callers", opened.Load(), callers)
	}
}

// closedBody is a request body of the SDK that was closed before the transport asked
// it for more than was announced.
type closedBody struct{ io.Reader }

func (closedBody) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }
func (closedBody) Close() error                     { return nil }

// TestLoad_ClosedBodiesKeepConnections where the SDK closed a body before the transport
// was through with it.
func TestLoad_ClosedBodiesKeepConnections(t *testing.T) {
	environment(t)
	url, opened := counted(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	client := load(t, 10).HTTPClient
	const body = "sixteen bytes it"
	for range 5 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, closedBody{strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = int64(len(body))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for calls one after the other", opened.Load())
	}
}

func TestLoad_NoRegion(t *testing.T) {
	environment(t)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	if _, err := awsclient.Load(t.Context(), 1, zerolog.Nop()); !errors.Is(err, awsclient.ErrNoRegion) {
		t.Errorf("got %v", err)
	}
}
