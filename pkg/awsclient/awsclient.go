// Package awsclient is how AWS is reached: region, credentials and endpoints as the
// SDK finds them by itself, over connections that suit a server.
package awsclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// ErrNoRegion says that neither environment nor shared configuration name a region.
var ErrNoRegion = errors.New("AWS configuration: there is no region: set AWS_REGION")

// Options is what a program says about its use of AWS.
type Options struct {
	// Connections is how many calls to one service are under way at the same time. The
	// SDK keeps 10 connections and opens and closes the others for every call, which
	// costs five times the CPU.
	Connections int
	// Log takes what the SDK has to say about connections. What it cannot mend it
	// returns as an error besides.
	Log func(format string, values ...any)
}

// Load returns the configuration for the SDK's clients. Errors are about settings:
// ErrNoRegion, or what of the shared configuration cannot be read.
func Load(ctx context.Context, options Options) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.MaxIdleConns = 2 * options.Connections
		transport.MaxIdleConnsPerHost = options.Connections
	})
	loaded, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithHTTPClient(client),
		awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, values ...any) {
			options.Log(format, values...)
		})),
	)
	if err != nil {
		return loaded, fmt.Errorf("AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return loaded, ErrNoRegion
	}
	loaded.HTTPClient = plainBodies{loaded.HTTPClient} // which may have been rebuilt, with AWS_CA_BUNDLE
	return loaded, nil
}

// plainBodies hides that the SDK's request bodies can write themselves. The SDK closes
// a body once the answer is there. If net/http has not looked yet whether the body is
// longer than announced, such a body tells it io.EOF as an error where it asks for
// nothing more to write, and the connection, with whatever is on it, is thrown away.
// That befalls about one in a hundred requests above 4 KiB to a service that is near.
type plainBodies struct{ client aws.HTTPClient }

func (p plainBodies) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		request.Body = plainBody{request.Body}
	}
	return p.client.Do(request)
}

type plainBody struct{ io.ReadCloser }
