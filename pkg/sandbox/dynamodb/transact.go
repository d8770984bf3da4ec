package dynamodb

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// Limits of transactions.
const (
	maxTransactItems = 100
	maxTransactBytes = 4 << 20
	maxToken         = 36

	// tokenWindow is the time for which a client request token is stored.
	tokenWindow = 10 * time.Minute
)

var errOneItem = attribute.Invalidf("Transaction request cannot include multiple operations on one item")

// cancellationReason is the reason for which one action cancelled its transaction, or None.
type cancellationReason struct {
	Code    string
	Message string         `json:",omitempty"`
	Item    attribute.Item `json:",omitempty"`
}

// transactionCanceled returns the error of a transaction with a reason per action.
func transactionCanceled(reasons []cancellationReason) error {
	codes := make([]string, len(reasons))
	for i, reason := range reasons {
		codes[i] = reason.Code
	}
	return &awsjson.Error{
		Type: shapes + "TransactionCanceledException",
		Message: fmt.Sprintf("Transaction cancelled, please refer cancellation reasons for specific reasons [%s]",
			strings.Join(codes, ", ")),
		Fields: map[string]any{"CancellationReasons": reasons},
	}
}

// reasonFor returns why an action failed; ok is false for errors that are not the action's.
func reasonFor(err error, failed attribute.Item) (reason cancellationReason, ok bool) {
	var invalid *attribute.ValidationError
	var hot *hotPartition
	switch {
	case err == nil:
		return cancellationReason{Code: "None"}, true
	case errors.Is(err, errConditionFailed):
		return cancellationReason{Code: "ConditionalCheckFailed", Message: conditionFailedMessage, Item: failed}, true
	case errors.As(err, &hot):
		return cancellationReason{Code: "ThrottlingError", Message: throttledMessage}, true
	case errors.As(err, &invalid):
		return cancellationReason{Code: "ValidationError", Message: invalid.Message}, true
	}
	return cancellationReason{}, false
}

// conflict cancels a transaction because another one holds the item of the action that the fault
// chooses; conditions were not evaluated.
func conflict(fault sandbox.Fault, actions int) error {
	reasons := make([]cancellationReason, actions)
	for i := range reasons {
		reasons[i] = cancellationReason{Code: "None"}
	}
	reasons[fault.Choice/2%uint64(actions)] = cancellationReason{Code: "TransactionConflict", Message: conflictMessage}
	return transactionCanceled(reasons)
}

// transactWriteInput is the input of TransactWriteItems.
type transactWriteInput struct {
	TransactItems      []transactWriteItem
	ClientRequestToken string
}

type transactWriteItem struct {
	ConditionCheck *writeInput `json:",omitempty"`
	Put            *writeInput `json:",omitempty"`
	Update         *writeInput `json:",omitempty"`
	Delete         *writeInput `json:",omitempty"`
}

// transaction is a finished TransactWriteItems.
type transaction struct {
	actions  [sha256.Size]byte
	finished time.Time
}

func (i transactWriteItem) write() (*write, error) {
	var kind writeKind
	var input *writeInput
	set := 0
	for of, action := range [...]*writeInput{put: i.Put, update: i.Update, deletion: i.Delete, check: i.ConditionCheck} {
		if action != nil {
			kind, input = writeKind(of), action
			set++
		}
	}
	if set != 1 {
		return nil, attribute.Invalidf("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	if kind == check && input.ConditionExpression == nil {
		return nil, attribute.Invalidf("The expression can not be empty;")
	}
	return newWrite(kind, input)
}

func (s *Service) transactWriteItems(input *transactWriteInput, call awsjson.Call) (*struct{}, error) {
	writes, err := input.writes()
	if err != nil {
		return nil, err
	}
	actions, err := input.fingerprint()
	if err != nil {
		return nil, err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	if earlier, ok := s.earlier(input.ClientRequestToken, now); ok {
		if earlier.actions != actions {
			return nil, failure("IdempotentParameterMismatchException", "Request uses the same client token as a previous, but non-identical request")
		}
		return &struct{}{}, nil
	}
	if call.Fault.Kind == sandbox.Partial && call.Fault.Choice%2 == 1 && input.ClientRequestToken != "" {
		return nil, failure("TransactionInProgressException", "The transaction with the given request token is already in progress.") // an earlier try of the same transaction
	}
	plans, err := s.planAll(writes, call.Fault, now)
	if err != nil {
		return nil, err
	}

	for _, p := range plans {
		p.commit(now)
	}
	if input.ClientRequestToken != "" {
		s.requests[input.ClientRequestToken] = transaction{actions, now}
		s.tokens = append(s.tokens, input.ClientRequestToken)
	}
	return &struct{}{}, nil
}

// writes reads and checks the actions.
func (i *transactWriteInput) writes() ([]*write, error) {
	if len(i.ClientRequestToken) > maxToken {
		return nil, constraint(i.ClientRequestToken, "clientRequestToken", "Member must have length less than or equal to 36")
	}
	switch items := len(i.TransactItems); {
	case items == 0:
		return nil, constraint("[]", "transactItems", "Member must have length greater than or equal to 1")
	case items > maxTransactItems:
		return nil, constraint(fmt.Sprintf("[%d items]", items), "transactItems", "Member must have length less than or equal to 100")
	}
	writes := make([]*write, len(i.TransactItems))
	for at, item := range i.TransactItems {
		var err error
		if writes[at], err = item.write(); err != nil {
			return nil, err
		}
	}
	return writes, nil
}

// fingerprint returns equal for equal actions, in whatever order their members came. It
// is needed only to recognise a token's second use.
func (i *transactWriteInput) fingerprint() (sum [sha256.Size]byte, err error) {
	if i.ClientRequestToken == "" {
		return sum, nil
	}
	text, err := json.Marshal(i.TransactItems)
	return sha256.Sum256(text), err
}

// earlier finds a finished transaction by its token and forgets old ones.
func (s *Service) earlier(token string, now time.Time) (transaction, bool) {
	for len(s.tokens) > 0 && now.Sub(s.requests[s.tokens[0]].finished) >= tokenWindow {
		delete(s.requests, s.tokens[0])
		s.tokens = s.tokens[1:]
	}
	done, ok := s.requests[token]
	return done, ok
}

// planAll plans all actions, or returns the reasons of all that fail.
func (s *Service) planAll(writes []*write, fault sandbox.Fault, now time.Time) ([]*plan, error) {
	type key struct {
		table *table
		place place
	}
	plans := make([]*plan, len(writes))
	reasons := make([]cancellationReason, len(writes))
	taken := map[key]bool{}
	cancelled, bytes := false, 0
	for i, w := range writes {
		t, err := s.table(w.input.TableName)
		if err != nil {
			return nil, err
		}
		p, err := w.on(t)
		var failed attribute.Item
		if err == nil {
			if taken[key{t, p.place}] {
				return nil, errOneItem
			}
			taken[key{t, p.place}] = true
			if err = p.prepare(); err == nil {
				err = s.take(p, now)
			}
			bytes += p.new.Size()
			failed = p.failedItem()
		}
		reason, ok := reasonFor(err, failed)
		if !ok {
			return nil, err
		}
		plans[i], reasons[i] = p, reason
		cancelled = cancelled || err != nil
	}
	switch {
	case bytes > maxTransactBytes:
		return nil, attribute.Invalidf("Aggregated size of all items in the transaction has exceeded the limit of 4 MB")
	case fault.Kind == sandbox.Partial:
		return nil, conflict(fault, len(writes))
	case cancelled:
		return nil, transactionCanceled(reasons)
	}
	return plans, nil
}
