package webhook_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/webhook"
)

// hostile is a malicious or broken request, and the expected response.
type hostile struct {
	name   string
	send   string
	status int    // of its response; 0: the connection ends without any
	http   bool   // net/http responds: the handler does not see the request
	ends   bool   // the connection ends after the response
	queued bool   // the event is enqueued
	leaves bool   // the client half-closes the connection
	text   string // part of the response
	then   int    // status of the response to a second request
}

// hidden is a valid request inside of another.
const hidden = head + "Content-Length: 23\r\n\r\n" + `{"event_type":"hidden"}`

// sized returns a valid webhook with the body.
func sized(body string) string {
	return head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// chunked is the beginning of a valid webhook whose body comes in chunks.
const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"

const event = `{"event_type":"x"}` // 18 bytes, 12 in hexadecimal

func framing() []hostile {
	return []hostile{
		{name: "two requests at once", send: sized(event) + "GET / HTTP/1.1\r\nHost: x\r\n\r\n", status: 200, then: 404},
		{name: "both lengths, the chunks shorter", send: head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n%s\r\n0\r\n\r\n%s", 33+len(hidden), event, hidden), status: 200, ends: true},
		{name: "both lengths, the chunks longer", send: head + fmt.Sprintf("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden), status: 400, ends: true},
		{name: "both lengths, one invalid", send: head + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 400, http: true, ends: true},
		{name: "two lengths", send: head + fmt.Sprintf("Content-Length: 18\r\nContent-Length: %d\r\n\r\n%s%s", 18+len(hidden), event, hidden), status: 400, http: true, ends: true},
		{name: "two lengths in one line", send: head + "Content-Length: 18, 18\r\n\r\n" + event + hidden, status: 400, http: true, ends: true},
		{name: "the same length twice", send: head + "Content-Length: 18\r\nContent-Length: 18\r\n\r\n" + event, status: 200},
		{name: "a negative length", send: head + "Content-Length: -18\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "a length with a sign", send: head + "Content-Length: +18\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "a length in hexadecimal", send: head + "Content-Length: 0x12\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "a length beyond 63 bits", send: head + "Content-Length: 9223372036854775808\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "the largest length there is", send: head + "Content-Length: 9223372036854775807\r\n\r\n" + event, status: 413, ends: true},
		{name: "no length", send: head + "\r\n", status: 400},
		{name: "a line end too many", send: sized(event) + "\r\n", status: 200},

		{name: "an encoding by another name", send: head + "Transfer-Encoding: xchunked\r\n\r\n12\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 501, http: true, ends: true},
		{name: "an encoding with a vertical tab", send: head + "Transfer-Encoding: \vchunked\r\n\r\n12\r\n" + event + "\r\n0\r\n\r\n", status: 400, http: true, ends: true},
		{name: "an encoding on top of chunks", send: head + "Transfer-Encoding: gzip, chunked\r\n\r\n12\r\n" + event + "\r\n0\r\n\r\n", status: 501, http: true, ends: true},
		{name: "two encodings", send: head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n12\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 501, http: true, ends: true},
		{name: "an encoding that is folded", send: head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n12\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 200, ends: true},
		{name: "an encoding in HTTP/1.0", send: "POST /webhooks/chargebee HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + hidden, status: 401, ends: true},
		{name: "a space before the colon", send: head + "Content-Length : 18\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "a header that is folded", send: head + "X-Folded: a\r\n\tb\r\nContent-Length: 18\r\n\r\n" + event, status: 200},
		{name: "a first header that is folded", send: "POST /webhooks/chargebee HTTP/1.1\r\n Host: x\r\n\r\n", status: 400, http: true, ends: true},
		{name: "lines that end with LF alone", send: strings.ReplaceAll(sized(event), "\r\n", "\n"), status: 200},
		{name: "a CR alone in a header", send: head + "X-Bare: a\rContent-Length: 18\r\n\r\n" + event, status: 400, http: true, ends: true},
		{name: "a NUL in a header", send: head + "X-Nul: a\x00b\r\n\r\n", status: 400, http: true, ends: true},
		{name: "a header without a name", send: head + ": x\r\n\r\n", status: 400, http: true, ends: true},
		{name: "a header without a colon", send: head + "X\r\n\r\n", status: 400, http: true, ends: true},
		{name: "no host", send: strings.Replace(sized(event), "Host: x\r\n", "", 1), status: 400, http: true, ends: true},
		{name: "two hosts", send: strings.Replace(sized(event), "Host: x", "Host: x\r\nHost: y", 1), status: 400, http: true, ends: true},
		{name: "a header of 20 KB", send: head + "X-Large: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", status: 431, http: true, ends: true},
		{name: "10,000 headers", send: head + strings.Repeat("X: y\r\n", 10_000) + "\r\n", status: 431, http: true, ends: true},

		{name: "a chunk of negative size", send: chunked + "-12\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 400, text: "transfer", ends: true},
		{name: "a chunk of no hexadecimal size", send: chunked + "xyz\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 400, text: "transfer", ends: true},
		{name: "a chunk with a prefixed size", send: chunked + "0x12\r\n" + event + "\r\n0\r\n\r\n", status: 400, text: "transfer", ends: true},
		{name: "a chunk without a size", send: chunked + "\r\n" + event + "\r\n0\r\n\r\n", status: 400, text: "transfer", ends: true},
		{name: "a chunk size beyond 64 bits", send: chunked + "10000000000000012\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 400, text: "transfer", ends: true},
		{name: "a chunk size of 64 bits", send: chunked + "ffffffffffffffff\r\n" + strings.Repeat("x", maxBody+1), status: 413, ends: true},
		{name: "a chunk longer than its size", send: chunked + "11\r\n" + event + "\r\n0\r\n\r\n" + hidden, status: 400, text: "transfer", ends: true},
		{name: "a chunk that ends with LF alone", send: chunked + "12\n" + event + "\n0\n\n", status: 400, text: "transfer", ends: true},
		{name: "chunks with endless extensions", send: chunked + strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\n{\r\n", 100), status: 400, text: "transfer", ends: true},
		{name: "a chunk with an extension", send: chunked + "12;a=b\r\n" + event + "\r\n0\r\n\r\n", status: 200, ends: true},
		{name: "no final chunk", send: chunked + "12\r\n" + event + "\r\n", status: 503, ends: true},
		{name: "no final chunk, and gone", send: chunked + "12\r\n" + event + "\r\n", status: 503, ends: true, leaves: true},
		{name: "a request in place of the final chunk", send: chunked + "12\r\n" + event + "\r\n" + hidden, status: 400, text: "transfer", ends: true},
		{name: "trailers", send: chunked + "12\r\n" + event + "\r\n0\r\nX-Trailer: a\r\nContent-Encoding: gzip\r\n\r\n", status: 200, ends: true},
		{name: "trailers that change the length", send: chunked + "12\r\n" + event + "\r\n0\r\nContent-Length: 1000\r\n\r\n" + hidden, status: 200, ends: true},
		{name: "endless trailers", send: chunked + "12\r\n" + event + "\r\n0\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n", status: 400, text: "transfer", ends: true},
		{name: "a body that is cut", send: head + "Content-Length: 19\r\n\r\n" + event, status: 503, ends: true, leaves: true},
	}
}

func requestLines() []hostile {
	line := func(line string) string {
		_, rest, _ := strings.Cut(sized(event), "\r\n")
		return line + "\r\n" + rest
	}
	return []hostile{
		{name: "HTTP/0.9", send: "GET /webhooks/chargebee\r\n", status: 400, http: true, ends: true},
		{name: "HTTP/1.0", send: line("POST /webhooks/chargebee HTTP/1.0"), status: 200, ends: true},
		{name: "HTTP/1.0 that asks to go on", send: strings.Replace(line("POST /webhooks/chargebee HTTP/1.0"), "Host: x", "Connection: keep-alive", 1), status: 200, ends: true},
		{name: "HTTP/1.2", send: line("POST /webhooks/chargebee HTTP/1.2"), status: 200},
		{name: "HTTP/3.0", send: line("POST /webhooks/chargebee HTTP/3.0"), status: 505, http: true, ends: true},
		{name: "HTTP/2 with prior knowledge", send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", status: 404, ends: true},
		{name: "an upgrade to HTTP/2", send: head + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Length: 18\r\n\r\n" + event, status: 200},
		{name: "an upgrade to a web socket", send: "GET /webhooks/chargebee HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n", status: 405},
		{name: "TLS", send: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n\n", status: 400, http: true, ends: true},
		{name: "an empty request line", send: "\r\n" + sized(event), status: 400, http: true, ends: true},
		{name: "nothing", leaves: true},
		{name: "half a request line", send: "POST /webho", leaves: true, status: 400, http: true, ends: true},
		{name: "half a header", send: "POST /webhooks/chargebee HTTP/1.1\r\nHost: x\r\nContent-", leaves: true, status: 400, http: true, ends: true},
		{name: "a line of garbage", send: strings.Repeat("\xff\x00", 100) + "\r\n\r\n", status: 400, http: true, ends: true},
		{name: "a line without an end", send: "POST /" + strings.Repeat("x", 30<<10), status: 431, http: true, ends: true},
		{name: "a space too many", send: line("POST  /webhooks/chargebee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "a method in lower case", send: line("post /webhooks/chargebee HTTP/1.1"), status: 405},
		{name: "no method", send: line(" /webhooks/chargebee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "a method that is no token", send: line("PO(ST /webhooks/chargebee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "HEAD", send: line("HEAD /webhooks/chargebee HTTP/1.1"), status: 405},
		{name: "OPTIONS", send: line("OPTIONS /webhooks/chargebee HTTP/1.1"), status: 405},
		{name: "OPTIONS of the server", send: line("OPTIONS * HTTP/1.1"), status: 404},
		{name: "TRACE", send: line("TRACE /webhooks/chargebee HTTP/1.1"), status: 405},
		{name: "CONNECT", send: line("CONNECT /webhooks/chargebee HTTP/1.1"), status: 405},
		{name: "CONNECT to another host", send: line("CONNECT example.com:443 HTTP/1.1"), status: 404},
		{name: "another method by a header", send: strings.Replace(line("GET /webhooks/chargebee HTTP/1.1"), "Host: x", "Host: x\r\nX-HTTP-Method-Override: POST", 1), status: 405},

		{name: "the absolute form", send: line("POST http://example.com/webhooks/chargebee HTTP/1.1"), status: 200},
		{name: "the absolute form of no URL", send: line("POST http://[/webhooks/chargebee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "a host alone", send: line("POST http://example.com HTTP/1.1"), status: 404},
		{name: "no slash", send: line("POST webhooks/chargebee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "a query", send: line("POST /webhooks/chargebee?a=b&c=%zz;d HTTP/1.1"), status: 200},
		{name: "an empty query", send: line("POST /webhooks/chargebee? HTTP/1.1"), status: 200},
		{name: "a fragment", send: line("POST /webhooks/chargebee#x HTTP/1.1"), status: 404},
		{name: "a NUL in the path", send: line("POST /webhooks/charge\x00bee HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "a NUL in the path, encoded", send: line("POST /webhooks/chargebee%00 HTTP/1.1"), status: 404},
		{name: "a letter encoded", send: line("POST /webhooks/%63hargebee HTTP/1.1"), status: 404},
		{name: "a slash encoded", send: line("POST /webhooks%2fchargebee HTTP/1.1"), status: 404},
		{name: "an encoding that is none", send: line("POST /webhooks/%zz HTTP/1.1"), status: 400, http: true, ends: true},
		{name: "two slashes", send: line("POST //webhooks/chargebee HTTP/1.1"), status: 404},
		{name: "two slashes within", send: line("POST /webhooks//chargebee HTTP/1.1"), status: 404},
		{name: "a slash at the end", send: line("POST /webhooks/chargebee/ HTTP/1.1"), status: 404},
		{name: "dots", send: line("POST /webhooks/x/../chargebee HTTP/1.1"), status: 404},
		{name: "a backslash", send: line("POST /webhooks\\chargebee HTTP/1.1"), status: 404},
		{name: "a path that is no UTF-8", send: line("POST /webhooks/\xff HTTP/1.1"), status: 404},

		{name: "Expect, met", send: head + "Expect: 100-continue\r\nContent-Length: 18\r\n\r\n" + event, status: 200},
		{name: "Expect, refused", send: strings.Replace(head, "Basic", "Other", 1) + "Expect: 100-continue\r\nContent-Length: 18\r\n\r\n" + event, status: 401, ends: true},
		{name: "Expect of something else", send: head + "Expect: a miracle\r\nContent-Length: 18\r\n\r\n" + event, status: 417, http: true, ends: true},
	}
}

func bodies(t *testing.T) []hostile {
	valid := pendingInvoice(t)
	with := func(member string) string { return "{" + member + "," + valid[1:] }
	instead := func(old, replacement string) string {
		changed := strings.Replace(valid, old, replacement, 1)
		if changed == valid {
			t.Fatalf("there is no %s", old)
		}
		return changed
	}
	date := func(number string) string { return instead(`"date": 1767225600`, `"date": `+number) }
	nested := func(depth int) string {
		return with(`"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth))
	}
	rows := []hostile{
		{name: "nested below the limit", send: nested(9_000), status: 200, queued: true},
		{name: "nested 10,000 deep", send: nested(10_000), status: 400},
		{name: "nested and never closed", send: strings.Repeat(`{"event_type":`, 6_000), status: 400},
		{name: "event_type twice", send: with(`"event_type":"customer_created"`), status: 400, text: `"event_type"`},
		{name: "event_type twice, once escaped", send: with(`"event\u005ftype":"customer_created"`), status: 400, text: `"event_type"`},
		{name: "content twice", send: with(`"content":{}`), status: 400, text: `"content"`},
		{name: "invoice twice", send: instead(`"invoice": {`, `"invoice": {}, "invoice": {`), status: 400, text: `"content.invoice"`},
		{name: "a customer twice", send: instead(`"customer_id":`, `"customer_id": "x", "customer_id":`), status: 400, text: `"content.invoice.customer_id"`},
		{name: "a field of a line twice", send: instead(`"line_items": [`, `"line_items": [{"subscription_id":"a","subscription_id":"b"}, `), status: 400, text: `"content.invoice.line_items.0.subscription_id"`},
		{name: "a field 5,000 times", send: with(strings.Repeat(`"id":"",`, 5_000) + `"x":1`), status: 400, text: `"id"`},
		{name: "an unread field twice", send: with(`"x":1,"x":2`), status: 200, queued: true},
		{name: "another case", send: with(`"Event_Type":"customer_created"`), status: 200, queued: true},
		{name: "date 1e400", send: date("1e400"), status: 400, text: `"content.invoice.date"`},
		{name: "date 2^63", send: date("9223372036854775808"), status: 400, text: `"content.invoice.date"`},
		{name: "date 2^63-1", send: date("9223372036854775807"), status: 200, queued: true}, // an integer: what it means the consumer decides
		{name: "date -1", send: date("-1"), status: 200, queued: true},                      // as well
		{name: "date 1.5", send: date("1.5"), status: 400, text: `"content.invoice.date"`},
		{name: "date 1.0", send: date("1.0"), status: 400, text: `"content.invoice.date"`},
		{name: "date null", send: date("null"), status: 200, queued: true},
		{name: "date a string", send: date(`"123"`), status: 400, text: `"content.invoice.date"`},
		{name: "date with a zero in front", send: date("0123"), status: 400, text: "malformed"},
		{name: "date with a plus", send: date("+123"), status: 400, text: "malformed"},
		{name: "date not a number", send: date("NaN"), status: 400, text: "malformed"},
		{name: "a number of 50,000 digits", send: with(`"x":` + strings.Repeat("9", 50_000)), status: 200, queued: true},
		{name: "a BOM", send: "\uFEFF" + valid, status: 400, text: "malformed"},
		{name: "UTF-16", send: "\xfe\xff\x00{\x00}", status: 400, text: "malformed"},
		{name: "gzip that is not announced", send: "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xabV*K-*\xce\xcc\xcfS\xb2R2T\xaa\x05\x00", status: 400, text: "malformed"},
		{name: "white space alone", send: strings.Repeat(" ", maxBody), status: 400, text: "too early"},
		{name: "a comment", send: with(`/**/"x":1`), status: 400, text: "malformed"},
		{name: "a comma too many", send: strings.Replace(valid, "}", ",}", 1), status: 400, text: "malformed"},
		{name: "invalid UTF-8", send: with("\"x\":\"\xff\""), status: 400, text: "malformed"},
		{name: "invalid UTF-8 in a name", send: with("\"\xff\":1"), status: 400, text: "malformed"},
		{name: "overlong UTF-8", send: with("\"x\":\"\xc0\x80\""), status: 400, text: "malformed"},
		{name: "a surrogate in UTF-8", send: with("\"x\":\"\xed\xa0\x80\""), status: 400, text: "malformed"},
		{name: "invalid UTF-8 behind a surrogate", send: with("\"x\":\"\\ud800\xff\""), status: 400, text: "malformed"},
		{name: "a surrogate alone, escaped", send: with(`"x":"\ud800"`), status: 200, queued: true}, // plain ASCII
		{name: "a surrogate alone in a name", send: with(`"id\udfff":"x"`), status: 200, queued: true},
		{name: "a surrogate alone in the id", send: instead("ev_16BHbhF4s42tO2lK", `\ud800`), status: 400, text: `"id"`},
		{name: "a surrogate alone in the type", send: `{"event_type":"\udc00"}`, status: 400, text: `"event_type"`},
		{name: "a surrogate alone in the invoice's id", send: instead("draft_inv_16BHbhF4s41mR2kG", `x\ud800`), status: 400, text: `"content.invoice.id"`},
		{name: "U+10FFFF", send: with("\"x\":\"\U0010FFFF\""), status: 200, queued: true},
		{name: "DEL and C1 controls", send: with("\"x\":\"\x7f\u0080\u009f\""), status: 200, queued: true}, // SQS takes them
		{name: "an id of 101 characters", send: instead("ev_16BHbhF4s42tO2lK", strings.Repeat("x", 101)), status: 400, text: `"id"`},
		{name: "an id of 100 characters", send: instead("ev_16BHbhF4s42tO2lK", strings.Repeat("x", 100)), status: 200, queued: true},
	}
	// What SQS refuses: raw it is refused wherever it occurs; escaped it is plain ASCII,
	// except where it would become an attribute.
	for _, refused := range append(controls(), '\uFFFE', '\uFFFF') {
		escaped := fmt.Sprintf(`\u%04x`, refused)
		rows = append(rows,
			hostile{name: fmt.Sprintf("%U raw", refused), send: with(`"x":"` + string(refused) + `"`), status: 400},
			hostile{name: fmt.Sprintf("%U escaped", refused), send: with(`"x":"` + escaped + `"`), status: 200, queued: true},
			hostile{name: fmt.Sprintf("%U escaped in the id", refused), send: instead("ev_16BHbhF4s42tO2lK", escaped), status: 400, text: `"id"`},
			hostile{name: fmt.Sprintf("%U escaped in the invoice's id", refused), send: instead("draft_inv_16BHbhF4s41mR2kG", escaped), status: 400, text: `"content.invoice.id"`},
		)
	}
	for i := range rows {
		rows[i].send = sized(rows[i].send)
	}
	return append(rows,
		hostile{name: "gzip that is announced", send: strings.Replace(sized("\x1f\x8b\x08"), "Host", "Content-Encoding: gzip\r\nHost", 1), status: 415},
		hostile{name: "two content types", send: strings.Replace(sized(valid), "Host", "Content-Type: text/plain\r\nHost", 1), status: 415},
	)
}

// controls are the control characters that SQS refuses.
func controls() (refused []rune) {
	for control := range ' ' {
		if !strings.ContainsRune("\t\n\r", control) {
			refused = append(refused, control)
		}
	}
	return refused
}

// Each request gets one response, no part of a request is taken for another, and the receiver
// keeps serving.
func TestServer_HostileRequests(t *testing.T) {
	t.Parallel()
	for group, rows := range map[string][]hostile{"framing": framing(), "request lines": requestLines(), "bodies": bodies(t)} {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(config *webhook.Config) { config.RequestTimeout = 300 * time.Millisecond })
			for _, row := range rows {
				t.Run(row.name, func(t *testing.T) { row.try(t, r) })
			}
		})
	}
}

// stillHere is the type of the event that is sent over the same connection afterwards.
const stillHere = "still_here"

func (h hostile) try(t *testing.T, r *receiver) {
	connection, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	before := len(r.queue.sent())
	// The server may answer, and close, before it has read all.
	go func() {
		_, _ = io.WriteString(connection, h.send)
		if h.leaves {
			_ = connection.(*net.TCPConn).CloseWrite()
		}
	}()
	answers := readAnswers{bufio.NewReader(connection), h.send}
	first, err := answers.next()
	h.check(t, first, err)
	if err == nil && !h.leaves {
		_, _ = io.WriteString(connection, sized(`{"event_type":"`+stillHere+`"}`))
	}
	survived := false
	for err == nil && !survived {
		var further rawAnswer
		if further, err = answers.next(); err == nil {
			survived = strings.Contains(further.body, stillHere)
			if !survived && further.status != h.then {
				t.Errorf("it is answered again: %d %s", further.status, further.body)
			}
		}
	}
	if h.status != 0 && survived == h.ends {
		t.Errorf("the connection goes on: %t", survived)
	}
	if queued := len(r.queue.sent()) > before; queued != h.queued {
		t.Errorf("queued: %t", queued)
	}
	h.checkReports(t, r)
	if got := r.post(`{"event_type":"y"}`); got.status != http.StatusOK {
		t.Errorf("a good request is answered %d afterwards", got.status)
	}
	<-r.reports
}

// check checks the first answer.
func (h hostile) check(t *testing.T, got rawAnswer, err error) {
	t.Helper()
	if h.status == 0 {
		if !errors.Is(err, io.EOF) {
			t.Errorf("answered %d, %v", got.status, err)
		}
		return
	}
	if err != nil || got.status != h.status || !strings.Contains(got.body, h.text) {
		t.Errorf("answered %d: %q, %v", got.status, got.body, err)
	}
	want := "application/problem+json"
	switch {
	case h.http && h.status != http.StatusExpectationFailed: // which has no body
		want = "text/plain; charset=utf-8"
	case h.http:
		want = ""
	case h.status == http.StatusOK:
		want = "application/json"
	}
	if got.contentType != want || !h.http && got.body != "" && !json.Valid([]byte(got.body)) {
		t.Errorf("answered with %q: %s", got.contentType, got.body)
	}
	if strings.Contains(got.body, "panic") || strings.Contains(got.body, ".go") || len(got.body) > 4<<10 {
		t.Errorf("the answer tells too much: %s", got.body)
	}
}

// checkReports looks at what the handler saw of it.
func (h hostile) checkReports(t *testing.T, r *receiver) {
	t.Helper()
	var seen []int
	for range len(r.reports) {
		report := <-r.reports
		if report.EventType != stillHere {
			seen = append(seen, report.Status)
		}
		if report.EventType == "hidden" {
			t.Error("the hidden request was handled")
		}
	}
	var want []int
	if h.status != 0 && !h.http {
		want = []int{h.status}
	}
	if h.then != 0 {
		want = append(want, h.then)
	}
	gone := len(want) == 1 && h.leaves && slices.Equal(seen, []int{webhook.StatusClientGone})
	if !gone && !slices.Equal(seen, want) {
		t.Errorf("the handler saw %v, want %v", seen, want)
	}
}

// rawAnswer is an answer that may be net/http's own.
type rawAnswer struct {
	status      int
	contentType string
	body        string
}

// readAnswers reads what comes back for what was sent.
type readAnswers struct {
	from *bufio.Reader
	sent string
}

// next returns the next final answer, or io.EOF when the connection has ended.
func (r *readAnswers) next() (rawAnswer, error) {
	method, _, _ := strings.Cut(r.sent, " ")
	r.sent = "" // only the first answer is to that method
	for {
		if _, err := r.from.Peek(1); err != nil {
			return rawAnswer{}, io.EOF // also by a reset: the server closes with bytes unread
		}
		response, err := http.ReadResponse(r.from, &http.Request{Method: method})
		if err != nil {
			return rawAnswer{}, err
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return rawAnswer{}, err
		}
		if response.StatusCode != http.StatusContinue {
			return rawAnswer{response.StatusCode, response.Header.Get("Content-Type"), string(body)}, nil
		}
	}
}
