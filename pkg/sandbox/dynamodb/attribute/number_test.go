package attribute_test

import (
	"cmp"
	"errors"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "-0.00": "0", "00012": "12", "1.50": "1.5", ".5": "0.5", "5.": "5", "+1": "1",
		"1e2": "100", "1E+2": "100", "1200e-2": "12", "-1e-2": "-0.01",
		"99999999999999999999999999999999999999": "99999999999999999999999999999999999999",
	} {
		got, err := attribute.ParseNumber(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " 1", "1 ", "x", "1x", "0x1", "1_000", "--1", "+-1", "e1", "1e", "1e1.5", ".", "-", "Infinity", "1.2.3",
		"100000000000000000000000000000000000001", "1e126", "-1e126", "1e-131", "1e99999999999999999999",
	} {
		var invalid *attribute.ValidationError
		if got, err := attribute.ParseNumber(text); !errors.As(err, &invalid) {
			t.Errorf("%q: %s (%v), want a ValidationError", text, got, err)
		}
	}
}

// FuzzNumber holds that the sortable form orders as the numbers do, and that a
// number's text is the same number.
func FuzzNumber(f *testing.F) {
	seeds := []string{"0", "1", "-1", "12", "-12", "123", "-123", "1e125", "-1e125", "1e-130", "-1e-130", "0.5", "10", "99.9"}
	for _, one := range seeds {
		for _, two := range seeds {
			f.Add(one, two)
		}
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		a, err := attribute.ParseNumber(one)
		if err != nil {
			return
		}
		b, err := attribute.ParseNumber(two)
		if err != nil {
			return
		}
		keyA, _ := attribute.Sortable(a)
		keyB, _ := attribute.Sortable(b)
		if got, want := cmp.Compare(keyA, keyB), a.Cmp(b.Decimal); got != want {
			t.Errorf("%s and %s sort as %d, want %d", a, b, got, want)
		}
		again, err := attribute.ParseNumber(a.String())
		if err != nil || !attribute.Equal(a, again) {
			t.Errorf("%s is read back as %s (%v)", a, again, err)
		}
	})
}
