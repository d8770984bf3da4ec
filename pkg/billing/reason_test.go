package billing_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// A missing reason would have no metric before its first occurrence.
func TestReasons_Complete(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	listed, found := billing.Reasons(), 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				continue
			}
			reason, err := strconv.Unquote(literal.Value)
			if found++; err != nil || !slices.Contains(listed, billing.Reason(reason)) {
				t.Errorf("Reasons lacks %s", literal.Value)
			}
		}
		return true
	})
	if found != len(listed) {
		t.Errorf("there are %d reasons, %d are listed", found, len(listed))
	}
}
