package sqsqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const maxGroupID = 128

// groupID returns the id itself if SQS accepts it as a MessageGroupId, and its
// SHA-256 in hexadecimal otherwise: what belongs together stays together.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func groupID(id string) string {
	if len(id) <= maxGroupID && !strings.ContainsFunc(id, outsideGroupAlphabet) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// outsideGroupAlphabet: letters, digits and punctuation of ASCII are allowed, which
// is all that is printable but the space.
func outsideGroupAlphabet(r rune) bool { return r <= ' ' || r > '~' }
