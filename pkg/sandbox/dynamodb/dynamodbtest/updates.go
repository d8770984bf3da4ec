package dynamodbtest

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// updateTable has updates of one item and their results.
var updateTable = []struct {
	name   string
	before attributes
	write
	after attributes
}{
	{"SET makes an item", nil, write{update: "SET x = :x", values: item(":x", 1)}, item("pk", "a", "x", 1)},
	{"no expression makes an item", nil, write{isUpdate: true}, item("pk", "a")},
	{"SET replaces a type", item("pk", "a", "x", 1), write{update: "SET x = :x", values: item(":x", "s")}, item("pk", "a", "x", "s")},
	{"SET copies", item("pk", "a", "x", 1), write{update: "SET y = x"}, item("pk", "a", "x", 1, "y", 1)},
	{"SET sees the old item", item("pk", "a", "x", 1, "y", 2), write{update: "SET x = y, y = x"}, item("pk", "a", "x", 2, "y", 1)},
	{"SET adds and subtracts", item("pk", "a", "x", number("0.1")), write{update: "SET x = x + :d, y = :d - x", values: item(":d", number("0.2"))},
		item("pk", "a", "x", number("0.3"), "y", number("0.1"))},
	{"if_not_exists", item("pk", "a", "x", 1), write{update: "SET x = if_not_exists(x, :d), y = if_not_exists(y, :d) + :one", values: item(":d", 5, ":one", 1)},
		item("pk", "a", "x", 1, "y", 6)},
	{"names with dots", item("pk", "a"), write{update: "SET #n = :v", names: map[string]string{"#n": "x.y"}, values: item(":v", 1)},
		item("pk", "a", "x.y", 1)},
	{"REMOVE", item("pk", "a", "x", 1, "y", 1), write{update: "REMOVE x, absent"}, item("pk", "a", "y", 1)},
	{"ADD numbers", item("pk", "a", "x", 1), write{update: "ADD x :d, y :d", values: item(":d", number("-2.5"))},
		item("pk", "a", "x", number("-1.5"), "y", number("-2.5"))},
	{"ADD to sets", item("pk", "a", "s", stringSet("a"), "n", numberSet("1"), "b", binarySet("x")),
		write{update: "ADD s :s, n :n, b :b, t :s", values: item(":s", stringSet("a", "b"), ":n", numberSet("1.0", "2"), ":b", binarySet("y"))},
		item("pk", "a", "s", stringSet("a", "b"), "n", numberSet("1", "2"), "b", binarySet("x", "y"), "t", stringSet("a", "b"))},
	{"DELETE from sets", item("pk", "a", "s", stringSet("a", "b"), "n", numberSet("1")),
		write{update: "DELETE s :s, n :n, absent :s", values: item(":s", stringSet("b", "c"), ":n", numberSet("1"))},
		item("pk", "a", "s", stringSet("a"))},
	{"all sections at once, in any case and order", item("pk", "a", "x", 1, "y", 1, "s", stringSet("a", "b")),
		write{update: "remove y add n :one delete s :a set z = x", values: item(":one", 1, ":a", stringSet("a"))},
		item("pk", "a", "x", 1, "z", 1, "n", 1, "s", stringSet("b"))},
}

// failingUpdates fail on the item pk=a x=1 s="t".
var failingUpdates = []write{
	{update: "SET x = absent"},
	{update: "SET x = x + s"},
	{update: "SET x = s + :one", values: item(":one", 1)},
	{update: "ADD s :one", values: item(":one", 1)},
	{update: "ADD x :set", values: item(":set", stringSet("a"))},
	{update: "ADD x :s", values: item(":s", "a")},
	{update: "DELETE x :set", values: item(":set", stringSet("a"))},
	{update: "DELETE x :one", values: item(":one", 1)},
	{update: "SET x = :one, x = :one", values: item(":one", 1)},
	{update: "SET x = :two ADD s :two", values: item(":two", 2)},
	{update: "SET x = :one REMOVE x", values: item(":one", 1)},
	{update: "SET pk = :s", values: item(":s", "a")},
	{update: "SET x = :one SET y = :one", values: item(":one", 1)},
	{update: "SET x = :one + :s", values: item(":one", 1, ":s", "a")},
	{update: "SET x = x + x + x"},
	{update: "SET x :one", values: item(":one", 1)},
	{update: "SET x = size(s)"},
	{update: "SET x = begins_with(s, s)"},
	{update: "SET x = if_not_exists(:one, :one)", values: item(":one", 1)},
	{update: "SET"},
	{update: "x = :one", values: item(":one", 1)},
	{update: "SET x = :one,", values: item(":one", 1)},
}

var updates = slices.Concat(updateChecks(), []check{
	{Name: "updates/a failing update changes nothing", Run: func(b *bench) {
		table := b.table(layout{})
		before := item("pk", "a", "x", 1, "s", "t")
		b.put(table, before)
		for _, w := range failingUpdates {
			if _, err := b.try(table, w); err == nil {
				b.Fatalf("%s: no error", w.update)
			}
			b.refuse(table, w)
			b.has(table, item("pk", "a"), before)
		}
	}},
	{Name: "updates/a sum that does not fit a number", Run: func(b *bench) {
		table := b.table(layout{})
		b.put(table, item("pk", "a", "n", number("9e125")))
		b.refuse(table, write{update: "SET n = n + n"})
		b.has(table, item("pk", "a"), item("pk", "a", "n", number("9"+strings.Repeat("0", 125))))
	}},
	{Name: "updates/what they return", Run: func(b *bench) {
		for returns, want := range map[types.ReturnValue]attributes{
			types.ReturnValueNone:       nil,
			types.ReturnValueAllOld:     item("pk", "a", "x", 1, "y", 1, "gone", 1),
			types.ReturnValueAllNew:     item("pk", "a", "x", 2, "y", 1, "z", 3),
			types.ReturnValueUpdatedOld: item("x", 1, "gone", 1),
			types.ReturnValueUpdatedNew: item("x", 2, "z", 3),
		} {
			table := b.table(layout{})
			b.put(table, item("pk", "a", "x", 1, "y", 1, "gone", 1))
			b.is(b.write(table, write{update: "SET x = :x, z = :z REMOVE gone", values: item(":x", 2, ":z", 3), returns: returns}), want)
		}
	}},
	{Name: "updates/a new item has no old values", Run: func(b *bench) {
		for _, returns := range []types.ReturnValue{types.ReturnValueAllOld, types.ReturnValueUpdatedOld} {
			b.is(b.write(b.table(layout{}), write{update: "SET x = :x", values: item(":x", 2), returns: returns}), nil)
		}
	}},
})

// updateChecks makes a check of each row of updateTable.
func updateChecks() (checks []check) {
	for _, row := range updateTable {
		checks = append(checks, check{Name: "updates/" + row.name, Run: func(b *bench) {
			table := b.table(layout{})
			if row.before != nil {
				b.put(table, row.before)
			}
			row.returns = types.ReturnValueAllNew
			b.is(b.write(table, row.write), row.after)
			b.has(table, item("pk", "a"), row.after)
		}})
	}
	return checks
}
