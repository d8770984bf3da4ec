// Package awsjson is the server side of the AWS JSON 1.0 protocol, which SQS
// and DynamoDB use: the X-Amz-Target header names the operation, input and output
// are JSON bodies, errors are typed by their "__type".
//
// https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
package awsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// maxBody bounds what is read of a request: DynamoDB takes 16 MB at most.
const maxBody = 17 << 20

// Call is one call of an operation.
type Call struct {
	Context context.Context // the caller's; ends when the caller has gone
	Body    []byte          // the input as received
	Fault   sandbox.Fault   // what the operation itself must apply: Partial, Duplicate, DeliverLate and any Lag
}

// Operation handles one call. What it returns is written as JSON; an *Error is
// written as the service would, any other error as an internal error.
type Operation func(Call) (any, error)

// Error is a typed error of a service.
type Error struct {
	Status    int    // HTTP status; 0 means 400
	Type      string // shape name, e.g. com.amazonaws.sqs#QueueDoesNotExist; "": the answer has no __type
	Message   string
	QueryCode string         // the value of x-amzn-query-error, e.g. AWS.SimpleQueueService.NonExistentQueue;Sender
	Fields    map[string]any // further members, e.g. CancellationReasons
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Service dispatches calls to operations.
type Service struct {
	Target     string               // the part of X-Amz-Target before the dot, e.g. AmazonSQS
	Operations map[string]Operation // by operation name
	Unknown    *Error               // the answer to an operation that is not there
	Throttle   []*Error             // the answers to a throttled call, of which the fault chooses one
	Failures   []*Error             // the answers to a call that the service fails, likewise
	Faults     sandbox.Faults       // nil: nothing fails

	// Authorize returns the error of a call that its caller may not make, before the
	// service reads its input. nil: all calls are allowed.
	Authorize func(operation string, body []byte) error
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := read(w, r)
	if err != nil {
		s.write(w, nil, s.Failures[0], sandbox.None)
		return
	}
	target, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	operation, ok := s.Operations[name]
	if !ok || target != s.Target || r.Method != http.MethodPost {
		s.write(w, nil, s.Unknown, sandbox.None)
		return
	}
	if s.Authorize != nil {
		if err := s.Authorize(name, body); err != nil {
			s.write(w, nil, err, sandbox.None)
			return
		}
	}

	call := Call{Context: r.Context(), Body: body}
	if s.Faults != nil {
		call.Fault = s.Faults.Next(name)
	}
	if call.Fault.Delay > 0 {
		<-time.After(call.Fault.Delay)
	}
	switch call.Fault.Kind {
	case sandbox.Throttle:
		s.write(w, nil, choose(s.Throttle, call.Fault), sandbox.None)
		return
	case sandbox.Refuse:
		s.write(w, nil, choose(s.Failures, call.Fault), sandbox.None)
		return
	case sandbox.ApplyLate:
		call.Context = context.WithoutCancel(r.Context())
		time.AfterFunc(call.Fault.Late, func() { _, _ = operation(call) })
		panic(http.ErrAbortHandler)
	case sandbox.LoseReply:
		call.Context = context.WithoutCancel(r.Context())
		_, _ = operation(call)
		panic(http.ErrAbortHandler)
	case sandbox.EffectThenError:
		_, _ = operation(call)
		s.write(w, nil, choose(s.Failures, call.Fault), sandbox.None)
		return
	}
	output, err := operation(call)
	s.write(w, output, err, call.Fault.Kind)
}

// choose returns the answer that a fault chooses.
func choose(answers []*Error, fault sandbox.Fault) *Error {
	return answers[fault.Choice%uint64(len(answers))]
}

// read reads the whole body of a request.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= maxBody {
		body.Grow(int(r.ContentLength) + bytes.MinRead) // so that it need not grow to see the end
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	return body.Bytes(), err
}

func (s *Service) write(w http.ResponseWriter, output any, err error, fault sandbox.Kind) {
	status := http.StatusOK
	if err != nil {
		var typed *Error
		if !errors.As(err, &typed) {
			internal := *s.Failures[0]
			internal.Message = err.Error()
			typed = &internal
		}
		status = typed.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		if typed.QueryCode != "" {
			w.Header().Set("X-Amzn-Query-Error", typed.QueryCode)
		}
		members := map[string]any{"message": typed.Message}
		if typed.Type != "" {
			members["__type"] = typed.Type
		}
		maps.Copy(members, typed.Fields)
		output = members
	}
	if output == nil {
		output = struct{}{}
	}
	body, err := json.Marshal(output)
	if err != nil {
		panic("awsjson: output cannot be encoded: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if fault == sandbox.CutBody {
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}
