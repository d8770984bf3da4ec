// Package ladder is servers that do less than the receiver, each rung a little more
// than the one below: what the receiver costs is compared with what cannot be had for
// less. All of them are on echo, with a server set up as the receiver's is.
package ladder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/labstack/echo/v4"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// The rungs, the lowest first.
const (
	DoNothing   = "do-nothing"
	WithBody    = "do-nothing with body"
	WithMemory  = "the same, with the receiver's memory"
	Validate    = "validate only"
	SendMessage = "one SendMessage per request"
)

// Rungs are the names of all, in order.
func Rungs() []string { return []string{DoNothing, WithBody, WithMemory, Validate, SendMessage} }

// requestTimeout is the receiver's.
const requestTimeout = 5 * time.Second

// resources are the receiver's. The rungs have what Go gives by itself, as servers that nobody
// tuned; one shows what that makes of them.
var resources = lifecycle.RuntimeLimits{GCPercent: 800, MemoryLimit: 220 << 20}

// connections to the queue, as many as there are ever requests under way.
const connections = 1024

// Serve is a rung's process. It finds everything in the environment, as a receiver
// does: BILLABLE_HTTP_ADDR, BILLABLE_ADMIN_ADDR, BILLABLE_QUEUE_URL and the SDK's own.
func Serve(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains(Rungs(), args[0]) {
		return fmt.Errorf("there is no rung %q", args)
	}
	name := args[0]
	if name == WithMemory {
		resources.Apply(os.Environ())
	}
	config, err := awsclient.Load(ctx, awsclient.Options{Connections: connections, Log: func(string, ...any) {}})
	if err != nil {
		return err
	}
	rung := &rung{
		client:  awssqs.NewFromConfig(config),
		url:     os.Getenv("BILLABLE_QUEUE_URL"),
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	failed := make(chan error, 2) // one of each listener
	well := func() error { return nil }
	admin := &telemetry.Admin{Live: well, Ready: well, Registry: telemetry.NewRegistry()}
	server := webhook.HTTPServer(rung.handler(name), requestTimeout)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv("BILLABLE_HTTP_ADDR"))
	if err != nil {
		return err
	}
	go func() { failed <- server.Serve(listener) }()
	if _, err := admin.Start(ctx, os.Getenv("BILLABLE_ADMIN_ADDR"), failed); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return errors.Join(server.Close(), admin.Stop(context.WithoutCancel(ctx)))
	}
}

// rung is one of the servers.
type rung struct {
	client  *awssqs.Client
	url     string
	buffers sync.Pool // of *bytes.Buffer
}

func (r *rung) handler(name string) http.Handler {
	server := echo.New()
	server.POST(webhook.Path, map[string]echo.HandlerFunc{
		DoNothing:   doNothing,
		WithBody:    r.withBody(nothing),
		WithMemory:  r.withBody(nothing),
		Validate:    r.withBody(validate),
		SendMessage: r.withBody(r.send),
	}[name])
	return server
}

// answer is as long as the receiver's.
type answer struct {
	Status    string `json:"status"`
	EventID   string `json:"event_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`
}

func doNothing(c echo.Context) error { return c.JSON(http.StatusOK, answer{Status: "ok"}) }

func nothing(echo.Context, []byte) (answer, error) { return answer{Status: "ok"}, nil }

// withBody reads the body into a buffer that is used again.
func (r *rung) withBody(serve func(echo.Context, []byte) (answer, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		buffer := r.buffers.Get().(*bytes.Buffer)
		defer func() {
			buffer.Reset()
			r.buffers.Put(buffer)
		}()
		if _, err := buffer.ReadFrom(c.Request().Body); err != nil {
			return err
		}
		served, err := serve(c, buffer.Bytes())
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, served)
	}
}

func validate(_ echo.Context, body []byte) (answer, error) {
	received, err := event.Parse(body)
	if err != nil {
		return answer{}, echo.NewHTTPError(http.StatusBadRequest, err.Error())
	}
	return answer{Status: "ok", EventID: received.ID}, nil
}

// send is the obvious way: a call to the queue for each request, with the message that
// the receiver sends.
func (r *rung) send(c echo.Context, body []byte) (answer, error) {
	received, err := event.Parse(body)
	if err != nil {
		return answer{}, echo.NewHTTPError(http.StatusBadRequest, err.Error())
	}
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), requestTimeout)
	defer cancel()
	sent, err := r.client.SendMessage(ctx, &awssqs.SendMessageInput{
		QueueUrl:       &r.url,
		MessageBody:    aws.String(string(body)),
		MessageGroupId: &received.Invoice.CustomerID,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"event_id":    text(received.ID),
			"event_type":  text(received.Type),
			"invoice_id":  text(received.Invoice.ID),
			"received_at": text(time.Now().UTC().Format(time.RFC3339)),
		},
	})
	if err != nil {
		return answer{}, echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
	}
	return answer{Status: "queued", EventID: received.ID, MessageID: *sent.MessageId}, nil
}
