package manual

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Span is a span that a program made.
type Span struct {
	Name       string
	Kind       string // server, producer, client, consumer
	Attributes []string
}

// listedSpan is a row of the manual.
type listedSpan struct {
	name       string
	names      *regexp.Regexp
	kind       string
	attributes []string
	seen       map[string]bool // of the attributes
}

var placeholder = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// CheckSpans compares the spans that a program made with the table below a heading. Each
// that is listed has to be among them, with each of its attributes at least once.
func CheckSpans(t *testing.T, heading string, made []Span) {
	t.Helper()
	var listed []listedSpan
	for _, row := range table(t, heading) {
		name := word(row[0])
		listed = append(listed, listedSpan{
			name:       name,
			names:      regexp.MustCompile("^" + placeholder.ReplaceAllString(regexp.QuoteMeta(name), "[A-Za-z0-9_-]+") + "$"),
			kind:       row[1],
			attributes: words(row[3]),
			seen:       map[string]bool{},
		})
	}
	for _, span := range made {
		at := slices.IndexFunc(listed, func(l listedSpan) bool { return l.names.MatchString(span.Name) })
		if at < 0 {
			t.Errorf("the manual lacks the span %q", span.Name)
			continue
		}
		row := listed[at]
		if span.Kind != row.kind {
			t.Errorf("%s is a %s, the manual says %s", span.Name, span.Kind, row.kind)
		}
		for _, attribute := range span.Attributes {
			row.seen[attribute] = true
			if attribute != "error.type" && !slices.Contains(row.attributes, attribute) {
				t.Errorf("the manual lacks the attribute %s of %s", attribute, span.Name)
			}
		}
	}
	for _, row := range listed {
		if missing := slices.DeleteFunc(slices.Clone(row.attributes), func(a string) bool { return row.seen[a] }); len(missing) > 0 {
			t.Errorf("no span %q had the attributes %s", row.name, strings.Join(missing, ", "))
		}
	}
}
