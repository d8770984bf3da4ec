package main

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
	"github.com/rs/zerolog"

	"github.com/billable-events/billable/pkg/awsclient"
	"github.com/billable-events/billable/pkg/event"
	"github.com/billable-events/billable/pkg/lifecycle"
	"github.com/billable-events/billable/pkg/telemetry"
	"github.com/billable-events/billable/pkg/webhook"
)

// baselineCommand makes this program a baseline: a server that does less than the receiver, on echo
// and with the receiver's HTTP server.
const baselineCommand = "baseline"

// The baselines, each does a little more than the one before.
const (
	doNothing   = "do-nothing"
	readBody    = "do-nothing with body"
	withMemory  = "the same, with the receiver's memory"
	validate    = "validate only"
	sendMessage = "one SendMessage per request"
)

var baselines = []string{doNothing, readBody, withMemory, validate, sendMessage}

// baselineTimeout is the receiver's request timeout.
const baselineTimeout = 5 * time.Second

// receiverMemory is the receiver's memory settings. The other baselines have Go's defaults.
var receiverMemory = lifecycle.RuntimeLimits{GCPercent: 800, MemoryLimit: 220 << 20}

// serveBaseline serves a baseline until ctx ends. It reads its settings from the same variables as a
// receiver.
func serveBaseline(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains(baselines, args[0]) {
		return fmt.Errorf("unknown baseline %q", args)
	}
	if args[0] == withMemory {
		receiverMemory.Apply(os.Environ())
	}
	config, err := awsclient.Load(ctx, 1024, zerolog.Nop())
	if err != nil {
		return err
	}
	b := &baseline{client: awssqs.NewFromConfig(config), queueURL: os.Getenv("BILLABLE_QUEUE_URL")}
	server := webhook.HTTPServer(b.handler(args[0]), baselineTimeout)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv("BILLABLE_HTTP_ADDR"))
	if err != nil {
		return err
	}
	failed := make(chan error, 2) // one from each listener
	go func() { failed <- server.Serve(listener) }()
	healthy := func() error { return nil }
	admin := &telemetry.Admin{Live: healthy, Ready: healthy, Registry: telemetry.NewRegistry("baseline")}
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

type baseline struct {
	client   *awssqs.Client
	queueURL string
	buffers  sync.Pool // of *bytes.Buffer
}

// baselineResponse is as long as the receiver's.
type baselineResponse struct {
	Status    string `json:"status"`
	EventID   string `json:"event_id,omitempty"`
	MessageID string `json:"message_id,omitempty"`
}

func (b *baseline) handler(name string) http.Handler {
	server := echo.New()
	server.POST(webhook.Path, func(c echo.Context) error {
		if name == doNothing {
			return c.JSON(http.StatusOK, baselineResponse{Status: "ok"})
		}
		buffer, ok := b.buffers.Get().(*bytes.Buffer)
		if !ok {
			buffer = new(bytes.Buffer)
		}
		defer func() {
			buffer.Reset()
			b.buffers.Put(buffer)
		}()
		if _, err := buffer.ReadFrom(c.Request().Body); err != nil {
			return err
		}
		if name == readBody || name == withMemory {
			return c.JSON(http.StatusOK, baselineResponse{Status: "ok"})
		}
		received, err := event.Parse(buffer.Bytes())
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		if name == validate {
			return c.JSON(http.StatusOK, baselineResponse{Status: "ok", EventID: received.ID})
		}
		return b.send(c, received, buffer.String())
	})
	return server
}

// send sends the receiver's message in a call of its own.
func (b *baseline) send(c echo.Context, received event.Event, body string) error {
	text := func(value string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), baselineTimeout)
	defer cancel()
	sent, err := b.client.SendMessage(ctx, &awssqs.SendMessageInput{
		QueueUrl:       &b.queueURL,
		MessageBody:    &body,
		MessageGroupId: &received.Invoice.CustomerID,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"event_id":    text(received.ID),
			"event_type":  text(received.Type),
			"invoice_id":  text(received.Invoice.ID),
			"received_at": text(time.Now().UTC().Format(time.RFC3339)),
		},
	})
	if err != nil {
		return echo.NewHTTPError(http.StatusServiceUnavailable, err.Error())
	}
	return c.JSON(http.StatusOK, baselineResponse{Status: "queued", EventID: received.ID, MessageID: *sent.MessageId})
}
