package sqsqueue

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// NewClient returns a client that keeps up to the given number of connections open.
// The SDK keeps 10 and opens and closes the others for every call, which costs five
// times the CPU. Region, credentials and endpoint are those of the configuration; an
// HTTP client that the caller has put into it is used as it is.
func NewClient(config aws.Config, connections int) *sqs.Client {
	client, buildable := config.HTTPClient.(*awshttp.BuildableClient)
	if config.HTTPClient == nil {
		client, buildable = awshttp.NewBuildableClient(), true
	}
	if buildable {
		config.HTTPClient = client.WithTransportOptions(func(transport *http.Transport) {
			transport.MaxIdleConns = max(transport.MaxIdleConns, connections)
			transport.MaxIdleConnsPerHost = connections
		})
	}
	return sqs.NewFromConfig(config)
}

// once makes a call without the SDK's own repetitions, for those who repeat
// themselves.
func once(options *sqs.Options) { options.Retryer = aws.NopRetryer{} }
