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

// minRenewalInterval is the minimum time between attempts shortly before the credentials expire.
const minRenewalInterval = time.Second

// Renew returns a configuration whose temporary credentials are renewed before they expire. The first call after
// 40 to 50 % of their lifetime begins the renewal, and does not wait for it. The SDK alone renews them in the
// first call after they expire: that call waits for the renewal, and fails if the renewal fails.
//
// If a renewal fails before the credentials expire, failed is called, calls use the credentials until they
// expire, and the next attempt follows after 40 to 50 % of the remaining time. Without valid credentials, calls
// wait for a renewal and return its error. A call that AWS refuses because its token has expired renews the
// credentials and is sent once more.
//
// Renew leaves the credentials of an EC2 instance to the SDK, which uses them beyond their expiry.
func Renew(cfg aws.Config, failed func(error)) aws.Config {
	cache, ok := cfg.Credentials.(*aws.CredentialsCache)
	if !ok || cache.IsCredentialsProvider((*ec2rolecreds.Provider)(nil)) {
		return cfg
	}
	renewed := &renewedCredentials{cache: cache, failed: failed}
	cfg.Credentials = renewed
	return withMiddleware(cfg, "BillableExpiredTokens", renewed.repeatExpired)
}

// renewedCredentials is an aws.CredentialsProvider.
type renewedCredentials struct {
	cache  *aws.CredentialsCache // after Invalidate, it retrieves credentials from their source
	failed func(error)

	current  atomic.Pointer[renewable] // nil before the first retrieval
	renewals singleflight.Group
}

// renewable has credentials and the time from which a call begins their renewal.
type renewable struct {
	aws.Credentials
	renewAt time.Time // unused if CanExpire is false
}

// Retrieve returns the current credentials. It waits for a renewal only if they are absent or expired.
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

// retrieve retrieves new credentials and stores them. Its result is an aws.Credentials, as any for singleflight.
func (c *renewedCredentials) retrieve() (any, error) {
	c.cache.Invalidate()
	credentials, err := c.cache.Retrieve(context.Background()) // one caller's context must not end the renewal for all
	if err == nil {
		c.store(credentials)
		return credentials, nil
	}
	// Not wrapped: callers would mistake its status and code for those of the service that they called.
	err = errors.New(err.Error())
	if current := c.current.Load(); current != nil && !current.Expired() {
		c.store(current.Credentials)
		c.failed(err)
	}
	return nil, err
}

// store stores credentials, and when their next renewal begins.
func (c *renewedCredentials) store(credentials aws.Credentials) {
	delay := retry.Jitter(time.Until(credentials.Expires)/2, 0.2)
	c.current.Store(&renewable{credentials, time.Now().Add(max(delay, minRenewalInterval))})
}

// repeatExpired renews the credentials and repeats the call if AWS refuses an expired token: this clock may be
// behind, or an operator revoked the session.
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
