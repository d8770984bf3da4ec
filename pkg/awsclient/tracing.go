package awsclient

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Trace returns a configuration that makes a span of each call whose context has a recorded span. Other calls,
// such as polls, probes and heartbeats, would be most of all traces. AWS gets no trace context.
// https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/
func Trace(cfg aws.Config, tracer trace.Tracer) aws.Config {
	return withMiddleware(cfg, "BillableSpans", spans{tracer}.handle)
}

type spans struct{ tracer trace.Tracer }

func (s spans) handle(ctx context.Context, input middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return next.HandleInitialize(ctx, input)
	}
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	attributes := []attribute.KeyValue{
		semconv.RPCSystemNameKey.String("aws-api"),
		semconv.RPCMethod(service + "/" + operation),
	}
	if service == "DynamoDB" {
		attributes = append(attributes, semconv.DBSystemNameAWSDynamoDB, semconv.DBOperationName(operation))
	}
	ctx, span := s.tracer.Start(ctx, service+"."+operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	defer span.End()
	output, metadata, err := next.HandleInitialize(ctx, input)
	if id, ok := awsmiddleware.GetRequestIDMetadata(metadata); ok {
		span.SetAttributes(semconv.AWSRequestID(id))
	}
	if err != nil {
		span.SetAttributes(semconv.ErrorTypeKey.String(ErrorType(err)))
		span.SetStatus(codes.Error, "")
	}
	return output, metadata, err
}

// ErrorType returns the attribute error.type of a span: the error code of the service, or timeout, canceled or
// no_answer.
func ErrorType(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	default:
		return "no_answer"
	}
}
