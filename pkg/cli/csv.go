package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteCSV writes a header with the names of the JSON fields of T, and the values of each row as csvValue formats them.
func WriteCSV[T any](w io.Writer, rows []T) error {
	var zero T
	titles, _, err := fields(zero)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	_ = out.Write(titles) // out.Error returns the first error of out
	for _, row := range rows {
		_, values, err := fields(row)
		if err != nil {
			return err
		}
		_ = out.Write(values)
	}
	out.Flush()
	return out.Error()
}

// fields returns the JSON fields of a struct, in their order. The values are formatted by csvValue.
func fields(row any) (names, values []string, err error) {
	encoded, err := json.Marshal(row)
	if err != nil {
		return nil, nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil { // the opening brace
		return nil, nil, err
	}
	for decoder.More() {
		var value any
		name, err := decoder.Token()
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			return nil, nil, err
		}
		names, values = append(names, fmt.Sprint(name)), append(values, csvValue(value))
	}
	return names, values, nil
}

// csvValue formats a decoded JSON value: null as an empty text, a list with spaces between its elements.
func csvValue(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return escapeFormula(value)
	case []any:
		texts := make([]string, len(value))
		for i, element := range value {
			texts[i] = fmt.Sprint(element)
		}
		return escapeFormula(strings.Join(texts, " "))
	default:
		return fmt.Sprint(value)
	}
}

// escapeFormula puts an apostrophe before a text that a spreadsheet would execute as a formula.
// https://owasp.org/www-community/attacks/CSV_Injection
func escapeFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
