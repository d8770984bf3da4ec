package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteCSV writes rows with the names and values of their JSON fields. Lists are joined by spaces, null is
// empty. A text that a spreadsheet would execute as a formula gets an apostrophe before it.
// https://owasp.org/www-community/attacks/CSV_Injection
func WriteCSV[T any](w io.Writer, rows []T) error {
	var none T
	titles, _, err := fields(none)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	_ = out.Write(titles) // Error reports it
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

// fields returns the JSON fields of a struct, in their order.
func fields(row any) (names, values []string, err error) {
	encoded, err := json.Marshal(row)
	if err != nil {
		return nil, nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	if _, err := decoder.Token(); err != nil {
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

func csvValue(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return withoutFormula(value)
	case []any:
		texts := make([]string, len(value))
		for i, one := range value {
			texts[i] = fmt.Sprint(one)
		}
		return withoutFormula(strings.Join(texts, " "))
	default:
		return fmt.Sprint(value)
	}
}

func withoutFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}
