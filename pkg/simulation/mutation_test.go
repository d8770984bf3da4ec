package simulation_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the directory of the module, relative to this test.
const module = "../.."

// edit changes the code at a marker, a comment //mutant:<marker> in the product. The marker is
// at the end of the first line of a statement, case or field, or on a line of its own above it.
//
// An edit of an expression changes the condition of an if, case or for, the value that is
// returned, assigned, ranged over or passed, or with arg a part of it. Placeholders in an edit
// are resolved by syntax, so that the names of the product can change:
//
//	$0       the expression
//	$left    the leftmost operand of the whole expression
//	$base    what a selector, a call of a method or an assignment is on: a.b of a.b.c
//	$sel     the selected name: c of a.b.c
//	$call    the first call in the statement
//	$arg0    its first argument; $arg1, its second
//	$recv    the receiver of the enclosing method
//	$init    the first name that an if statement declares
//	{marker} the expression at another marker of the same file
type edit struct {
	marker string
	kind   kind
	code   string
	part   []int // of the expression: operands, arguments or elements by index
}

type kind int

const (
	orElse   kind = iota // the condition is also true if code is
	exceptIf             // the condition is false if code is true
	valueOf              // code is the value
	instead              // code is executed instead of the statement
	ahead                // code is executed before the statement
	atStart              // the statement is executed at the start of its function
)

func or(marker, condition string) edit { return edit{marker: marker, kind: orElse, code: condition} }
func unless(marker, condition string) edit {
	return edit{marker: marker, kind: exceptIf, code: condition}
}
func value(marker, value string) edit  { return edit{marker: marker, kind: valueOf, code: value} }
func replace(marker, code string) edit { return edit{marker: marker, kind: instead, code: code} }
func before(marker, code string) edit  { return edit{marker: marker, kind: ahead, code: code} }
func hoist(marker string) edit         { return edit{marker: marker, kind: atStart} }

// rewrite replaces a text that matches the pattern.
func rewrite(marker, pattern, replacement string) edit {
	return value(marker, fmt.Sprintf("mutant.Rewrite($0, %q, %q)", pattern, replacement))
}

func (e edit) arg(part ...int) edit {
	e.part = part
	return e
}

// mutantPackage exists in the overlay only. A mutated file asks it which mutant is active.
const mutantPackage = `package mutant

import (
	"crypto/rand"
	"fmt"
	"os"
	"reflect"
	"regexp"
)

var active = os.Getenv("MUTANT")

func Is(name string) bool { return name == active }

func Value[T any](name string, original T, mutated func() any) T {
	if !Is(name) {
		return original
	}
	return reflect.ValueOf(mutated()).Convert(reflect.TypeFor[T]()).Interface().(T)
}

func Rewrite(text, pattern, replacement string) string {
	return regexp.MustCompile("(?s)^"+pattern+"$").ReplaceAllString(text, replacement)
}

func Random() string { return rand.Text() }

func Text(parts ...any) string { return fmt.Sprint(parts...) }
`

// TestMutants activates each mutant and requires a scenario of the default set to detect it, and
// that scenario to pass without mutants. All mutants are in one binary, built with -overlay.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another binary")
	}
	binary := build(t, overlay(t))
	for _, mutant := range mutants {
		t.Run(mutant.name, func(t *testing.T) {
			t.Parallel()
			detected, output := detect(t, binary, mutant.name, mutant.seed, 1)
			if !detected { // the scenario of the seed has changed
				detected, output = detect(t, binary, mutant.name, *first, *mutantSeeds)
			}
			if !detected {
				t.Fatalf("no scenario detects the mutant: %s\n%s", mutant.rule, output)
			}
			t.Log(firstFailure(output))
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		for _, mutant := range mutants {
			if failed, output := detect(t, binary, "", mutant.seed, 1); failed {
				t.Fatalf("the product fails without a mutant: %s", output)
			}
		}
		if output, err := exec.CommandContext(t.Context(), binary, "-test.run", "^TestReplay$").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	})
}

// source is a file of the product that has markers.
type source struct {
	path    string
	text    string
	file    *ast.File
	markers map[string]ast.Node
	edits   []insertion
}

// insertion puts text around a range of the source.
type insertion struct {
	start, end     int
	prefix, suffix string
}

var (
	markerComment = regexp.MustCompile(`^//mutant:(\S+)$`)
	reference     = regexp.MustCompile(`\{([a-z-]+)\}`)
	placeholder   = regexp.MustCompile(`\$([a-z]+[01]?|0)`)
)

// parseSources returns the files of the product that have markers, by the name of the marker.
func parseSources(t *testing.T, root string) map[string]*source {
	t.Helper()
	sources := map[string]*source{}
	err := filepath.WalkDir(filepath.Join(root, "pkg"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "//mutant:") {
			return err
		}
		src := &source{path: path, text: string(text), markers: map[string]ast.Node{}}
		if err := src.parse(); err != nil {
			return err
		}
		for marker := range src.markers {
			if other := sources[marker]; other != nil {
				return fmt.Errorf("//mutant:%s is in %s and in %s", marker, other.path, path)
			}
			sources[marker] = src
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

// parse finds the nodes that the markers mark: the outermost one that begins on the line.
func (s *source) parse() (err error) {
	fset := token.NewFileSet()
	if s.file, err = parser.ParseFile(fset, s.path, s.text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return err
	}
	outermost := map[int]ast.Node{} // by line
	ast.Inspect(s.file, func(node ast.Node) bool {
		switch node.(type) {
		case *ast.BlockStmt:
		case ast.Stmt, *ast.KeyValueExpr, *ast.FuncDecl:
			if line := fset.Position(node.Pos()).Line; outermost[line] == nil {
				outermost[line] = node
			}
		}
		return true
	})
	for _, group := range s.file.Comments {
		for _, comment := range group.List {
			found := markerComment.FindStringSubmatch(comment.Text)
			if found == nil {
				continue
			}
			at := fset.Position(comment.Pos())
			node := outermost[at.Line]
			if node == nil { // the comment is on a line of its own
				node = outermost[at.Line+1]
			}
			if function, ok := node.(*ast.FuncDecl); ok && len(function.Body.List) == 1 {
				node = function.Body.List[0]
			}
			switch {
			case node == nil:
				return fmt.Errorf("%s: there is no statement at //mutant:%s", at, found[1])
			case s.markers[found[1]] != nil:
				return fmt.Errorf("%s: there are two //mutant:%s", at, found[1])
			}
			s.markers[found[1]] = node
		}
	}
	return nil
}

// overlay writes the mutated files and the file that maps the originals to them.
func overlay(t *testing.T) (path string) {
	t.Helper()
	root, err := filepath.Abs(module)
	if err != nil {
		t.Fatal(err)
	}
	sources := parseSources(t, root)
	unused := maps.Clone(sources)
	for _, mutant := range mutants {
		for _, edit := range mutant.edits {
			src := sources[edit.marker]
			if src == nil {
				t.Fatalf("mutant %q: there is no //mutant:%s in pkg", mutant.name, edit.marker)
			}
			if err := src.apply(mutant.name, edit); err != nil {
				t.Fatalf("mutant %q: //mutant:%s: %v", mutant.name, edit.marker, err)
			}
			delete(unused, edit.marker)
			for _, name := range reference.FindAllStringSubmatch(edit.code, -1) {
				delete(unused, name[1])
			}
		}
	}
	for marker, src := range unused {
		t.Errorf("no mutant uses //mutant:%s in %s", marker, src.path)
	}

	files := map[string]string{filepath.Join(root, "pkg", "mutant", "mutant.go"): mutantPackage}
	for _, src := range sources {
		files[src.path] = src.mutated()
	}
	directory := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	replaced := map[string]string{}
	for name, content := range files {
		replaced[name] = write(fmt.Sprintf("%d.go", len(replaced)), []byte(content))
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	return write("overlay.json", encoded)
}

// apply records the insertions that put an edit into force while its mutant is active.
func (s *source) apply(mutant string, e edit) error {
	node := s.markers[e.marker]
	target := node
	if e.kind <= valueOf {
		expr, err := part(expression(node), e.part)
		if err != nil {
			return err
		}
		target = expr
	}
	code, err := s.resolve(e.code, node, target)
	if err != nil {
		return err
	}
	active := fmt.Sprintf("mutant.Is(%q)", mutant)
	around := func(prefix, suffix string) {
		s.edits = append(s.edits, insertion{s.offset(target.Pos()), s.offset(target.End()), prefix, suffix})
	}
	switch e.kind {
	case orElse:
		around("((", ") || "+active+" && ("+code+"))")
	case exceptIf:
		around("((", ") && !("+active+" && ("+code+")))")
	case valueOf:
		around(fmt.Sprintf("mutant.Value(%q, ", mutant), ", func() any { return "+code+" })")
	case instead:
		around("if "+active+" { "+code+" } else { ", " }")
	case ahead:
		around("if "+active+" { "+code+" }; ", "")
	case atStart:
		around("if !"+active+" { ", " }")
		start := s.offset(s.function(node).Body.Lbrace) + 1
		s.edits = append(s.edits, insertion{start, start, " if " + active + " { " + s.textOf(node) + " }; ", ""})
	}
	return nil
}

// mutated returns the file with all mutants.
func (s *source) mutated() string {
	// An outer range begins before an inner one that begins at the same place, and ends after it.
	slices.SortStableFunc(s.edits, func(a, b insertion) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	texts := map[int]string{s.offset(s.file.Name.End()): "\n\nimport \"github.com/billable-events/billable/pkg/mutant\"\n"} // by offset
	for _, edit := range slices.Backward(s.edits) {
		texts[edit.end] += edit.suffix
	}
	for _, edit := range s.edits {
		texts[edit.start] += edit.prefix
	}
	var out strings.Builder
	done := 0
	for _, at := range slices.Sorted(maps.Keys(texts)) {
		out.WriteString(s.text[done:at] + texts[at])
		done = at
	}
	return out.String() + s.text[done:]
}

// resolve replaces the placeholders in the code of an edit.
func (s *source) resolve(code string, node, target ast.Node) (string, error) {
	var missing error
	textOf := func(name string, found ast.Node) string {
		if found == nil {
			missing = fmt.Errorf("there is no %s", name)
			return ""
		}
		return s.textOf(found)
	}
	code = reference.ReplaceAllStringFunc(code, func(name string) string {
		return textOf(name, expression(s.markers[strings.Trim(name, "{}")]))
	})
	code = placeholder.ReplaceAllStringFunc(code, func(name string) string {
		return textOf(name, s.lookup(name, node, target))
	})
	return code, missing
}

func (s *source) lookup(name string, node, target ast.Node) ast.Node {
	switch name {
	case "$0":
		return target
	case "$left":
		expr := expression(node)
		for {
			binary, ok := expr.(*ast.BinaryExpr)
			if !ok {
				return expr
			}
			expr = binary.X
		}
	case "$base", "$sel":
		expr, _ := target.(ast.Expr)
		if assign, ok := target.(*ast.AssignStmt); ok {
			expr = assign.Lhs[0]
		}
		if call, ok := expr.(*ast.CallExpr); ok {
			expr = call.Fun
		}
		if selector, ok := expr.(*ast.SelectorExpr); ok {
			return map[string]ast.Node{"$base": selector.X, "$sel": selector.Sel}[name]
		}
	case "$recv":
		if receiver := s.function(node).Recv; receiver != nil && len(receiver.List[0].Names) > 0 {
			return receiver.List[0].Names[0]
		}
	case "$init":
		if conditional, ok := node.(*ast.IfStmt); ok {
			if assign, ok := conditional.Init.(*ast.AssignStmt); ok {
				return assign.Lhs[0]
			}
		}
	case "$call", "$arg0", "$arg1":
		for inner := range ast.Preorder(node) {
			call, ok := inner.(*ast.CallExpr)
			switch index := strings.Index("01", name[len(name)-1:]); {
			case !ok:
			case index < 0:
				return call
			case index < len(call.Args):
				return call.Args[index]
			}
		}
	}
	return nil
}

// function returns the function that a node is in.
func (s *source) function(node ast.Node) (enclosing *ast.FuncDecl) {
	for _, declaration := range s.file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok && function.Pos() <= node.Pos() && node.End() <= function.End() {
			enclosing = function
		}
	}
	return enclosing
}

func (s *source) offset(pos token.Pos) int { return int(pos - s.file.FileStart) }

func (s *source) textOf(node ast.Node) string {
	return s.text[s.offset(node.Pos()):s.offset(node.End())]
}

// expression returns the expression of a statement that edits change; nil: there is none.
func expression(node ast.Node) ast.Expr {
	switch node := node.(type) {
	case *ast.IfStmt:
		return node.Cond
	case *ast.ForStmt:
		return node.Cond
	case *ast.RangeStmt:
		return node.X
	case *ast.CaseClause:
		return node.List[0]
	case *ast.ReturnStmt:
		return node.Results[0]
	case *ast.KeyValueExpr:
		return node.Value
	case *ast.AssignStmt:
		if function, ok := node.Rhs[0].(*ast.FuncLit); ok {
			return expression(function.Body.List[0])
		}
		return node.Rhs[0]
	}
	return nil
}

// part returns a part of an expression. Parts of a || b || c are a, b and c.
func part(expr ast.Expr, path []int) (ast.Expr, error) {
	for _, index := range path {
		var parts []ast.Expr
		switch whole := expr.(type) {
		case *ast.BinaryExpr:
			parts = operands(whole, whole.Op)
		case *ast.CallExpr:
			parts = whole.Args
		case *ast.CompositeLit:
			parts = whole.Elts
		}
		if index >= len(parts) {
			return nil, fmt.Errorf("the expression has %d parts, the edit is of number %d", len(parts), index)
		}
		expr = parts[index]
		if element, ok := expr.(*ast.KeyValueExpr); ok {
			expr = element.Value
		}
	}
	if expr == nil {
		return nil, errors.New("the statement has no expression")
	}
	return expr, nil
}

func operands(expr ast.Expr, operator token.Token) []ast.Expr {
	if binary, ok := expr.(*ast.BinaryExpr); ok && binary.Op == operator {
		return append(operands(binary.X, operator), binary.Y)
	}
	return []ast.Expr{expr}
}

func build(t *testing.T, overlay string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "mutated.test")
	command := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-o", binary, "-overlay", overlay, "./pkg/simulation")
	command.Dir = module
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the code of an edit in mutants_test.go does not fit its marker: %v\n%s", err, output)
	}
	return binary
}

// detect runs the scenarios of seeds until one fails.
func detect(t *testing.T, binary, mutant string, first, seeds uint64) (detected bool, output string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "-test.run", "^TestScenarios$", "-test.failfast", "-test.timeout", "2m",
		"-first", fmt.Sprint(first), "-seeds", fmt.Sprint(seeds))
	command.Env = append(os.Environ(), "MUTANT="+mutant)
	printed, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err != nil, string(printed)
}

var failure = regexp.MustCompile(`seed (\d+), ([^:]+):\n\s*(.*)`)

// firstFailure returns which seed detected a mutant, and by what.
func firstFailure(output string) string {
	found := failure.FindStringSubmatch(output)
	if found == nil {
		return output
	}
	return fmt.Sprintf("seed %s (%s): %s", found[1], found[2], found[3])
}
