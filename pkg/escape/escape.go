// Package escape makes texts of others safe to show: on a terminal, in JSON and in logs.
package escape

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// IsControl reports whether a terminal would execute a character instead of showing it.
func IsControl(r rune) bool {
	if r < 0x7F {
		return r < 0x20
	}
	return unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// Text escapes control characters as \u001b and invalid UTF-8 as \xff. New lines and tabs are kept.
// A JSON document stays a JSON document with the same values.
func Text(text string) string {
	if !strings.ContainsFunc(text, isEscaped) {
		return text
	}
	var escaped strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&escaped, `\x%02x`, text[0])
		case isEscaped(r) && r != utf8.RuneError:
			fmt.Fprintf(&escaped, `\u%04x`, r)
		default:
			escaped.WriteRune(r)
		}
		text = text[size:]
	}
	return escaped.String()
}

// Line returns the escaped text as one line: new lines and tabs become spaces.
func Line(text string) string {
	return Text(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
}

// isEscaped reports whether Text may have to escape a character.
func isEscaped(r rune) bool {
	return r != '\n' && r != '\t' && (IsControl(r) || r == utf8.RuneError)
}

// Writer escapes what is written to Out, as Text does. A write must not end inside a character.
type Writer struct{ Out io.Writer }

// Write implements io.Writer.
func (w Writer) Write(p []byte) (int, error) {
	if !bytes.ContainsFunc(p, isEscaped) {
		return w.Out.Write(p)
	}
	if _, err := io.WriteString(w.Out, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
