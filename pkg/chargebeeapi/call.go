package chargebeeapi

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/ratelimit"
)

// operation is one call to Chargebee.
type operation[T any] struct {
	client    *Client
	name      string     // as metrics and errors have it
	arguments []argument // that must be there
	send      func(context.Context) error
	decode    func(answer) (T, error) // reads a 2xx answer
}

// argument is a part of a request without which it would be another one: a POST to
// no invoice, a POST that could happen twice, a list of everybody's invoices.
type argument struct{ name, value string }

// valid tells whether the value can stand in a path: the two names of directories
// are cleaned away on the way.
func (a argument) valid() bool { return a.value != "" && a.value != "." && a.value != ".." }

// call makes the call. An error is a *billing.Failure, unless nothing was sent: then
// it wraps ratelimit.ErrExpired or the cause of ctx's end.
func call[T any](ctx context.Context, permit *ratelimit.Permit, operation operation[T]) (T, error) {
	var none T
	client := operation.client
	for _, argument := range operation.arguments {
		if !argument.valid() {
			return none, &billing.Failure{
				Kind:      billing.Permanent,
				Operation: operation.name,
				Message:   fmt.Sprintf("not sent: the %s is %q", argument.name, argument.value),
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, client.config.CallTimeout)
	defer cancel()

	exchange := &exchange{client: client, permit: permit}
	started := client.config.Now()
	err := guard(context.WithValue(ctx, exchangeKey{}, exchange), operation.send)
	if exchange.unsent != nil {
		return none, fmt.Errorf("chargebee %s: nothing was sent: %w", operation.name, exchange.unsent)
	}

	result, failure := read(exchange, operation.decode, err)
	observation := Observation{
		Operation: operation.name,
		Method:    exchange.method,
		Host:      client.site.Hostname(),
		Kind:      "ok",
		Status:    exchange.answer.status,
		Took:      client.config.Now().Sub(started),
	}
	if failure != nil {
		observation.Kind = failure.Kind.String()
	}
	client.config.Observe(ctx, observation)
	if failure != nil {
		failure.Operation = operation.name
		failure.Message = client.presentable(failure.Message)
		failure.Code = client.presentable(failure.Code)
		return none, failure
	}
	return result, nil
}

// guard sends and turns a panic of the SDK into an error.
func guard(ctx context.Context, send func(context.Context) error) (err error) {
	defer func() {
		if recovered := recover(); recovered != nil {
			err = fmt.Errorf("panic: %v\n%s", recovered, debug.Stack())
		}
	}()
	return send(ctx)
}

// read tells what became of a call. Of the SDK's opinion nothing counts, as long as
// there is an answer to look at: even one that the SDK panicked on.
func read[T any](exchange *exchange, decode func(answer) (T, error), sdk error) (T, *billing.Failure) {
	var none T
	answer := exchange.answer
	switch {
	case exchange.err != nil:
		return none, unanswered(answer, exchange.err)
	case answer.status == 0:
		return none, unanswered(answer, sdk)
	case !answer.successful():
		return none, refused(answer, exchange.client.config.Now())
	}
	result, err := decode(answer)
	if err != nil {
		return none, undecodable(answer, err)
	}
	return result, nil
}
