package manual

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Both is the heading of the table of what both programs write.
const Both = "Log of both"

// adders are the methods that give a line of the log a field.
var adders = []string{"Str", "Int", "Int64", "Float64", "Dur", "Stringer", "Bool"}

// lines are the texts of a log and the fields of each, sorted.
type lines map[string][]string

// CheckLog compares the lines that a package's source writes with the table below a
// heading, and their fields with the table of all fields. A text that is not a literal is
// not looked at.
func CheckLog(t *testing.T, heading, directory string) {
	t.Helper()
	listed, written, explained := listedLines(t, heading), writtenLines(t, directory), fields(t)
	for text, has := range written {
		if in, ok := listed[text]; !ok || !slices.Equal(in, has) {
			t.Errorf("%q has the fields %v, the manual lists %v (%t)", text, has, in, ok)
		}
		for _, field := range has {
			if !explained[field] {
				t.Errorf("the manual does not say what %q is", field)
			}
		}
	}
	for text := range listed {
		if _, ok := written[text]; !ok {
			t.Errorf("the manual lists %q, which nobody writes", text)
		}
	}
}

// CheckLines compares lines that a program wrote with the table below a heading, and with
// that of both programs.
func CheckLines(t *testing.T, heading string, written []map[string]any) {
	t.Helper()
	listed := listedLines(t, heading)
	maps.Copy(listed, listedLines(t, Both))
	for _, line := range written {
		has, ok := listed[line["message"].(string)]
		if !ok {
			t.Errorf("the manual lacks the line %v", line)
		}
		for field := range line {
			if !slices.Contains(has, field) && !slices.Contains([]string{"time", "level", "message"}, field) {
				t.Errorf("the manual lacks the field %s of %v", field, line)
			}
		}
	}
}

func listedLines(t *testing.T, heading string) lines {
	t.Helper()
	found := lines{}
	for _, row := range table(t, heading) {
		if text := word(row[0]); text != "" {
			found[text] = slices.Sorted(slices.Values(words(row[2])))
		}
	}
	return found
}

func fields(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, row := range table(t, "Fields of the logs") {
		for _, field := range words(row[0]) {
			found[field] = true
		}
	}
	return found
}

func writtenLines(t *testing.T, directory string) lines {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source in %s: %v", directory, err)
	}
	found := lines{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			ast.Inspect(declaration, func(node ast.Node) bool {
				if call, ok := node.(*ast.CallExpr); ok && selected(call) == "Msg" && literal(call) != "" {
					found[literal(call)] = fieldsOf(call, declaration)
				}
				return true
			})
		}
	}
	return found
}

// fieldsOf returns the fields of the line that a call of Msg ends: those of its own chain
// of calls and, where that begins with a variable, those of all chains that the variable
// is given in the same declaration.
func fieldsOf(message *ast.CallExpr, within ast.Node) []string {
	found := map[string]bool{}
	if line := follow(message, found); line != "" {
		ast.Inspect(within, func(node ast.Node) bool {
			assignment, ok := node.(*ast.AssignStmt)
			if !ok {
				return true
			}
			if name, ok := assignment.Lhs[0].(*ast.Ident); ok && name.Name == line {
				follow(assignment.Rhs[0], found)
			}
			return true
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// follow goes through a chain of calls to its beginning, notes the fields that it adds,
// and returns the variable that it begins with, if it does.
func follow(chain ast.Expr, found map[string]bool) (variable string) {
	for {
		call, ok := chain.(*ast.CallExpr)
		if !ok {
			name, _ := chain.(*ast.Ident)
			if name == nil {
				return ""
			}
			return name.Name
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		chain = method.X
		switch name := method.Sel.Name; {
		case name == "Err":
			found["error"] = true
		case name == "Ctx": // the logger's hook adds them
			found["trace_id"], found["span_id"] = true, true
		case slices.Contains(adders, name):
			found[literal(call)] = true
		}
	}
}

// selected is the name of the method that is called.
func selected(call *ast.CallExpr) string {
	if method, ok := call.Fun.(*ast.SelectorExpr); ok {
		return method.Sel.Name
	}
	return ""
}

// literal is a call's first argument if it is a text.
func literal(call *ast.CallExpr) string {
	if len(call.Args) == 0 {
		return ""
	}
	argument, ok := call.Args[0].(*ast.BasicLit)
	if !ok || argument.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(argument.Value)
	if err != nil {
		return ""
	}
	return text
}
