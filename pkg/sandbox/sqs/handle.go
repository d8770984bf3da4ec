package sqs

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// handle is a receipt handle: it stands for one receive of one message.
type handle struct {
	queue   uint64 // the queue's serial
	message messageID
	receipt uint64 // the number of the receive, for this message
}

const handleLength = 8 + 16 + 8 + 4

func (h handle) String() string {
	encoded := make([]byte, 0, handleLength)
	encoded = binary.BigEndian.AppendUint64(encoded, h.queue)
	encoded = append(encoded, h.message[:]...)
	encoded = binary.BigEndian.AppendUint64(encoded, h.receipt)
	encoded = binary.BigEndian.AppendUint32(encoded, crc32.ChecksumIEEE(encoded))
	return base64.StdEncoding.EncodeToString(encoded)
}

// isLatest says whether a handle is that of a message's latest receive.
func (m *message) isLatest(h handle) bool { return uint64(m.total) == h.receipt }

// parseHandle reads a handle that this queue gave out.
func (q *queue) parseHandle(given string) (handle, error) {
	if given == "" {
		return handle{}, missingParameter.errorf("The request must contain the parameter ReceiptHandle.")
	}
	invalid := receiptHandleIsInvalid.errorf("The input receipt handle %q is not a valid receipt handle.", given)
	encoded, err := base64.StdEncoding.Strict().DecodeString(given)
	if err != nil || len(encoded) != handleLength {
		return handle{}, invalid
	}
	content, checksum := encoded[:handleLength-4], encoded[handleLength-4:]
	if crc32.ChecksumIEEE(content) != binary.BigEndian.Uint32(checksum) {
		return handle{}, invalid
	}
	h := handle{
		queue:   binary.BigEndian.Uint64(content),
		message: messageID(content[8:24]),
		receipt: binary.BigEndian.Uint64(content[24:]),
	}
	if h.queue != q.serial {
		return handle{}, invalid
	}
	return h, nil
}
