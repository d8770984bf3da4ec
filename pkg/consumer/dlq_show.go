package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/billable-events/billable/pkg/billing"
	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/deadletter"
	"github.com/billable-events/billable/pkg/ledger"
	"github.com/billable-events/billable/pkg/ratelimit"
	"github.com/billable-events/billable/pkg/sqsqueue"
)

// letterStory is all that is known of one dead letter. What is not known is null.
type letterStory struct {
	deadletter.Shown

	Ledger    *ledger.Invoice   `json:"ledger"`
	Chargebee *atChargebee      `json:"chargebee"`
	Replay    deadletter.Replay `json:"replay"`
}

// atChargebee is an invoice as Chargebee shows it.
type atChargebee struct {
	InvoiceID string     `json:"invoice_id"` // the final one once the draft has become it
	Found     bool       `json:"found"`
	Status    *string    `json:"status"`
	Date      *time.Time `json:"date"`
}

func (a *app) dlqShow() *cobra.Command {
	return a.output(&cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter, by message or event id, with its invoice and what a replay would do",
		Args:  cli.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, aws, err := a.connect(cmd.Context(), config.DeadLetterURL)
			if err != nil {
				return err
			}
			store := newStore(aws, settings)
			letters := sqsqueue.NewDeadLetters(sqs.NewFromConfig(aws), settings.Queue.DeadLetterURL)
			var story letterStory
			if story.Shown, err = deadletter.Show(cmd.Context(), letters, store, args[0], time.Now()); err != nil {
				return err
			}
			if story.Situation.Head != nil {
				invoice, err := ledger.Show(cmd.Context(), store, store, ledger.Query{ID: story.Situation.Head.InvoiceID})
				if err != nil {
					return err
				}
				story.Ledger = &invoice
			}
			if err := a.lookAt(cmd.Context(), settings, Surroundings{AWS: aws}, &story); err != nil {
				return err
			}
			story.Situation.Close = settings.Invoice.Close
			story.Replay = deadletter.Foresee(story.Situation)
			if a.format == cli.JSON {
				return cli.WriteJSON(a.process.Stdout, story)
			}
			return a.showLetter(story)
		},
	})
}

// lookTime is how long show waits for a permit and for Chargebee:
// without an answer it shows all the rest.
const lookTime = 15 * time.Second

// lookAt adds how the letter's invoice is found at Chargebee. If it cannot be asked, the
// reason is told, and the rest of the story is worth no less.
func (a *app) lookAt(ctx context.Context, settings config.Consumer, around Surroundings, story *letterStory) error {
	if story.LookAt == "" {
		return nil
	}
	var err error
	if settings.Chargebee.Site+settings.Chargebee.BaseURL == "" || settings.Chargebee.APIKey.Reveal() == "" {
		err = errors.New("chargebee.site or chargebee.api_key is not set")
	} else {
		looking, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		err = callSite(looking, settings, around, func(site site) (err error) {
			story.Chargebee, err = site.find(looking, story.LookAt)
			return err
		})
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		_, err = fmt.Fprintf(a.process.Stderr, "How the invoice is at Chargebee is not known: %s\n", err)
		return err
	case story.Chargebee.pending():
		story.Situation.Draft = deadletter.DraftPending
	default:
		story.Situation.Draft = deadletter.DraftGone
	}
	return nil
}

// find asks once for an invoice.
func (s site) find(ctx context.Context, invoiceID string) (*atChargebee, error) {
	var invoice billing.Invoice
	err := s.once(ctx, func(permit *ratelimit.Permit) (err error) {
		invoice, err = s.Invoice(ctx, permit, billing.LinePage{InvoiceID: invoiceID})
		return err
	})
	failure, failed := errors.AsType[*billing.Failure](err)
	switch {
	case err == nil && !invoice.Deleted:
		return &atChargebee{InvoiceID: invoice.ID, Found: true, Status: &invoice.Status, Date: new(time.Unix(invoice.Date, 0).UTC())}, nil
	case err == nil && invoice.Deleted, failed && failure.NotFound():
		return &atChargebee{InvoiceID: invoiceID}, nil
	case failed:
		return nil, err
	default:
		return nil, fmt.Errorf("no call to Chargebee was free: %w", err)
	}
}

func (i *atChargebee) pending() bool { return i.Found && *i.Status == billing.StatusPending }

func (a *app) showLetter(story letterStory) error {
	facts := [][]string{
		{"message", story.MessageID},
		{"event", orNone(story.EventID)},
		{"invoice", orNone(story.InvoiceID)},
		{"customer", orNone(story.CustomerID)},
		{"reason", orNone(story.Reason)},
		{"detail", orNone(story.Detail)},
		{"failed at", at(story.FailedAt)},
		{"received at", at(story.ReceivedAt)},
		{"receives", strconv.Itoa(story.ReceiveCount)},
		{"replays", strconv.Itoa(story.ReplayCount)},
		{"group", orNone(story.GroupID)},
		{"at risk (minor units)", riskOf(story.Letter)},
		{"at Chargebee", story.Chargebee.String()},
		{"a replay", string(story.Replay.Would) + ": " + story.Replay.Detail},
		{"can be billed", yesOrNo(story.Replay.Billable)},
	}
	for _, name := range slices.Sorted(maps.Keys(story.Attributes)) {
		attribute := story.Attributes[name]
		facts = append(facts, []string{"attribute " + name + " (" + attribute.Type + ")", attribute.Value})
	}
	if err := cli.WriteTable(a.process.Stdout, []cli.Column{{Title: "what"}, {Title: "value"}}, facts); err != nil {
		return err
	}
	if story.Ledger != nil {
		if err := errors.Join(a.say(""), a.showInvoice(*story.Ledger)); err != nil {
			return err
		}
	}
	return a.say("\n%s", cli.Escaped(pretty(story.Body)))
}

// String shows the invoice in one line.
func (i *atChargebee) String() string {
	switch {
	case i == nil:
		return "not known"
	case !i.Found:
		return i.InvoiceID + " is not there"
	default:
		return i.InvoiceID + " is " + *i.Status
	}
}

func yesOrNo(value *bool) string {
	switch {
	case value == nil:
		return "not known"
	case *value:
		return "yes"
	default:
		return "no"
	}
}

// pretty is a body with indented JSON, or else as it is.
func pretty(body any) string {
	document, ok := body.(json.RawMessage)
	if !ok {
		return fmt.Sprint(body)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return string(document)
	}
	return indented.String()
}
