// Package truncate shortens texts for logs, attributes and records with a maximum size.
package truncate

import "unicode/utf8"

// Bytes returns the longest prefix of the text that has at most maxBytes bytes and does not
// end inside a character.
func Bytes(text string, maxBytes int) string {
	if len(text) <= maxBytes {
		return text
	}
	end := max(maxBytes, 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
