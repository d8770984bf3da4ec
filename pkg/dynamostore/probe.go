package dynamostore

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/billable-events/billable/pkg/finding"
)

// probeKey is a key that no item has.
const probeKey = "#check"

// Denied reports whether an error means that the caller lacks the permission.
func Denied(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "AccessDeniedException"
}

// ProbeLedger tests the permissions on the ledger table by reads, and by writes whose condition is never met. These
// writes change nothing, and DynamoDB checks the permission before the condition.
func (s *Store) ProbeLedger(ctx context.Context) []finding.Probe {
	key, never := ledgerKey(probeKey), impossible(attributeInvoiceID)
	return []finding.Probe{
		probe(ctx, "dynamodb:GetItem", func(ctx context.Context) error {
			_, err := s.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.LedgerTable, Key: key})
			return err
		}),
		probe(ctx, "dynamodb:PutItem", func(ctx context.Context) error {
			_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.LedgerTable, Item: key, ConditionExpression: never})
			return err
		}),
		probe(ctx, "dynamodb:UpdateItem", func(ctx context.Context) error {
			_, err := s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.LedgerTable, Key: key, ConditionExpression: never})
			return err
		}),
		probe(ctx, "dynamodb:Scan", func(ctx context.Context) error {
			_, err := s.Client.Scan(ctx, &dynamodb.ScanInput{TableName: &s.LedgerTable, Limit: aws.Int32(1)})
			return err
		}),
	}
}

// ProbeEvents tests the permissions on the events table and its index, as ProbeLedger does.
func (s *Store) ProbeEvents(ctx context.Context) []finding.Probe {
	return []finding.Probe{
		probe(ctx, "dynamodb:Query on the index", s.CheckEvents),
		probe(ctx, "dynamodb:UpdateItem", func(ctx context.Context) error {
			_, err := s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: &s.EventsTable, Key: item{"subscription_id": text(probeKey), "event_id": text(probeKey)},
				ConditionExpression: impossible("subscription_id"),
			})
			return err
		}),
		probe(ctx, "dynamodb:Scan on the index", func(ctx context.Context) error {
			_, err := s.Client.Scan(ctx, &dynamodb.ScanInput{TableName: &s.EventsTable, IndexName: aws.String(unbilledIndex), Limit: aws.Int32(1)})
			return err
		}),
	}
}

// CheckEvents returns an error if the index of unbilled events cannot be queried.
func (s *Store) CheckEvents(ctx context.Context) error {
	for _, err := range s.Unbilled(ctx, probeKey, time.Now().Unix()) {
		return err
	}
	return nil
}

// impossible returns a condition that is never met.
func impossible(key string) *string {
	return aws.String("attribute_exists(" + key + ") AND attribute_not_exists(" + key + ")")
}

// probe makes a call and returns whether its permission is denied. After a failed condition it is granted.
func probe(ctx context.Context, action string, call func(context.Context) error) finding.Probe {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := call(ctx)
	_, refused := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case refused:
		return finding.Probe{Action: action}
	case Denied(err):
		return finding.Probe{Action: action, Denied: true}
	default:
		return finding.Probe{Action: action, Err: err}
	}
}
