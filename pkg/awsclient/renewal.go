package awsclient

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/singleflight"

	"github.com/billable-events/billable/pkg/retry"
)

// minRenewalInterval separates attempts shortly before the credentials expire.
const minRenewalInterval = time.Second

// Renew returns a configuration whose temporary credentials are renewed in the background, after 40 to
// 50 % of their lifetime. The SDK alone renews them in the first call after they expire: that call waits
// for the renewal, and fails if the renewal fails. A call that AWS refuses because the token has expired
// renews the credentials and is sent once more.
//
// If a renewal fails before the credentials expire, failed is called, they are used until they expire, and
// the next attempt is made after 40 to 50 % of the time that is left. Without valid credentials, calls wait
// for a renewal and return its error.
//
// The credentials of an EC2 instance are left to the SDK, which keeps them beyond their expiry.
func Renew(config aws.Config, failed func(error)) aws.Config {
	cache, ok := config.Credentials.(*aws.CredentialsCache)
	if !ok || cache.IsCredentialsProvider((*ec2rolecreds.Provider)(nil)) {
		return config
	}
	renewed := &renewedCredentials{cache: cache, failed: failed}
	config.Credentials = renewed
	return withMiddleware(config, "BillableExpiredTokens", renewed.repeatExpired)
}

type renewedCredentials struct {
	cache  *aws.CredentialsCache // retrieves credentials once it is invalidated
	failed func(error)

	current  atomic.Pointer[renewable] // nil before the first retrieval
	renewals singleflight.Group
}

// renewable are credentials with the time from which they are renewed.
type renewable struct {
	aws.Credentials
	renewAt time.Time // unused if CanExpire is false
}

// Retrieve implements aws.CredentialsProvider. It waits for a renewal only if there are no valid
// credentials.
func (c *renewedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	current := c.current.Load()
	if current == nil || current.Expired() {
		return c.renew(ctx)
	}
	if current.CanExpire && !time.Now().Before(current.renewAt) {
		c.renewals.DoChan("", c.retrieve)
	}
	return current.Credentials, nil
}

// renew waits for a renewal, until ctx ends. Concurrent callers share one.
func (c *renewedCredentials) renew(ctx context.Context) (aws.Credentials, error) {
	select {
	case renewal := <-c.renewals.DoChan("", c.retrieve):
		if renewal.Err != nil {
			return aws.Credentials{}, renewal.Err
		}
		return renewal.Val.(aws.Credentials), nil
	case <-ctx.Done():
		return aws.Credentials{}, &aws.RequestCanceledError{Err: ctx.Err()}
	}
}

// retrieve retrieves other credentials and stores them. It returns them as an aws.Credentials.
func (c *renewedCredentials) retrieve() (any, error) {
	c.cache.Invalidate()
	credentials, err := c.cache.Retrieve(context.Background()) // its result is for all callers
	if err == nil {
		c.store(credentials)
		return credentials, nil
	}
	// Not wrapped: a caller would take status and code for the response of the service that it called.
	err = errors.New(err.Error())
	if current := c.current.Load(); current != nil && !current.Expired() {
		c.store(current.Credentials)
		c.failed(err)
	}
	return nil, err
}

func (c *renewedCredentials) store(credentials aws.Credentials) {
	delay := retry.Jitter(time.Until(credentials.Expires)/2, 0.2)
	c.current.Store(&renewable{credentials, time.Now().Add(max(delay, minRenewalInterval))})
}

// repeatExpired renews the credentials and repeats the call if AWS refuses an expired token. Clocks may differ, and a
// session may be revoked.
func (c *renewedCredentials) repeatExpired(ctx context.Context, input middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	output, metadata, err := next.HandleInitialize(ctx, input)
	if !isExpiredToken(err) {
		return output, metadata, err
	}
	if _, renewalErr := c.renew(ctx); renewalErr != nil {
		return output, metadata, errors.Join(err, renewalErr)
	}
	return next.HandleInitialize(ctx, input)
}

func isExpiredToken(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && (api.ErrorCode() == "ExpiredToken" || api.ErrorCode() == "ExpiredTokenException")
}
