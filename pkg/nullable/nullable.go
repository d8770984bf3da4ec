// Package nullable converts values to the pointers of JSON results, in which an absent value is null.
package nullable

import "time"

// String returns nil for an empty string.
func String[S ~string](value S) *string {
	if value == "" {
		return nil
	}
	return new(string(value))
}

// Time returns nil for a time that RFC 3339 cannot represent: times of events are input of others.
func Time(value time.Time) *time.Time {
	value = value.UTC()
	if year := value.Year(); year < 0 || year > 9999 {
		return nil
	}
	return &value
}

// Unix returns the time of seconds since 1970, or nil for 0, which means unset.
func Unix(seconds int64) *time.Time {
	if seconds == 0 {
		return nil
	}
	return Time(time.Unix(seconds, 0))
}
