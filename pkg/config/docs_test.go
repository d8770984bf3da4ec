package config_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/config"
)

// TestDocs_ListSettings compares docs/configuration.md with the settings and their defaults.
func TestDocs_ListSettings(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(string(content), "\n## Receiver\n")
	receiver, consumer, _ := strings.Cut(page, "\n## Consumer and commands\n")
	for name, test := range map[string]struct {
		section  string
		settings any
		required []string
	}{
		"receiver": {receiver, config.DefaultReceiver(), []string{"queue.url", "auth.username", "auth.password"}},
		"consumer": {consumer, config.DefaultConsumer(), []string{"queue.url", "queue.dead_letter_url", "chargebee.site", "chargebee.api_key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{}
			addDefaults(want, "", reflect.ValueOf(test.settings))
			for _, key := range test.required {
				want[key] = "required"
			}
			got := map[string]string{}
			for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (?:`([^`]*)`|(required)|–) \\|").FindAllStringSubmatch(test.section, -1) {
				got[row[1]] = row[2] + row[3]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the defaults (-) and docs/configuration.md (+) differ:\n%s", diff)
			}
		})
	}
}

// addDefaults adds the keys below a prefix with their values, as the page shows them.
func addDefaults(into map[string]string, prefix string, settings reflect.Value) {
	for i := range settings.NumField() {
		key, ok := settings.Type().Field(i).Tag.Lookup("key")
		switch value := settings.Field(i); {
		case !ok:
		case value.Kind() == reflect.Struct:
			addDefaults(into, prefix+key+".", value)
		default:
			into[prefix+key] = shown(value.Interface())
		}
	}
}

func shown(value any) string {
	switch value := value.(type) {
	case config.Bytes:
		if value%(1<<20) == 0 {
			return fmt.Sprintf("%dMiB", value>>20)
		}
		return fmt.Sprint(int64(value))
	case time.Duration:
		if value%time.Minute == 0 && value != time.Minute {
			return fmt.Sprintf("%dm", value/time.Minute)
		}
		return fmt.Sprintf("%ds", value/time.Second)
	case config.Secret:
		return ""
	default:
		return fmt.Sprint(value)
	}
}
