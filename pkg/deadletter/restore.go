package deadletter

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/billable-events/billable/pkg/queue"
)

// Sender sends messages to the dead-letter queue. It returns nil only if the queue has the message.
type Sender interface {
	Send(ctx context.Context, message queue.Message) (id string, err error)
}

const maxConcurrentSends = 50

// ReadArchive returns the messages of an archive. The error has the number of the first invalid message.
func ReadArchive(archive io.Reader) (messages []queue.Message, err error) {
	decoder := json.NewDecoder(archive)
	for number := 1; ; number++ {
		var archived ArchivedMessage
		err := decoder.Decode(&archived)
		switch {
		case errors.Is(err, io.EOF):
			return messages, nil
		case err != nil:
			return nil, fmt.Errorf("message %d is not one of an archive of dlq discard: %w", number, err)
		case archived.MessageID == "" || archived.Body == "":
			return nil, fmt.Errorf("message %d is not one of an archive of dlq discard: message_id or body is missing", number)
		}
		messages = append(messages, queue.Message{
			ID: archived.MessageID, GroupID: archived.GroupID, Attributes: archived.Attributes, OtherAttributes: archived.Typed, Body: []byte(archived.Body),
		})
	}
}

// Restore sends archived messages to the dead-letter queue, with the bodies, attributes and groups that
// they had. It calls done, concurrently, for each message that was sent. After an error it may be repeated: a
// message that is restored twice is in the queue twice, which is harmless, because the ledger decides.
func Restore(ctx context.Context, sender Sender, messages []queue.Message, done func()) error {
	sends, sendCtx := errgroup.WithContext(ctx)
	sends.SetLimit(maxConcurrentSends)
	for _, message := range messages {
		if sendCtx.Err() != nil {
			break
		}
		sends.Go(func() error {
			if _, err := sender.Send(sendCtx, message); err != nil {
				return fmt.Errorf("restore message %s: %w", message.ID, err)
			}
			done()
			return nil
		})
	}
	return cmp.Or(sends.Wait(), context.Cause(ctx))
}
