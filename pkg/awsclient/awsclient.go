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

// writeBuffer is the size of net/http's write buffer in bytes. A usual transaction or batch of webhooks, with
// headers, fits it and is sent in one write.
const writeBuffer = 64 << 10

// responseTimeout bounds the wait for a response. It is for calls without a deadline, by which the SDK retrieves
// credentials. It exceeds the 20 s of a long poll of SQS.
const responseTimeout = 30 * time.Second

// Load returns the configuration of the SDK's clients. connections is the maximum number of concurrent calls to one
// service. By default the SDK keeps 10 idle connections to a service and opens further ones for single calls, which
// takes five times the CPU. Errors: ErrNoRegion, and those of the SDK's LoadDefaultConfig.
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
		// Renew renews early. The SDK's 5 min for containers would make credentials that live shorter always expired.
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
	loaded.HTTPClient = bufferedBody{loaded.HTTPClient} // not client: AWS_CA_BUNDLE replaces it
	return Renew(loaded, func(err error) {
		logger.Warn().Err(err).Msg("renewal of AWS credentials failed; keeping current credentials")
	}), nil
}

// initializeFunc is a middleware of the SDK around a call, which may have several attempts.
type initializeFunc func(context.Context, middleware.InitializeInput, middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error)

// withMiddleware adds a middleware to a copy of the configuration.
func withMiddleware(cfg aws.Config, id string, handle initializeFunc) aws.Config {
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc(id, handle), middleware.After)
	})
	return cfg
}

// bufferedBody copies the body of every request into a bytes.Reader, for two reasons:
//
//   - net/http then writes header and body at once.
//   - The SDK closes its body after the response, possibly before net/http has checked that the body is not longer
//     than its Content-Length. The check then fails, and net/http drops the connection: in 1 % of requests above
//     4 KiB to a fast service.
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
