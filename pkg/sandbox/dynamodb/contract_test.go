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
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is AWS's own client of a service in the same process.
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
	contract.InVirtualTime(t, func() *awsdynamodb.Client { return client(dynamodb.New(dynamodb.Config{})) })
}

// TestKnownDifferencesAreOfChecks: a check that was renamed is not known to fail.
func TestKnownDifferencesAreOfChecks(t *testing.T) {
	t.Parallel()
	conformance.Known(t, contract.Outline(), contract.Known)
}

// The same in real time over a real connection, as far as it takes no time.
func TestContractOverLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(dynamodb.New(dynamodb.Config{}))
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	contract.Run(t, contract.Target{Client: clientOver(conformance.PlainBodies{RoundTripper: transport}, server.URL)})
}

var (
	endpoint = flag.String("endpoint", "", "what TestContractAt holds against the contract, e.g. http://127.0.0.1:8000")
	longest  = flag.Duration("longest", 0, "checks that last longer are skipped there")
	like     = flag.String("like", "", "the service whose known differences are skipped there, e.g. ministack")
)

// TestContractAt holds any other DynamoDB against the contract, in real time.
func TestContractAt(t *testing.T) {
	t.Parallel()
	if *endpoint == "" {
		t.Skip("-endpoint says which")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	contract.Run(t, contract.Target{
		Client:  clientOver(conformance.PlainBodies{RoundTripper: transport}, *endpoint),
		Longest: *longest,
		Known:   contract.Known[*like],
	})
}
