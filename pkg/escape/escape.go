// Package escape makes texts from outside safe to show on a terminal, in tables, JSON and logs.
package escape

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsControl reports whether a character controls a terminal or the order of text, instead of being shown.
func IsControl(r rune) bool {
	if r < 0x7F {
		return r < 0x20
	}
	return unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// Text escapes control characters like \u001b, and bytes of invalid UTF-8 like \xff. It keeps new lines and tabs.
// A valid JSON document keeps its values.
func Text(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isEscaped) {
		return text
	}
	var escaped strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&escaped, `\x%02x`, text[0])
		case isEscaped(r):
			fmt.Fprintf(&escaped, `\u%04x`, r)
		default:
			escaped.WriteRune(r)
		}
		text = text[size:]
	}
	return escaped.String()
}

// Line returns the escaped text as one line: new lines and tabs become spaces, and invalid UTF-8 becomes U+FFFD.
func Line(text string) string {
	return Text(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// isEscaped reports whether Text escapes a character.
func isEscaped(r rune) bool { return IsControl(r) && r != '\n' && r != '\t' }

// Writer escapes what is written to Out, as Text does. A write must not end inside a character.
type Writer struct{ Out io.Writer }

// Write implements io.Writer.
func (w Writer) Write(p []byte) (int, error) {
	if utf8.Valid(p) && !bytes.ContainsFunc(p, isEscaped) {
		return w.Out.Write(p)
	}
	if _, err := io.WriteString(w.Out, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
