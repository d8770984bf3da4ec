package sqs_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/conformance"
	"github.com/billable-events/billable/pkg/sandbox/sqs"
	"github.com/billable-events/billable/pkg/sandbox/sqs/sqstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns AWS's client of a service in the same process.
func client(service *sqs.Service) *awssqs.Client {
	return clientOver(sandbox.Transport{Handler: service}, "http://sandbox.local")
}

func clientOver(transport http.RoundTripper, endpoint string) *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region:       "eu-central-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: transport},
		Retryer:      aws.NopRetryer{},
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	sqstest.Suite.InVirtualTime(t, func() *awssqs.Client { return client(sqs.New(sqs.Config{})) })
}

func TestKnownDifferencesAreChecks(t *testing.T) {
	t.Parallel()
	sqstest.Suite.RequireNames(t, sqstest.Known)
}

// TestContractOverLoopback runs the checks that do not sleep in real time over a real
// connection, and the one that needs a connection: the service notices a caller that left.
func TestContractOverLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(sqs.New(sqs.Config{}))
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	target := conformance.Target[*awssqs.Client]{Client: clientOver(conformance.PlainBodies{RoundTripper: transport}, server.URL)}
	sqstest.Suite.Against(t, target)
	target.Longest, target.Only = time.Second, []string{"polling/a cancelled poll loses nothing"}
	sqstest.Suite.Against(t, target)
}

var (
	endpoint = flag.String("endpoint", "", "the endpoint that TestContractAt checks, e.g. http://127.0.0.1:9324")
	longest  = flag.Duration("longest", 0, "checks that last longer are skipped there")
	like     = flag.String("like", "", "the service whose known differences are skipped there, e.g. ministack")
)

// TestContractAt checks any other SQS in real time.
func TestContractAt(t *testing.T) {
	t.Parallel()
	if *endpoint == "" {
		t.Skip("needs -endpoint")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	sqstest.Suite.Against(t, conformance.Target[*awssqs.Client]{
		Client:  clientOver(conformance.PlainBodies{RoundTripper: transport}, *endpoint),
		Longest: *longest,
		Known:   sqstest.Known[*like],
	})
}
