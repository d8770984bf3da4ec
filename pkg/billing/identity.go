package billing

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strconv"
	"strings"
)

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// markerLength is the number of characters of a marker. With 60 bits, two lines of one invoice do not
// collide in practice.
const markerLength = 12

// LineID identifies one line of one plan. It has two hashes: the marker, by which the line is recognised on an
// invoice, and the idempotency key, by which Chargebee recognises a repeated call. The epoch distinguishes the
// line from lines of earlier plans of the invoice, whose claims were released.
type LineID struct {
	InvoiceID string
	Epoch     string
	Line      int // index in Plan.Lines
}

// Marker returns markerLength characters of a-z and 2-7.
func (id LineID) Marker() string {
	sum := id.hash("marker")
	return base32Lower.EncodeToString(sum[:])[:markerLength]
}

// IdempotencyKey returns the key of the call that adds the line, 64 characters.
// Chargebee remembers it for 30 minutes. https://apidocs.chargebee.com/docs/api/idempotency
func (id LineID) IdempotencyKey() string {
	sum := id.hash("charge")
	return hex.EncodeToString(sum[:])
}

func (id LineID) hash(purpose string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{purpose, id.InvoiceID, id.Epoch, strconv.Itoa(id.Line)}, "\x00"))) //mutant:line-identity
}

// CloseKey returns the idempotency key of the call that closes the invoice. Each refusal requires a new key,
// because Chargebee may replay the refusal for the previous key. A new key is safe: a draft closes only once.
func CloseKey(invoiceID, epoch string, refusals int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{"close", invoiceID, epoch, strconv.Itoa(refusals)}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// NewToken returns 16 random base32 characters (80 bits), for an owner, an epoch or a version.
func NewToken() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return base32Lower.EncodeToString(random[:])
}
