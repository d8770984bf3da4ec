package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/retry"
)

// callTimeout is the maximum time of one call, including the retries of the SDK. The SDK has no timeout for a dead
// connection.
const callTimeout = 5 * time.Second

var retryBackoff = retry.Backoff{First: 50 * time.Millisecond, Max: time.Second, Attempts: 4}

// API is the part of the SDK's client that Store uses.
type API interface {
	GetItem(ctx context.Context, input *dynamodb.GetItemInput, options ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(ctx context.Context, input *dynamodb.PutItemInput, options ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(ctx context.Context, input *dynamodb.QueryInput, options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(ctx context.Context, input *dynamodb.ScanInput, options ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	UpdateItem(ctx context.Context, input *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(ctx context.Context, input *dynamodb.TransactWriteItemsInput, options ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Store accesses the ledger and the billable events of one deployment. It is safe for concurrent use.
type Store struct {
	Client      API
	EventsTable string
	LedgerTable string
}

type item = map[string]types.AttributeValue

// get returns one item of the ledger by a strongly consistent read; nil if there is none.
func (s *Store) get(ctx context.Context, key string) (item, error) {
	output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.GetItemOutput, error) {
		return s.Client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName:      &s.LedgerTable,
			Key:            ledgerKey(key),
			ConsistentRead: new(true),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dynamodb: get %s: %w", key, err)
	}
	return output.Item, nil
}

// withRetry repeats a call after a temporary failure. The call must be idempotent. The SDK retries too, but not after
// a truncated response.
func withRetry[Output any](ctx context.Context, call func(context.Context) (Output, error)) (Output, error) {
	retryable := func(err error) bool { return errors.Is(classify(err), billing.ErrBusy) }
	return retry.Do(ctx, retryBackoff, retryable, func(ctx context.Context) (Output, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return call(ctx)
	})
}

func ledgerKey(key string) item { return item{attributeInvoiceID: text(key)} }

// classify adds billing.ErrBusy to an error that may be temporary. After ErrBusy, a write may have been applied. After
// other errors, it was not.
func classify(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) || isServerError(err) || busyCodes[api.ErrorCode()] {
		return fmt.Errorf("%w: %w", billing.ErrBusy, err)
	}
	return err
}

// isServerError reports whether the response has a status of 500 or above. The SDK has no error type for
// InternalFailure, or for a response without a code.
func isServerError(err error) bool {
	var resp *smithyhttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() >= http.StatusInternalServerError
}

// busyCodes are the codes of temporary errors with a status below 500.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
var busyCodes = map[string]bool{
	"ProvisionedThroughputExceededException": true,
	"ThrottlingException":                    true,
	"RequestLimitExceeded":                   true,
	"LimitExceededException":                 true,
	"TransactionConflictException":           true,
	"TransactionInProgressException":         true,
	"ReplicatedWriteConflictException":       true,
}
