package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/billable-events/billable/scripts/cli"
)

// runInvoice is the command invoice: it adds a pending invoice to the sandbox that is running.
func runInvoice(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var invoice invoiceRequest
	flags := flag.NewFlagSet(title+" invoice", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&invoice.Name, "name", "", "NAME in draft_inv_NAME, sub_NAME and ev_NAME (default demo_1, demo_2, …)")
	flags.IntVar(&invoice.Events, "events", 40, "billable events, of three charge codes")
	flags.StringVar(&invoice.Invalid, "invalid", "", "add the event evt_invalid, with an invalid `ATTRIBUTE`: charge_code (missing) or currency_code (another currency)")
	flags.BoolVar(&invoice.Undelivered, "undelivered", false, "do not deliver the webhook")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	url := os.Getenv(urlVariable)
	if url == "" {
		return fmt.Errorf(`%s is not set: start "make run ARGS=--keep", and source .sandbox/env`, urlVariable)
	}
	body, err := json.Marshal(invoice)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body)) //nolint:gosec // the URL is that of the caller's sandbox
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("reach the sandbox (was it stopped?): %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(string(bytes.TrimSpace(answer)))
	}
	_, err = stdout.Write(answer)
	return err
}
