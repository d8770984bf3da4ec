package attribute_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// FuzzItem holds that whatever is an item is written as the same item.
func FuzzItem(f *testing.F) {
	f.Add(`{"s":{"S":"a\"\\\u0000é<"},"n":{"N":"-1.50"},"b":{"B":"AAE="},"t":{"BOOL":true},"z":{"NULL":true}}`)
	f.Add(`{"l":{"L":[{"L":[]},{"M":{"x":{"S":""}}}]},"ss":{"SS":["b","a"]},"ns":{"NS":["2","1"]},"bs":{"BS":["AA==","AQ=="]}}`)
	f.Add(`{"bad":{"S":"a","N":"1"}}`)
	f.Add(`{"bad":null}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		var item attribute.Item
		if json.Unmarshal([]byte(text), &item) != nil || item == nil {
			return
		}
		written, err := json.Marshal(item)
		if err != nil {
			t.Fatal(err)
		}
		var again attribute.Item
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if !attribute.Equal(attribute.Map(item), attribute.Map(again)) {
			t.Errorf("%s became %s", text, written)
		}
	})
}

func TestInvalidItemsAreValidationErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"x":{}}`, `{"x":null}`, `{"x":{"N":"x"}}`, `{"x":{"L":[{"SS":[]}]}}`, `{"x":{"M":{"y":{"NS":["1","1"]}}}}`, `{"x":{"BS":["AA==","AA=="]}}`,
	} {
		var item attribute.Item
		var invalid *attribute.ValidationError
		if err := json.Unmarshal([]byte(text), &item); !errors.As(err, &invalid) {
			t.Errorf("%s: %v, want a ValidationError", text, err)
		}
	}
}

// The documentation gives 3 bytes for a container, 1 per element, and half a
// byte per digit of a number plus one.
func TestSize(t *testing.T) {
	t.Parallel()
	var item attribute.Item
	text := `{"ab":{"S":"é"},"n":{"N":"-123"},"l":{"L":[{"BOOL":true}]},"m":{"M":{"k":{"NULL":true}}},"s":{"SS":["a","bc"]}}`
	if err := json.Unmarshal([]byte(text), &item); err != nil {
		t.Fatal(err)
	}
	want := (2 + 2) + (1 + 4) + (1 + 3 + 1 + 1) + (1 + 3 + 1 + 1 + 1) + (1 + 3)
	if got := item.Size(); got != want {
		t.Errorf("size %d, want %d", got, want)
	}
}
