package dynamostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/ratelimit"
)

// rateLimitKey is the key of the item that the rate limiters of all processes share.
const rateLimitKey = "#ratelimit"

// RateLimitStore is a ratelimit.Store in the ledger's table.
type RateLimitStore struct{ store *Store }

// RateLimit returns the store of the rate limiter.
func (s *Store) RateLimit() RateLimitStore { return RateLimitStore{s} }

// Read implements ratelimit.Store.
func (s RateLimitStore) Read(ctx context.Context) (ratelimit.State, error) {
	found, err := s.store.get(ctx, rateLimitKey) //mutant:rate-limit-read
	return decodeRateLimit(found), err
}

// Grant implements ratelimit.Store. If the bucket is not full, the update adds to tat. The sum does not depend on a
// value that was read, so that grants of several processes are applied while the bucket has calls for them.
func (s RateLimitStore) Grant(ctx context.Context, grant ratelimit.Grant) (found ratelimit.State, applied bool, err error) {
	const sets = "SET clock = :clock, requests_per_minute = :limit"
	const notPaused = "attribute_not_exists(pause) AND attribute_not_exists(operator_pause)"
	values := item{":clock": number(grant.Clock), ":limit": number(grant.RequestsPerMinute), ":from": number(grant.From)}
	hasScale := equals("scale", encodeControl(ratelimit.Control{Scale: grant.Scale})["scale"], values)
	if grant.Idle {
		values[":next"] = number(grant.From + grant.Cost)
		return s.update(ctx, sets+", tat = :next", values, "(attribute_not_exists(tat) OR tat < :from)", notPaused, hasScale)
	}
	values[":cost"], values[":last"] = number(grant.Cost), number(grant.Until-grant.Cost)
	return s.update(ctx, sets+" ADD tat :cost", values, "tat BETWEEN :from AND :last", notPaused, hasScale)
}

// SetControl implements ratelimit.Store.
func (s RateLimitStore) SetControl(ctx context.Context, read, control ratelimit.Control) (found ratelimit.State, applied bool, err error) {
	expected, next, values := encodeControl(read), encodeControl(control), item{}
	var conditions, sets, removes []string
	for _, name := range []string{"scale", "scale_changed", "pause", "operator_pause"} {
		conditions = append(conditions, equals(name, expected[name], values))
		if value, ok := next[name]; ok {
			values[":next_"+name] = value
			sets = append(sets, name+" = :next_"+name)
		} else {
			removes = append(removes, name)
		}
	}
	return s.update(ctx, clause("SET ", sets)+clause(" REMOVE ", removes), values, conditions...)
}

// clause returns a clause of an update expression; empty without actions.
func clause(verb string, actions []string) string {
	if len(actions) == 0 {
		return ""
	}
	return verb + strings.Join(actions, ", ")
}

// equals returns the condition that an attribute has the value, which it adds to values; if the value is nil, the
// condition that the attribute is absent.
func equals(name string, value types.AttributeValue, values item) string {
	if value == nil {
		return "attribute_not_exists(" + name + ")"
	}
	values[":"+name] = value
	return name + " = :" + name
}

// update makes one conditional update. It does not use withRetry, because a repeated grant would add to tat twice.
func (s RateLimitStore) update(ctx context.Context, update string, values item, conditions ...string) (found ratelimit.State, applied bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	output, err := s.store.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                           &s.store.LedgerTable,
		Key:                                 ledgerKey(rateLimitKey), //mutant:rate-limit-write
		UpdateExpression:                    &update,
		ConditionExpression:                 aws.String(strings.Join(conditions, " AND ")),
		ReturnValues:                        types.ReturnValueAllNew,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return decodeRateLimit(refused.Item), false, nil
	}
	if err != nil {
		return ratelimit.State{}, false, fmt.Errorf("dynamodb: update %s: %w", rateLimitKey, classify(err))
	}
	return decodeRateLimit(output.Attributes), true, nil
}

// encodeControl returns the attributes of a control. Defaults are absent: FullScale, zero, and no pause.
func encodeControl(control ratelimit.Control) item {
	w := writer{}
	if control.Scale != ratelimit.FullScale {
		w.number("scale", control.Scale)
	}
	w.number("scale_changed", control.ScaleChanged)
	if pause := control.Pause; pause.InForce() {
		w["pause"] = &types.AttributeValueMemberM{Value: item{"id": text(pause.ID), "seconds": number(pause.Seconds), "reason": text(pause.Reason)}}
	}
	if pause := control.OperatorPause; pause.InForce() {
		w["operator_pause"] = &types.AttributeValueMemberM{Value: item{"reason": text(pause.Reason), "since": number(pause.Since)}}
	}
	return item(w)
}

func decodeRateLimit(from item) ratelimit.State {
	r := reader(from)
	pause, operator := r.object("pause"), r.object("operator_pause") // nil if absent: all reads return zero values
	return ratelimit.State{
		TAT: r.number("tat"), Clock: r.number("clock"), RequestsPerMinute: r.number("requests_per_minute"),
		Control: ratelimit.Control{
			Scale:         cmp.Or(r.number("scale"), ratelimit.FullScale),
			ScaleChanged:  r.number("scale_changed"),
			Pause:         ratelimit.Pause{ID: pause.text("id"), Seconds: pause.number("seconds"), Reason: pause.text("reason")},
			OperatorPause: ratelimit.OperatorPause{Reason: operator.text("reason"), Since: operator.number("since")},
		},
	}
}
