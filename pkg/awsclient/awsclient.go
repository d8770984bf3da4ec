// Package awsclient is how AWS is reached: region, credentials and endpoints as the
// SDK finds them by itself, over connections that suit a server.
package awsclient

import (
	"bytes"
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

// writeBuffer holds a transaction on a page of events, or a batch of webhooks, with its
// headers: it leaves in one write, and net/http allocates nothing to copy it.
const writeBuffer = 64 << 10

// Load returns the configuration for the SDK's clients. Errors are about settings:
// ErrNoRegion, or what of the shared configuration cannot be read.
func Load(ctx context.Context, options Options) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.MaxIdleConns = 2 * options.Connections
		transport.MaxIdleConnsPerHost = options.Connections
		transport.WriteBufferSize = writeBuffer
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
	loaded.HTTPClient = inMemory{loaded.HTTPClient} // which may have been rebuilt, with AWS_CA_BUNDLE
	return loaded, nil
}

// inMemory puts the body of every request into memory of its own, where it is already
// in the SDK's. For one thing, net/http then writes header and body at once. For
// another, the SDK closes a body once the answer is there, and if net/http has not
// looked yet whether the body is longer than announced, a closed one tells it io.EOF as
// an error, and the connection, with whatever is on it, is thrown away: that befalls
// about one in a hundred requests above 4 KiB to a service that is near.
type inMemory struct{ client aws.HTTPClient }

func (m inMemory) Do(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.ContentLength <= 0 {
		return m.client.Do(request)
	}
	content := make([]byte, request.ContentLength)
	if _, err := io.ReadFull(request.Body, content); err != nil {
		return nil, fmt.Errorf("read the body of a request: %w", err)
	}
	if err := request.Body.Close(); err != nil {
		return nil, fmt.Errorf("close the body of a request: %w", err)
	}
	request.Body = io.NopCloser(bytes.NewReader(content))
	return m.client.Do(request)
}
