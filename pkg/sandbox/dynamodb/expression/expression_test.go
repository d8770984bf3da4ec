package expression_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/expression"
)

var (
	names  = map[string]string{"#a": "a", "#status": "status"}
	values = attribute.Item{
		":n": attribute.Int(1), ":s": attribute.String("s"), ":l": attribute.List{}, ":ss": attribute.Set{Type: attribute.TypeStringSet, Elements: []attribute.Value{attribute.String("x")}}, ":b": attribute.Bool(true),
	}
)

func placeholders(tb testing.TB) *expression.Placeholders {
	tb.Helper()
	p, err := expression.NewPlaceholders(names, values)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// The messages are the service's own: callers see them in their logs.
func TestMessages(t *testing.T) {
	t.Parallel()
	condition := func(source string, p *expression.Placeholders) error {
		_, err := expression.ParseCondition(expression.ConditionExpression, source, p)
		return err
	}
	update := func(source string, p *expression.Placeholders) error {
		_, err := expression.ParseUpdate(source, p)
		return err
	}
	projection := func(source string, p *expression.Placeholders) error {
		_, err := expression.ParseProjection(source, p)
		return err
	}
	for _, c := range []struct {
		parse        func(string, *expression.Placeholders) error
		source, want string
	}{
		{condition, "", "Invalid ConditionExpression: The expression can not be empty;"},
		{condition, "a = :n b", `Invalid ConditionExpression: Syntax error; token: "b", near: ":n b"`},
		{condition, "a = ", `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "= "`},
		{condition, "a ! :n", `Invalid ConditionExpression: Syntax error; token: "!", near: "a ! :n"`},
		{condition, "status = :n", "Invalid ConditionExpression: Attribute name is a reserved keyword; reserved keyword: status"},
		{condition, "#b = :n", "Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #b"},
		{condition, "#a = :x", "Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :x"},
		{condition, "nonsense(a)", "Invalid ConditionExpression: Invalid function name; function: nonsense"},
		{condition, "contains(a)", "Invalid ConditionExpression: Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1"},
		{condition, "a < :b", "Invalid ConditionExpression: Incorrect operand type for operator or function; operator: <, operand type: BOOL"},
		{condition, "a BETWEEN :s AND :n", "Invalid ConditionExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {S:s}, upper bound operand: AttributeValue: {N:1}"},
		{condition, "a = a", "Invalid ConditionExpression: The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"},
		{condition, "a.x = :n", "Invalid ConditionExpression: The fake does not support paths into maps and lists; attribute name: a"},
		{condition, "size(a) = :n", "Invalid ConditionExpression: The fake does not support the function; function: size"},
		{condition, "((a = :n))", "Invalid ConditionExpression: The expression has redundant parentheses;"},
		{update, "SET a = :n SET c = :n", `Invalid UpdateExpression: The "SET" section can only be used once in an update expression;`},
		{update, "SET a = :n, a = :n", "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"},
		{update, "SET #a[1] = :n", "Invalid UpdateExpression: The fake does not support paths into maps and lists; attribute name: a"},
		{update, "SET a = list_append(a, :l)", "Invalid UpdateExpression: The fake does not support the function; function: list_append"},
		{update, "ADD a :s", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: S, typeSet: ALLOWED_FOR_ADD_OPERAND"},
		{update, "SET a = c + :s", "Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S"},
		{update, "SET a = contains(c, :s)", "Invalid UpdateExpression: The function is not allowed in an update expression; function: contains"},
		{projection, "a, a", "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]"},
		{projection, "a b", `Invalid ProjectionExpression: Syntax error; token: "b", near: "a b"`},
	} {
		if err := c.parse(c.source, placeholders(t)); err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.source, err, c.want)
		}
	}
}

func TestReserved(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"ABORT", "name", "Status", "zone", "ttl"} {
		if !expression.IsReserved(word) {
			t.Errorf("%s is not reserved", word)
		}
	}
	for _, word := range []string{"pk", "unbilled", "invoice_id", "generation_"} {
		if expression.IsReserved(word) {
			t.Errorf("%s is reserved", word)
		}
	}
}

func TestDeepNestingDoesNotOverflow(t *testing.T) {
	t.Parallel()
	for source, valid := range map[string]bool{
		strings.Repeat("NOT ", 1000) + "a = :n": true, strings.Repeat("(", 4000): false, strings.Repeat("(NOT ", 800): false,
	} {
		condition, err := expression.ParseCondition(expression.ConditionExpression, source, placeholders(t))
		if valid != (err == nil) {
			t.Errorf("%.20s...: error %v", source, err)
		}
		if valid && condition.Holds(nil) {
			t.Errorf("%.20s... holds", source)
		}
	}
}

// FuzzExpression holds that no text makes a parser panic, that errors are the
// caller's, and that what was parsed can be evaluated on any item.
func FuzzExpression(f *testing.F) {
	for _, source := range []string{
		"a = :n AND (NOT b <> :s OR c BETWEEN :n AND :n)", "a IN (:n, :s)", "attribute_type(a.b[0], :s)", "size(#a) > :n",
		"SET a = if_not_exists(a, :n) + :n, l = x - :n REMOVE #status ADD x :n DELETE y :ss",
		"a, b.c, d[0]", "pk = :s AND begins_with(sk, :s)", "((", "a.", "[0]", "SET", "#", ":", "a[99999999999999999999]", "SET a = (((:n",
	} {
		f.Add(source)
	}
	item := attribute.Item{
		"a": attribute.Map{"b": attribute.List{attribute.Int(1), attribute.String("s")}}, "x": attribute.Int(1),
		"y": values[":ss"], "l": attribute.List{attribute.Bool(true)}, "status": attribute.Null{},
	}
	f.Fuzz(func(t *testing.T, source string) {
		callersFault := func(err error) {
			var invalid *attribute.ValidationError
			if err != nil && !errors.As(err, &invalid) {
				t.Errorf("%q: %v", source, err)
			}
		}
		condition, err := expression.ParseCondition(expression.ConditionExpression, source, placeholders(t))
		callersFault(err)
		if err == nil {
			condition.Holds(item)
			condition.Holds(nil)
			_, err := condition.KeyCondition("pk", "sk")
			callersFault(err)
		}
		update, err := expression.ParseUpdate(source, placeholders(t))
		callersFault(err)
		if err == nil {
			before := attribute.JSON(attribute.Map(item))
			_, err := update.Apply(item)
			callersFault(err)
			if len(before) != len(attribute.JSON(attribute.Map(item))) {
				t.Errorf("%q changed the old item", source)
			}
		}
		projection, err := expression.ParseProjection(source, placeholders(t))
		callersFault(err)
		if err == nil {
			projection.Of(item)
		}
	})
}
