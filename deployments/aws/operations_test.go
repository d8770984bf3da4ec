package aws_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// notCalled are operations that the code has, and that no role needs: why.
var notCalled = map[string]string{
	"GetCallerIdentity": "it needs no permission",
	"CreateTable":       "the template makes the tables; consumer tables create finds them",
	"UpdateTimeToLive":  "the template sets it; consumer tables create finds it",
}

// operations are the operations of SQS and DynamoDB whose inputs the product's code names.
func operations(t *testing.T) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	err := filepath.WalkDir("../../pkg", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "sandbox" || entry.Name() == "simulation"):
			return filepath.SkipDir
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		clients := clientsOf(parsed)
		ast.Inspect(parsed, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			operation, isInput := strings.CutSuffix(selector.Sel.Name, "Input")
			if imported, ok := selector.X.(*ast.Ident); ok && isInput && clients[imported.Name] {
				named[operation] = true
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return named
}

// clientsOf returns the names of SDK clients in a file.
func clientsOf(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !strings.HasPrefix(imported, "github.com/aws/aws-sdk-go-v2/service/") {
			continue
		}
		name := filepath.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = true
	}
	return names
}

// everyOperationIsSeen wants TestRoles to have met every operation that the code has.
func everyOperationIsSeen(t *testing.T, seen map[string]bool) {
	t.Helper()
	named := operations(t)
	if len(named) == 0 {
		t.Error("no operation was found in the code")
	}
	for operation := range named {
		if reason, ok := notCalled[operation]; !seen[operation] && !ok {
			t.Errorf("the code has %s, but no test here calls it: its role is unknown", operation)
		} else if seen[operation] && ok {
			t.Errorf("%s is called, but listed as unused: %s", operation, reason)
		}
	}
	for operation := range notCalled {
		if !named[operation] {
			t.Errorf("the code has no %s", operation)
		}
	}
}
