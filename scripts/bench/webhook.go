package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// webhookFile is a webhook of the usual size. placeholder is in its ids.
//
//go:embed webhook.json
var webhookFile []byte

const (
	placeholder = "SERIAL_SERIAL"
	// largeSize is the approximate size of large webhooks in bytes, close to the limit of SQS.
	largeSize = 1_000_000
	linesKey  = `"line_items":[`
)

// webhookKind is a kind of webhook: a body with the placeholder, and what follows it. All webhooks of a
// kind share the latter, because many large ones are sent at the same time.
type webhookKind struct {
	body   string
	filler []byte
}

const (
	usualWebhook  = "usual"
	paddedWebhook = "padded" // large because of blanks
	linesWebhook  = "lines"  // with an invoice of as many invalid lines as fit
)

var webhookKinds = newWebhookKinds()

func newWebhookKinds() map[string]webhookKind {
	usual := usualBody()
	beforeLines, _, _ := strings.Cut(usual, linesKey)
	return map[string]webhookKind{
		usualWebhook:  {body: usual},
		paddedWebhook: {usual, bytes.Repeat([]byte(" "), largeSize-len(usual))},
		linesWebhook:  {beforeLines + linesKey, append(bytes.Repeat([]byte("0,"), largeSize/2-500), "0]}}}"...)},
	}
}

func usualBody() string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, webhookFile); err != nil {
		panic(err)
	}
	return compact.String()
}

// start returns the body of a webhook without the filler.
func (k webhookKind) start(number int64) []byte {
	return []byte(strings.ReplaceAll(k.body, placeholder, fmt.Sprintf("%0*d", len(placeholder), number)))
}

// fillingTransport appends the filler to each request body.
type fillingTransport struct {
	http.RoundTripper

	filler []byte
}

// RoundTrip implements http.RoundTripper.
func (t fillingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(t.filler) == 0 {
		return t.RoundTripper.RoundTrip(r)
	}
	filled := r.Clone(r.Context())
	filled.Body = io.NopCloser(io.MultiReader(r.Body, bytes.NewReader(t.filler)))
	filled.ContentLength += int64(len(t.filler))
	filled.GetBody = nil
	return t.RoundTripper.RoundTrip(filled)
}
