package sqs

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// text is a string of the input whose characters have to be checked.
//
// encoding/json silently puts U+FFFD, which is an allowed character, in place
// of a lone surrogate such as "\ud800", which is none. A text keeps an invalid
// byte instead, for the check to find.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	// Without an escape the text is what stands there; it is valid UTF-8 by now.
	if len(raw) >= 2 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		*t = text(raw[1 : len(raw)-1])
		return nil
	}
	var decoded string
	if err := json.Unmarshal(raw, &decoded); err != nil {
		return err
	}
	if strings.ContainsRune(decoded, utf8.RuneError) && hasLoneSurrogate(string(raw)) {
		decoded = "\xff" + decoded
	}
	*t = text(decoded)
	return nil
}

// hasLoneSurrogate says whether a JSON string has an escape of half a pair.
func hasLoneSurrogate(raw string) bool {
	for {
		at := strings.IndexByte(raw, '\\')
		if at < 0 {
			return false
		}
		raw = raw[at:]
		switch half, ok := surrogate(raw); {
		case !ok:
			raw = raw[2:]
		case half >= 0xDC00:
			return true
		default:
			low, ok := surrogate(raw[6:])
			if !ok || low < 0xDC00 {
				return true
			}
			raw = raw[12:]
		}
	}
}

// surrogate reads an escape such as \ud83d at the start of raw.
func surrogate(raw string) (half uint16, ok bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	for _, digit := range []byte(raw[2:6]) {
		switch {
		case digit >= '0' && digit <= '9':
			digit -= '0'
		case digit >= 'a' && digit <= 'f':
			digit -= 'a' - 10
		case digit >= 'A' && digit <= 'F':
			digit -= 'A' - 10
		default:
			return 0, false
		}
		half = half<<4 | uint16(digit)
	}
	return half, half >= 0xD800 && half <= 0xDFFF
}

// allowed says whether all characters may stand in a message:
// #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
func (t text) allowed() bool {
	for i, r := range t {
		switch {
		case r == '\t', r == '\n', r == '\r':
		case r < 0x20, r == 0xFFFE, r == 0xFFFF:
			return false
		case r == utf8.RuneError && !strings.HasPrefix(string(t[i:]), "\uFFFD"):
			return false
		}
	}
	return true
}
