package sqsqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const maxGroupID = 128

// groupID returns the id if SQS accepts it as a MessageGroupId, otherwise its SHA-256 in hexadecimal.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func groupID(id string) string {
	if len(id) <= maxGroupID && !strings.ContainsFunc(id, isInvalidInGroupID) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// isInvalidInGroupID reports whether a character is not a visible one of ASCII.
func isInvalidInGroupID(r rune) bool { return r <= ' ' || r > '~' }
