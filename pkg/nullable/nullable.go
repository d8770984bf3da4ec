// Package nullable converts values to pointers for JSON results, in which an absent value is null.
package nullable

import "time"

// String returns a pointer to the value, or nil if it is empty.
func String[S ~string](value S) *string {
	if value == "" {
		return nil
	}
	return new(string(value))
}

// Time returns the time in UTC, or nil if RFC 3339 cannot represent it: other services write times of events.
func Time(value time.Time) *time.Time {
	value = value.UTC()
	if year := value.Year(); year < 0 || year > 9999 {
		return nil
	}
	return &value
}

// Unix returns the time of seconds since 1970, like Time, or nil for 0, which means unset.
func Unix(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	return Time(time.Unix(seconds, 0))
}
