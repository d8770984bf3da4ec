package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/pace"
)

// budgetKey is the key of the item that holds the budget of calls to Chargebee.
const budgetKey = "#budget"

// The attributes of the budget, and of one entry in it. Those of entries are short:
// there is one per process, and all are written every second.
const (
	budgetEntries = "entries"
	budgetUsed    = "used"
	budgetSlots   = "slots"
	budgetLimit   = "limit"
	budgetPause   = "pause"
	budgetHold    = "hold"

	entryBeat  = "b"
	entryLeft  = "l"
	entryWant  = "w"
	entryCalls = "n"
	entryRate  = "r"
	entrySlots = "s"
	entryCost  = "c"
)

// Budget returns the budget. One that does not exist is an empty one, until it is first
// written.
func (s *Store) Budget(ctx context.Context) (pace.Budget, error) {
	found, err := s.get(ctx, budgetKey)
	if err != nil {
		return pace.Budget{}, err
	}
	if found == nil {
		found = emptyBudget()
	}
	return decodeBudget(found), nil
}

func emptyBudget() item {
	return item{
		budgetEntries: &types.AttributeValueMemberM{Value: item{}},
		budgetUsed:    number(0),
		budgetSlots:   number(0),
		budgetLimit:   number(pace.FullLimit),
	}
}

// makeBudget writes the empty budget, unless somebody else was faster.
func (s *Store) makeBudget(ctx context.Context) error {
	empty := emptyBudget()
	empty[attributeInvoiceID] = text(budgetKey)
	_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.LedgerTable, Item: empty, ConditionExpression: aws.String("attribute_not_exists(invoice_id)"),
	})
	var exists *types.ConditionalCheckFailedException
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("dynamodb: make the budget: %w", classify(err))
	}
	return nil
}

// Change applies a change of one entry as a whole, if all that it names is as it says,
// and returns the budget after it, or else as found.
func (s *Store) Change(ctx context.Context, change pace.Change) (found pace.Budget, applied bool, err error) {
	update := newUpdate()
	update.names["#n"] = change.Name
	if change.Old == nil {
		update.require("attribute_exists(#entries)", "attribute_not_exists(#entries.#n)")
	} else {
		update.require("#entries.#n.b = :beat")
		update.values[":beat"] = text(change.Old.Beat)
	}
	if change.New == nil {
		update.remove = "#entries.#n"
	} else {
		update.set("#entries.#n = :entry")
		update.values[":entry"] = &types.AttributeValueMemberM{Value: encodeEntry(*change.New)}
	}
	taken := change.Taken()
	update.add("used", taken.Cost, change.Most.Cost)
	update.add("slots", taken.Slots, change.Most.Slots)
	if taken.Cost > 0 {
		update.require("#limit = :limit")
		update.values[":limit"] = number(change.Limit)
	}
	return s.updateBudget(ctx, update)
}

// Throttle begins a pause and sets the limit, if no pause stands and the limit is still
// the one that was read.
func (s *Store) Throttle(ctx context.Context, pause pace.Pause, read, limit int64) error {
	update := newUpdate()
	update.require("attribute_not_exists(#pause)", "#limit = :read")
	update.set("#pause = :pause", "#limit = :limit")
	update.values[":read"], update.values[":limit"] = number(read), number(limit)
	update.values[":pause"] = &types.AttributeValueMemberM{Value: item{
		"id":      text(pause.ID),
		"seconds": number(pause.Seconds),
		"reason":  text(pause.Reason),
	}}
	_, _, err := s.updateBudget(ctx, update)
	return err
}

// EndPause takes the pause with this id away, if it stands.
func (s *Store) EndPause(ctx context.Context, id string) error {
	update := newUpdate()
	update.require("#pause.id = :id")
	update.remove = "#pause"
	update.values[":id"] = text(id)
	_, _, err := s.updateBudget(ctx, update)
	return err
}

// SetLimit sets the limit if it is still the one that was read.
func (s *Store) SetLimit(ctx context.Context, read, limit int64) error {
	update := newUpdate()
	update.require("#limit = :read")
	update.set("#limit = :limit")
	update.values[":read"], update.values[":limit"] = number(read), number(limit)
	_, _, err := s.updateBudget(ctx, update)
	return err
}

// Hold stops the calls of all processes until Release. It returns the budget after it, or
// as found, and false, if a hold stands already.
func (s *Store) Hold(ctx context.Context, hold pace.Hold) (found pace.Budget, applied bool, err error) {
	update := newUpdate()
	update.require("attribute_exists(#entries)", "attribute_not_exists(#hold)")
	update.set("#hold = :hold")
	update.values[":hold"] = &types.AttributeValueMemberM{Value: item{"reason": text(hold.Reason), "since": number(hold.Since)}}
	return s.updateBudget(ctx, update)
}

// Release takes the hold away. It returns the budget after it, or as found, and false, if
// there is none.
func (s *Store) Release(ctx context.Context) (found pace.Budget, applied bool, err error) {
	update := newUpdate()
	update.require("attribute_exists(#hold)")
	update.remove = "#hold"
	return s.updateBudget(ctx, update)
}

// update is an update of the budget as it is put together.
type update struct {
	sets       []string
	remove     string
	conditions []string
	names      map[string]string
	values     item
}

func newUpdate() *update { return &update{names: map[string]string{}, values: item{}} }

func (u *update) require(conditions ...string) { u.conditions = append(u.conditions, conditions...) }

func (u *update) set(sets ...string) { u.sets = append(u.sets, sets...) }

// add adds to a sum, which must not come to more than most by it.
func (u *update) add(sum string, more, most int64) {
	if more == 0 {
		return
	}
	u.set("#" + sum + " = #" + sum + " + :" + sum)
	u.values[":"+sum] = number(more)
	if more > 0 {
		u.require("#" + sum + " <= :most_" + sum)
		u.values[":most_"+sum] = number(most - more)
	}
}

func (u *update) expression() string {
	var parts []string
	if len(u.sets) > 0 {
		parts = append(parts, "SET "+strings.Join(u.sets, ", "))
	}
	if u.remove != "" {
		parts = append(parts, "REMOVE "+u.remove)
	}
	return strings.Join(parts, " ")
}

// updateBudget makes the update if its conditions hold.
func (s *Store) updateBudget(ctx context.Context, update *update) (found pace.Budget, applied bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	expression, condition := update.expression(), strings.Join(update.conditions, " AND ")
	names := maps.Clone(update.names)
	for _, name := range []string{budgetEntries, budgetUsed, budgetSlots, budgetLimit, budgetPause, budgetHold} {
		if strings.Contains(expression+" "+condition, "#"+name) {
			names["#"+name] = name // some are reserved words
		}
	}
	input := &dynamodb.UpdateItemInput{
		TableName:                           &s.LedgerTable,
		Key:                                 ledgerKey(budgetKey),
		UpdateExpression:                    &expression,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            names,
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(update.values) > 0 {
		input.ExpressionAttributeValues = update.values
	}
	for {
		output, err := s.Client.UpdateItem(ctx, input)
		var refused *types.ConditionalCheckFailedException
		switch {
		case err == nil:
			return decodeBudget(output.Attributes), true, nil
		case errors.As(err, &refused) && refused.Item != nil:
			return decodeBudget(refused.Item), false, nil
		case errors.As(err, &refused): // the first write, or somebody removed the budget
			if err := s.makeBudget(ctx); err != nil {
				return pace.Budget{}, false, err
			}
		default:
			return pace.Budget{}, false, fmt.Errorf("dynamodb: write the budget: %w", classify(err))
		}
	}
}

func encodeEntry(entry pace.Entry) item {
	w := writer{entryBeat: text(entry.Beat)}
	w.flag(entryLeft, entry.Left)
	w.number(entryWant, entry.Want)
	w.number(entryCalls, entry.Calls)
	w.number(entryRate, entry.Rate)
	w.number(entrySlots, entry.Slots)
	w.number(entryCost, entry.Cost)
	return item(w)
}

func decodeBudget(from item) pace.Budget {
	r := reader(from)
	budget := pace.Budget{
		Entries: map[string]pace.Entry{},
		Used:    r.number(budgetUsed),
		Slots:   r.number(budgetSlots),
		Limit:   r.number(budgetLimit),
	}
	for name := range r.object(budgetEntries) {
		entry := r.object(budgetEntries).object(name)
		budget.Entries[name] = pace.Entry{
			Beat:  entry.text(entryBeat),
			Left:  entry.flag(entryLeft),
			Want:  entry.number(entryWant),
			Calls: entry.number(entryCalls),
			Rate:  entry.number(entryRate),
			Slots: entry.number(entrySlots),
			Cost:  entry.number(entryCost),
		}
	}
	if pause := r.object(budgetPause); pause != nil {
		budget.Pause = &pace.Pause{ID: pause.text("id"), Seconds: pause.number("seconds"), Reason: pause.text("reason")}
	}
	if hold := r.object(budgetHold); hold != nil {
		budget.Hold = &pace.Hold{Reason: hold.text("reason"), Since: hold.number("since")}
	}
	return budget
}
