package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	"github.com/rs/zerolog"
)

// ErrNoRegion means that neither the environment nor the shared configuration has a region.
var ErrNoRegion = errors.New("AWS configuration: no region: set AWS_REGION")

// writeBuffer holds a transaction on a page of events or a batch of webhooks, with headers, so
// that it is sent in one write and without a copy buffer.
const writeBuffer = 64 << 10

// responseTimeout is for calls without a deadline: those of the SDK that retrieve credentials. It is
// longer than a long poll of SQS.
const responseTimeout = 30 * time.Second

// Load returns the configuration of the SDK's clients, for the number of concurrent calls to one service. By
// default the SDK keeps 10 connections and opens others for each call, which takes five times the CPU. Errors:
// ErrNoRegion, and those of the shared configuration.
func Load(ctx context.Context, connections int, logger zerolog.Logger) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(transport *http.Transport) {
		transport.MaxIdleConns = 2 * connections
		transport.MaxIdleConnsPerHost = connections
		transport.WriteBufferSize = writeBuffer
		transport.ResponseHeaderTimeout = responseTimeout
	})
	loaded, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithHTTPClient(client),
		awsconfig.WithEndpointCredentialOptions(func(container *endpointcreds.Options) { container.HTTPClient = client }),
		// Renew has its own rule. The SDK's of 5 min for containers would take shorter ones for expired.
		awsconfig.WithCredentialsCacheOptions(func(cache *aws.CredentialsCacheOptions) { cache.ExpiryWindow = 0 }),
		awsconfig.WithLogger(logging.LoggerFunc(func(_ logging.Classification, format string, values ...any) {
			logger.Debug().Str("component", "aws-sdk").Msgf(format, values...)
		})),
	)
	if err != nil {
		return loaded, fmt.Errorf("AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return loaded, ErrNoRegion
	}
	loaded.HTTPClient = bufferedBody{loaded.HTTPClient} // Load may have replaced client, for AWS_CA_BUNDLE
	return Renew(loaded, func(err error) {
		logger.Warn().Err(err).Msg("renewal of AWS credentials failed; keeping current credentials")
	}), nil
}

// initializeFunc is a middleware of the SDK around a call with all its attempts.
type initializeFunc func(context.Context, middleware.InitializeInput, middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error)

func withMiddleware(config aws.Config, id string, handle initializeFunc) aws.Config {
	config.APIOptions = append(slices.Clip(config.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, handle), middleware.After)
	})
	return config
}

// bufferedBody copies the body of every request into a bytes.Reader, for two reasons. net/http
// then writes header and body at once. And the SDK closes the body after the response: if
// net/http has not yet checked whether the body is longer than its Content-Length, it takes the
// error of the closed body for a failed request and drops the connection, which happens in 1 %
// of requests above 4 KiB to a fast service.
type bufferedBody struct{ client aws.HTTPClient }

func (b bufferedBody) Do(request *http.Request) (*http.Response, error) {
	if request.Body == nil || request.ContentLength <= 0 {
		return b.client.Do(request)
	}
	content := make([]byte, request.ContentLength)
	if _, err := io.ReadFull(request.Body, content); err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if err := request.Body.Close(); err != nil {
		return nil, fmt.Errorf("close request body: %w", err)
	}
	request.Body = io.NopCloser(bytes.NewReader(content))
	return b.client.Do(request)
}
