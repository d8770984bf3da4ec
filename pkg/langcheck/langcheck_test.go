package langcheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// root is the module's directory.
const root = "../.."

const maxAllowed = 40

// text is a piece of a file that is checked.
type text struct {
	file    string
	line    int
	content string
	comment bool // a doc comment
}

// violation is a refused word.
type violation struct {
	file string
	line int
	what string
}

// TestLanguage checks all files of the module.
func TestLanguage(t *testing.T) {
	t.Parallel()
	if len(allowed) > maxAllowed {
		t.Errorf("%d allowed phrases: at most %d", len(allowed), maxAllowed)
	}
	used := make([]bool, len(allowed))
	for _, found := range check(t, used) {
		t.Errorf("%s:%d: %s", found.file, found.line, found.what)
	}
	for i, entry := range allowed {
		if !used[i] {
			t.Errorf("the allowed phrase %q of %s is not used: remove it", entry.phrase, entry.path)
		}
	}
}

// TestRules_FindRefusedWords keeps the rules from refusing nothing.
func TestRules_FindRefusedWords(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]bool{
		"the head says so": true, "X tells whether": true, "which is no volume": true, "there is no volume": false,
		"a letter": true, "a dead letter": false, "of course": false, "its course": true, "in flight": false, "stand-in": true,
		"besides": false, "beside": true, "known": false, "give it back": true, "read back": false, "the books": true,
	} {
		found := len(apply(rules, text{content: content})) > 0
		if found != want {
			t.Errorf("%q: refused = %t, want %t", content, found, want)
		}
	}
	for identifier, want := range map[string]string{"parseHTTPLetter": "parse http letter", "inFlight": "in flight", "URLs": "urls"} {
		if got := strings.TrimSpace(words(identifier)); got != want {
			t.Errorf("words(%s) = %q, want %q", identifier, got, want)
		}
	}
}

func check(t *testing.T, used []bool) []violation {
	t.Helper()
	var found []violation
	for _, piece := range texts(t) {
		for i, entry := range allowed {
			if strings.HasPrefix(piece.file, entry.path) && strings.Contains(piece.content, entry.phrase) {
				used[i] = true
				piece.content = strings.ReplaceAll(piece.content, entry.phrase, " ")
			}
		}
		found = append(found, apply(rules, piece)...)
		if piece.comment {
			found = append(found, apply(commentRules, piece)...)
		}
	}
	return found
}

// apply returns what the rules refuse in a text.
func apply(rules []rule, piece text) []violation {
	var found []violation
	for _, rule := range rules {
		content := piece.content
		if rule.except != nil {
			content = rule.except.ReplaceAllStringFunc(content, func(match string) string { return strings.Repeat(" ", len(match)) })
		}
		for _, at := range rule.refused.FindAllStringIndex(content, -1) {
			around := piece.content[max(0, at[0]-30):min(len(piece.content), at[1]+30)]
			found = append(found, violation{
				file: piece.file,
				line: piece.line + strings.Count(content[:at[0]], "\n"),
				what: fmt.Sprintf("%q in %q: use %s", content[at[0]:at[1]], strings.ReplaceAll(strings.ToValidUTF8(around, ""), "\n", " "), rule.use),
			})
		}
	}
	return found
}

// texts reads all that is checked.
func texts(t *testing.T) []text {
	t.Helper()
	var all []text
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
		skipped := strings.HasPrefix(entry.Name(), ".") && !slices.Contains([]string{"..", ".github", ".golangci.yml", ".goreleaser.yaml"}, entry.Name()) ||
			slices.Contains([]string{"testdata", "bin", "rendered", "schemas"}, entry.Name())
		switch {
		case entry.IsDir() && skipped:
			return filepath.SkipDir
		case entry.IsDir() || skipped:
			return nil
		}
		switch filepath.Ext(file) {
		case ".go":
			all = append(all, goTexts(t, path, file)...)
		case ".md":
			all = append(all, markdownText(t, path, file))
		case ".yaml", ".yml", ".json":
			all = append(all, lines(t, path, file)...)
		default:
			if file == "Makefile" {
				all = append(all, lines(t, path, file)...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// quoted is code and addresses: names of contracts, quotations and links are not checked.
var quoted = regexp.MustCompile("(?s)```.*?```|`[^`]*`|https?://[^\\s)]*|\\]\\([^)]*\\)|\"[^\"\n]*\"")

// quotedWord is an address, or code in a line of a file in which texts are quoted too.
var quotedWord = regexp.MustCompile("`[^`]*`|https?://\\S*|\"[^\" ]*\"")

// blank replaces matches by spaces and keeps the lines.
func blank(pattern *regexp.Regexp, content string) string {
	return pattern.ReplaceAllStringFunc(content, func(match string) string {
		return strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, match)
	})
}

func markdownText(t *testing.T, path, file string) text {
	t.Helper()
	return text{file: file, line: 1, content: blank(quoted, read(t, path))}
}

// lines returns the lines of a file that has texts in comments and values.
func lines(t *testing.T, path, file string) []text {
	t.Helper()
	var all []text
	for i, line := range strings.Split(read(t, path), "\n") {
		all = append(all, text{file: file, line: i + 1, content: blank(quotedWord, line)})
	}
	return all
}

// goTexts returns comments, declared identifiers and, outside of tests, the literals with a space.
func goTexts(t *testing.T, path, file string) []text {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []text
	add := func(at token.Pos, content string, comment bool) {
		all = append(all, text{file: file, line: set.Position(at).Line, content: content, comment: comment})
	}
	docs := map[*ast.CommentGroup]bool{}
	name := func(names ...*ast.Ident) {
		for _, found := range names {
			add(found.Pos(), words(found.Name), false)
		}
	}
	ast.Inspect(parsed, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl:
			docs[node.Doc] = true
			name(node.Name)
		case *ast.GenDecl:
			docs[node.Doc] = true
		case *ast.TypeSpec:
			docs[node.Doc] = true
			name(node.Name)
		case *ast.ValueSpec:
			docs[node.Doc] = true
			name(node.Names...)
		case *ast.Field:
			docs[node.Doc] = true
			name(node.Names...)
		case *ast.AssignStmt:
			if node.Tok == token.DEFINE {
				for _, left := range node.Lhs {
					if ident, ok := left.(*ast.Ident); ok {
						name(ident)
					}
				}
			}
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if node.Kind == token.STRING && !strings.HasSuffix(file, "_test.go") {
				if value, err := strconv.Unquote(node.Value); err == nil && strings.Contains(value, " ") {
					add(node.Pos(), blank(quoted, value), false)
				}
			}
		}
		return true
	})
	for _, group := range parsed.Comments {
		add(group.Pos(), blank(quoted, group.Text()), docs[group])
	}
	return all
}

// words splits an identifier into lower-case words.
func words(identifier string) string {
	var b strings.Builder
	runes := []rune(identifier)
	for i, r := range runes {
		starts := unicode.IsUpper(r) && (i == 0 || !unicode.IsUpper(runes[i-1]) || i+2 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsLower(runes[i+2]))
		if starts || r == '_' {
			b.WriteByte(' ')
		}
		if r != '_' {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}
