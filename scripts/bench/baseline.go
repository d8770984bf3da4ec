package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/billable-events/billable/pkg/webhook"
	"github.com/billable-events/billable/scripts/testbed"
)

// baselineCommand makes this program a baseline: a server that does less than the receiver, on echo
// and with the receiver's HTTP server.
const baselineCommand = "baseline"

// The baselines, each does a little more than the one before.
const (
	readBody    = "do-nothing with body"
	validate    = "validate only"
	sendMessage = "one SendMessage per request"
)

var baselines = []string{readBody, validate, sendMessage}

const fullReceiver = "the full receiver"

// baselineTimeout is the receiver's request timeout.
const baselineTimeout = 5 * time.Second

// loadMode is a load of baselines, with the CPU that the receiver may use compared with readBody.
type loadMode struct {
	name    string
	load    load
	maximum float64
}

// compareBaselines loads all baselines and the receiver in turn, several times, so that other work on
// the machine affects all of them.
func compareBaselines(ctx context.Context, o options, r *report) (err error) {
	length, rounds := 5*time.Second, 3
	if o.quick {
		length, rounds = time.Second, 1
	}
	e, err := newEnv(ctx, o.binaries, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	servers, err := startBaselines(ctx, e)
	defer func() {
		for _, s := range servers {
			s.Kill()
		}
	}()
	if err != nil {
		return err
	}
	s := baselinesSection()
	r.sections = append(r.sections, s)
	for _, mode := range loadModes(length) {
		if err := e.compare(ctx, mode, rounds, servers, r, s); err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
	}
	return e.finish(false)
}

func loadModes(length time.Duration) []loadMode {
	return []loadMode{
		{"saturated", load{Clients: 512, Length: length, Kind: usualWebhook}, 2.5},
		{"at 2,000/s", load{Rate: 2000, Length: length, Kind: usualWebhook}, 1.8},
	}
}

func baselinesSection() *section {
	return &section{
		title: "Baselines",
		text: "What a request costs servers that do less, all on echo. Saturated is a closed loop of 512 clients. The servers are loaded in turn, " +
			"several times. Ratios are to do-nothing with body in the same run.",
		labels:  []string{"load: server", "target", "result"},
		columns: []column{{"requests/s", "%.0f"}, {"200, %", "%.2f"}, {"p99, ms", "%.1f"}, {cpuPerRequest, "%.1f"}, {"ratio", "%.2f"}},
	}
}

func startBaselines(ctx context.Context, e *env) (servers []*server, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, name := range baselines {
		s, err := startServer(ctx, testbed.Command{Binary: self, Args: []string{baselineCommand, name}, Env: e.environ()}, nil)
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// compare loads the baselines and the receiver in rounds, of which the first is to warm up. Figures are
// the means of the other rounds.
func (e *env) compare(ctx context.Context, mode loadMode, rounds int, servers []*server, r *report, s *section) error {
	names, all := append(slices.Clone(baselines), fullReceiver), append(slices.Clone(servers), e.receiver)
	sums := make([]figures, len(all))
	for i := range sums {
		sums[i] = figures{}
	}
	for round := range rounds + 1 {
		for i, server := range all {
			l := mode.load
			if round == 0 {
				l.Length = warmUp
			}
			a, f, err := e.run(ctx, server, l)
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			if f["unanswered"] > 0 {
				return fmt.Errorf("%s: %.0f requests were not answered", names[i], f["unanswered"])
			}
			if names[i] == sendMessage || names[i] == fullReceiver {
				e.accepted = append(e.accepted, a.accepted...)
			}
			for figure, value := range f {
				if round > 0 {
					sums[i][figure] += value / float64(rounds)
				}
			}
		}
	}
	for i, f := range sums {
		f["ratio"] = f[cpuPerRequest] / sums[0][cpuPerRequest]
		mode.report(r, s, names[i], f)
	}
	return nil
}

func (mode loadMode) report(r *report, s *section, server string, f figures) {
	target, met := "–", (func(figures) bool)(nil)
	if server == fullReceiver {
		target, met = fmt.Sprintf("ratio ≤ %.1f", mode.maximum), func(f figures) bool { return f["ratio"] <= mode.maximum }
	}
	r.addEvaluated(s, mode.name+": "+server, []string{target}, f, nil, met)
}

// serveBaseline serves a baseline. It reads its settings from the same variables as a receiver.
func serveBaseline(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains(baselines, args[0]) {
		return fmt.Errorf("unknown baseline %q", args)
	}
	cfg, err := awsclient.Load(ctx, 1024, zerolog.Nop())
	if err != nil {
		return err
	}
	b := &baseline{client: awssqs.NewFromConfig(cfg), queueURL: os.Getenv("BILLABLE_QUEUE_URL")}
	admin := &http.Server{Addr: os.Getenv("BILLABLE_ADMIN_ADDR"), ReadHeaderTimeout: baselineTimeout, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	server := webhook.HTTPServer(b.handler(args[0]), baselineTimeout)
	server.Addr = os.Getenv("BILLABLE_HTTP_ADDR")
	ended := make(chan error, 2) // one from each server
	go func() { ended <- admin.ListenAndServe() }()
	go func() { ended <- server.ListenAndServe() }()
	return <-ended
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
		if name == readBody {
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
