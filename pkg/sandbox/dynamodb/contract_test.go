package dynamodb_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"go.uber.org/goleak"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/conformance"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/dynamodbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client returns AWS's client of a service in the same process.
func client(service *dynamodb.Service) *awsdynamodb.Client {
	return clientOver(sandbox.Transport{Handler: service}, "http://sandbox.local")
}

func clientOver(transport http.RoundTripper, endpoint string) *awsdynamodb.Client {
	return awsdynamodb.New(awsdynamodb.Options{
		Region:       "eu-central-1",
		BaseEndpoint: &endpoint,
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:   &http.Client{Transport: transport},
		Retryer:      aws.NopRetryer{},
	})
}

func TestContract(t *testing.T) {
	t.Parallel()
	dynamodbtest.Suite.InVirtualTime(t, func() *awsdynamodb.Client { return client(dynamodb.New(dynamodb.Config{})) })
}

func TestKnownDifferencesAreChecks(t *testing.T) {
	t.Parallel()
	dynamodbtest.Suite.RequireNames(t, dynamodbtest.Known)
}

// TestContractOverLoopback runs the checks that do not sleep in real time over a real
// connection.
func TestContractOverLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(dynamodb.New(dynamodb.Config{}))
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	dynamodbtest.Suite.Against(t, conformance.Target[*awsdynamodb.Client]{Client: clientOver(conformance.PlainBodies{RoundTripper: transport}, server.URL)})
}

var (
	endpoint = flag.String("endpoint", "", "the endpoint that TestContractAt checks, e.g. http://127.0.0.1:8000")
	longest  = flag.Duration("longest", 0, "checks that last longer are skipped there")
	like     = flag.String("like", "", "the service whose known differences are skipped there, e.g. ministack")
)

// TestContractAt checks any other DynamoDB in real time.
func TestContractAt(t *testing.T) {
	t.Parallel()
	if *endpoint == "" {
		t.Skip("needs -endpoint")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	dynamodbtest.Suite.Against(t, conformance.Target[*awsdynamodb.Client]{
		Client:  clientOver(conformance.PlainBodies{RoundTripper: transport}, *endpoint),
		Longest: *longest,
		Known:   dynamodbtest.Known[*like],
	})
}
