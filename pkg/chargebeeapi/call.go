package chargebeeapi

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/chargebee/chargebee-go/v3"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// operation is one call to Chargebee.
type operation[T any] struct {
	client   *Client
	name     string // in metrics and errors
	required []argument
	send     func(context.Context, chargebee.Environment) error // by the SDK
	decode   func(response) (T, error)                          // of a 2xx response
}

// argument is a value without which a request would mean something else: a POST to no invoice, a
// POST that could be executed twice, a list of the invoices of all customers.
type argument struct{ name, value string }

// isValid reports whether the value is present. As parts of a path, . and .. would be removed.
func (a argument) isValid() bool { return a.value != "" && a.value != "." && a.value != ".." }

// call makes the call of op:
//
//	argument not valid     not sent; *billing.Failure of kind Permanent
//	permit expired         not sent; error that wraps ratelimit.ErrExpired
//	ctx ended before       not sent; error that wraps the cause of ctx
//	any other failure      *billing.Failure
func call[T any](ctx context.Context, permit *ratelimit.Permit, op operation[T]) (T, error) {
	var none T
	client := op.client
	for _, argument := range op.required {
		if !argument.isValid() {
			return none, &billing.Failure{
				Kind:      billing.Permanent,
				Operation: op.name,
				Message:   fmt.Sprintf("not sent: the %s is %q", argument.name, argument.value),
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, client.config.CallTimeout)
	defer cancel()

	environment := *client.environment.Load()
	exchange := &exchange{client: client, permit: permit}
	started := client.config.Now()
	err := recoverPanic(func() error { return op.send(context.WithValue(ctx, exchangeKey{}, exchange), environment) })
	if exchange.unsent != nil {
		return none, fmt.Errorf("chargebee %s: nothing was sent: %w", op.name, exchange.unsent)
	}

	result, failure := evaluate(exchange, op.decode, err)
	observation := Observation{
		Operation: op.name,
		Method:    exchange.method,
		Host:      client.base.Hostname(),
		Kind:      "ok",
		Status:    exchange.response.status,
		Started:   started,
		Duration:  client.config.Now().Sub(started),
	}
	if exchange.response.isSuccessful() { // an error may be from a proxy, with another clock
		observation.Date = exchange.response.date()
	}
	if failure != nil {
		observation.Kind = failure.Kind.String()
	}
	client.config.Observe(ctx, observation)
	if failure != nil {
		failure.Operation = op.name
		failure.Message = redact(failure.Message, environment.Key)
		failure.Code = redact(failure.Code, environment.Key)
		return none, failure
	}
	return result, nil
}

// recoverPanic calls send, and converts a panic of the SDK into an error.
func recoverPanic(send func() error) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
		}
	}()
	return send()
}

// evaluate returns the result of a call. It ignores sendErr, the error of the SDK, if a response
// was received: the SDK fails on some successful responses.
func evaluate[T any](exchange *exchange, decode func(response) (T, error), sendErr error) (T, *billing.Failure) {
	var none T
	resp := exchange.response
	switch {
	case exchange.err != nil:
		return none, noResponseFailure(resp, exchange.err)
	case resp.status == 0:
		return none, noResponseFailure(resp, sendErr)
	case !resp.isSuccessful():
		return none, errorFailure(resp, exchange.client.config.Now())
	}
	result, err := decode(resp)
	if err != nil {
		return none, decodeFailure(resp, err)
	}
	return result, nil
}
