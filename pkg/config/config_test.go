package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/config"
)

const configs = "../../configs"

// required is the environment without which the receiver does not start.
var required = []string{"BILLABLE_QUEUE_URL=http://q/1/w", "BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD=a:b"}

// withUnexported also compares secrets, whose values are unexported.
var withUnexported = cmp.Exporter(func(reflect.Type) bool { return true })

func TestExamples_ShowDefaults(t *testing.T) {
	t.Parallel()
	receiver, warnings, err := config.LoadReceiver(config.Source{File: filepath.Join(configs, "receiver.yaml"), Environ: required})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	want := config.DefaultReceiver()
	want.Queue.URL, want.Auth.Username, want.Auth.Password = "http://q/1/w", "u", "a:b"
	if diff := cmp.Diff(want, receiver, withUnexported); diff != "" {
		t.Errorf("configs/receiver.yaml differs from the defaults (-want +got):\n%s", diff)
	}
	consumer, warnings, err := config.LoadConsumer(config.Source{File: filepath.Join(configs, "consumer.yaml")})
	if err != nil || len(warnings) != 0 {
		t.Fatal(err, warnings)
	}
	if diff := cmp.Diff(config.DefaultConsumer(), consumer, withUnexported); diff != "" {
		t.Errorf("configs/consumer.yaml differs from the defaults (-want +got):\n%s", diff)
	}
}

// TestExamples_ShowEveryKey renames each key of the examples: a file that lacked a
// key would pass the comparison with the defaults.
func TestExamples_ShowEveryKey(t *testing.T) {
	t.Parallel()
	for file, keys := range map[string]int{"receiver.yaml": 18, "consumer.yaml": 27} {
		content, err := os.ReadFile(filepath.Join(configs, file))
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for line := range strings.Lines(string(content)) {
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				shown++
			}
		}
		if shown != keys {
			t.Errorf("%s shows %d keys, there are %d", file, shown, keys)
		}
	}
}

func TestLoad_EnvironmentOverridesFile(t *testing.T) {
	t.Parallel()
	file := write(t, "chargebee:\n  site: acme\n  requests_per_minute: 1000\nworker:\n")
	settings, warnings, err := config.LoadConsumer(config.Source{File: file, Environ: []string{
		"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3500",
		"BILLABLE_CHARGEBEE_CALL_TIMEOUT=2s",
		"BILLABLE_INVOICE_CLOSE=false",
	}})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if settings.Chargebee.Site != "acme" || settings.Chargebee.RequestsPerMinute != 3500 || settings.Chargebee.CallTimeout != 2*time.Second || settings.Invoice.Close {
		t.Errorf("got %+v", settings)
	}
}

func TestLoad_Secrets(t *testing.T) {
	t.Parallel()
	path := write(t, "pass\n\n")
	environ := []string{"BILLABLE_QUEUE_URL=http://q/1/w", "BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD_FILE=" + path}
	settings, _, err := config.LoadReceiver(config.Source{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if got := settings.Auth.Password.Reveal(); got != "pass\n" {
		t.Errorf("one trailing newline is cut, no more: got %q", got)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if printed := fmt.Sprintf(verb, struct{ Password config.Secret }{settings.Auth.Password}); strings.Contains(printed, "pass\n") || strings.Contains(printed, "706173730a") {
			t.Errorf("the secret is printed: %s", printed)
		}
	}
	_, _, err = config.LoadReceiver(config.Source{Environ: append(environ, "BILLABLE_AUTH_PASSWORD=other")})
	wantErrors(t, err, "auth.password")
	_, _, err = config.LoadReceiver(config.Source{Environ: []string{"BILLABLE_QUEUE_URL=u", "BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD_FILE=/nowhere"}})
	wantErrors(t, err, "auth.password_file")
}

func TestAuth_Reload(t *testing.T) {
	t.Parallel()
	username, password, previous := write(t, "u"), write(t, "first\n"), write(t, "zeroth")
	settings, _, err := config.LoadReceiver(config.Source{
		File:    write(t, "queue:\n  url: http://q/1/w\nauth:\n  username_file: "+username+"\n  previous_username: p\n  previous_password_file: "+previous+"\n"),
		Environ: []string{"BILLABLE_AUTH_PASSWORD_FILE=" + password},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth := settings.Auth
	if !auth.FromFiles() {
		t.Error("files are not noticed")
	}
	for _, step := range []struct {
		file, content string
		want          [4]config.Secret
		keys          []string
	}{
		{password, "first", [4]config.Secret{"u", "first", "p", "zeroth"}, nil},
		{password, "second\r\n", [4]config.Secret{"u", "second", "p", "zeroth"}, nil},
		{previous, "fi:rst", [4]config.Secret{"u", "second", "p", "fi:rst"}, nil},
		{username, "v", [4]config.Secret{"v", "second", "p", "fi:rst"}, nil},
		{password, "", [4]config.Secret{}, []string{"auth.password_file"}},
		{previous, "\n", [4]config.Secret{}, []string{"auth.password_file", "auth.previous_password_file"}},
		{username, "v:w", [4]config.Secret{}, []string{"auth.password_file", "auth.previous_password_file", "auth.username"}},
		{username, "w", [4]config.Secret{}, []string{"auth.password_file", "auth.previous_password_file"}},
		{previous, "x", [4]config.Secret{}, []string{"auth.password_file"}},
		{password, "third", [4]config.Secret{"w", "third", "p", "x"}, nil},
	} {
		if err := os.WriteFile(step.file, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := auth.Reload()
		wantErrors(t, err, step.keys...)
		if err == nil && [4]config.Secret{got.Username, got.Password, got.PreviousUsername, got.PreviousPassword} != step.want {
			t.Errorf("after %q: got %q", step.content, got.Password.Reveal())
		}
		if err != nil && strings.Contains(err.Error(), "third") {
			t.Errorf("the error contains the secret: %v", err)
		}
	}
	if err := os.Remove(password); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Reload(); err == nil {
		t.Error("a missing file is not an error")
	}
}

func TestAuth_FromFiles(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"plain":    {"BILLABLE_AUTH_USERNAME=u", "BILLABLE_AUTH_PASSWORD=p"},
		"disabled": {"BILLABLE_AUTH_DISABLED=true"},
	} {
		settings, _, err := config.LoadReceiver(config.Source{Environ: append(environ, "BILLABLE_QUEUE_URL=u")})
		if err != nil {
			t.Fatal(err)
		}
		if settings.Auth.FromFiles() {
			t.Errorf("%s: there is nothing to read again", name)
		}
	}
	empty := append(slices.Clone(required[:2]), "BILLABLE_AUTH_PASSWORD_FILE="+write(t, "\n"))
	_, _, err := config.LoadReceiver(config.Source{Environ: empty})
	wantErrors(t, err, "auth.password_file")
}

func TestLoadReceiver_Invalid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environ []string
		keys    []string
	}{
		"nothing given":       {nil, []string{"queue.url", "auth.username", "auth.password"}},
		"disabled":            {[]string{"BILLABLE_QUEUE_URL=u", "BILLABLE_AUTH_DISABLED=true"}, nil},
		"disabled with one":   {append([]string{"BILLABLE_AUTH_DISABLED=true"}, required...), []string{"auth.disabled"}},
		"disabled with file":  {[]string{"BILLABLE_QUEUE_URL=u", "BILLABLE_AUTH_DISABLED=true", "BILLABLE_AUTH_PASSWORD_FILE=" + write(t, "p")}, []string{"auth.disabled"}},
		"blank secrets":       {append(slices.Clone(required), "BILLABLE_AUTH_PASSWORD= \t", "BILLABLE_AUTH_PREVIOUS_USERNAME= ", "BILLABLE_AUTH_PREVIOUS_PASSWORD=\n"), []string{"auth.password", "auth.previous_username", "auth.previous_password"}},
		"blank file":          {append(slices.Clone(required[:2]), "BILLABLE_AUTH_PASSWORD_FILE="+write(t, " \n\n")), []string{"auth.password_file"}},
		"several at once":     {append([]string{"BILLABLE_HTTP_MAX_IN_FLIGHT=0", "BILLABLE_LOG_LEVEL=loud", "BILLABLE_HTTP_REQUEST_TIMEOUT=soon"}, required...), []string{"http.request_timeout", "http.max_in_flight", "log.level"}},
		"body beyond SQS":     {append([]string{"BILLABLE_HTTP_MAX_BODY_BYTES=1040385"}, required...), []string{"http.max_body_bytes"}},
		"a proxy's address":   {append([]string{"BILLABLE_HTTP_TRUSTED_PROXIES=10.0.0.0/8,10.0.0.1"}, required...), []string{"http.trusted_proxies"}},
		"bytes below a body":  {append([]string{"BILLABLE_HTTP_MAX_IN_FLIGHT_BYTES=1KiB"}, required...), []string{"http.max_in_flight_bytes"}},
		"no pause":            {append([]string{"BILLABLE_HTTP_SHUTDOWN_DELAY=10ms"}, required...), []string{"http.shutdown_delay"}},
		"half a rotation":     {append([]string{"BILLABLE_AUTH_PREVIOUS_USERNAME=old"}, required...), []string{"auth.previous_password"}},
		"colon in a user":     {append([]string{"BILLABLE_AUTH_PREVIOUS_USERNAME=a:b", "BILLABLE_AUTH_PREVIOUS_PASSWORD=x"}, required...), []string{"auth.previous_username"}},
		"bytes without sense": {append([]string{"BILLABLE_HTTP_MAX_BODY_BYTES=1MB"}, required...), []string{"http.max_body_bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := config.LoadReceiver(config.Source{Environ: test.environ})
			wantErrors(t, err, test.keys...)
		})
	}
}

func TestLoadConsumer_Invalid(t *testing.T) {
	t.Parallel()
	all := []string{config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey}
	for name, test := range map[string]struct {
		environ  []string
		required []string
		keys     []string
	}{
		"a command that needs nothing":  {nil, nil, nil},
		"run without anything":          {nil, all, all},
		"base_url in place of a site":   {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://127.0.0.1:9333"}, []string{config.ChargebeeSite}, nil},
		"base_url without scheme":       {[]string{"BILLABLE_CHARGEBEE_BASE_URL=127.0.0.1:9333"}, nil, []string{"chargebee.base_url"}},
		"base_url with a site":          {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://127.0.0.1:9333", "BILLABLE_CHARGEBEE_SITE=acme"}, nil, []string{"chargebee.base_url"}},
		"http to another machine":       {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://acme.chargebee.com"}, nil, []string{"chargebee.base_url"}},
		"http to another address":       {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://10.0.0.1:9333"}, nil, []string{"chargebee.base_url"}},
		"http to another IPv6 address":  {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://[fd00::1]:9333"}, nil, []string{"chargebee.base_url"}},
		"http to this machine":          {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://localhost:9333"}, nil, nil},
		"http to this machine by IPv6":  {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://[::1]:9333"}, nil, nil},
		"http to a container":           {[]string{"BILLABLE_CHARGEBEE_BASE_URL=http://chargebee:9333"}, nil, nil},
		"https to another machine":      {[]string{"BILLABLE_CHARGEBEE_BASE_URL=https://acme.chargebee.com"}, nil, nil},
		"one queue for both":            {[]string{"BILLABLE_QUEUE_URL=http://q/1/w", "BILLABLE_QUEUE_DEAD_LETTER_URL=http://q/1/w"}, nil, []string{config.DeadLetterURL}},
		"blank API key":                 {[]string{"BILLABLE_CHARGEBEE_API_KEY= "}, []string{config.ChargebeeKey}, []string{config.ChargebeeKey}},
		"a rate of a plan":              {[]string{"BILLABLE_CHARGEBEE_SITE=acme", "BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3500"}, nil, nil},
		"a rate of no plan":             {[]string{"BILLABLE_CHARGEBEE_SITE=acme", "BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=3501"}, nil, []string{"chargebee.requests_per_minute"}},
		"a rate of a custom plan":       {[]string{"BILLABLE_CHARGEBEE_BASE_URL=https://acme.chargebee.com", "BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=9000"}, nil, nil},
		"site with a dot":               {[]string{"BILLABLE_CHARGEBEE_SITE=acme.chargebee.com"}, nil, []string{"chargebee.site"}},
		"lease below two calls":         {[]string{"BILLABLE_LEDGER_LEASE=59s"}, nil, []string{"ledger.lease"}},
		"max_effect_delay below a call": {[]string{"BILLABLE_CHARGEBEE_MAX_EFFECT_DELAY=29s"}, nil, []string{"chargebee.max_effect_delay"}},
		"window exactly its bounds":     {[]string{"BILLABLE_CHARGEBEE_IDEMPOTENCY_WINDOW=16m"}, nil, []string{"chargebee.idempotency_window"}},
		"window just above":             {[]string{"BILLABLE_CHARGEBEE_IDEMPOTENCY_WINDOW=16m1s"}, nil, nil},
		"visibility below 3s":           {[]string{"BILLABLE_WORKER_VISIBILITY_TIMEOUT=2s"}, nil, []string{"worker.visibility_timeout"}},
		"one table for both":            {[]string{"BILLABLE_LEDGER_TABLE=billable_events"}, nil, []string{"ledger.table"}},
		"no calls":                      {[]string{"BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE=0"}, nil, []string{"chargebee.requests_per_minute"}},
		"negative amount":               {[]string{"BILLABLE_INVOICE_MAX_AMOUNT=-1"}, nil, []string{"invoice.max_amount"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := config.LoadConsumer(config.Source{Environ: test.environ}, test.required...)
			wantErrors(t, err, test.keys...)
		})
	}
}

func TestLoad_RefusesUnknownKeys(t *testing.T) {
	t.Parallel()
	file := write(t, "worker:\n  concurency: 3\nextra: 1\n")
	_, _, err := config.LoadConsumer(config.Source{File: file})
	wantErrors(t, err, "extra", "worker.concurency")
	if !strings.Contains(err.Error(), "did you mean worker.concurrency?") {
		t.Errorf("no suggestion: %v", err)
	}
}

func TestLoad_UnknownVariables(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"BILLABLE_CHARGEBEE_REQUEST_PER_MINUTE=1":   "did you mean BILLABLE_CHARGEBEE_REQUESTS_PER_MINUTE?",
		"BILLABLE_CHARGEBEE_API_KEY_FIEL=k":         "did you mean BILLABLE_CHARGEBEE_API_KEY_FILE?",
		"BILLABLE_HTTP_ADR=:80":                     "did you mean BILLABLE_HTTP_ADDR?", // of the other binary
		"BILLABLE_SOMETHING_ELSE=1":                 "unknown variable: remove it",
		"BILLABLE_CHARGES=x":                        "unknown variable",
		"BILLABLE_=x":                               "unknown variable",
		"BILLABLE_ADMIN_PORT=9091":                  "unknown variable",
		"BILLABLE_RECEIVER_SERVICE_PORT=http":       "unknown variable",
		"BILLABLE_RECEIVER_PORT_80_TCP_COLOUR=blue": "unknown variable",

		// Those of the other binary.
		"BILLABLE_HTTP_ADDR=:80":            "",
		"BILLABLE_AUTH_PASSWORD_FILE=/none": "",

		// What Kubernetes sets for the Services billable, billable-receiver and billable-2.
		"BILLABLE_SERVICE_HOST=10.0.0.1":                   "",
		"BILLABLE_SERVICE_PORT=80":                         "",
		"BILLABLE_PORT=tcp://10.0.0.1:80":                  "",
		"BILLABLE_PORT_80_TCP=tcp://10.0.0.1:80":           "",
		"BILLABLE_RECEIVER_SERVICE_HOST=fd00::1":           "",
		"BILLABLE_RECEIVER_SERVICE_PORT=8080":              "",
		"BILLABLE_RECEIVER_SERVICE_PORT_HTTP_ADMIN=9090":   "",
		"BILLABLE_RECEIVER_PORT=udp://[fd00::1]:53":        "",
		"BILLABLE_RECEIVER_PORT_53_UDP=udp://[fd00::1]:53": "",
		"BILLABLE_RECEIVER_PORT_53_UDP_PROTO=udp":          "",
		"BILLABLE_RECEIVER_PORT_53_UDP_PORT=53":            "",
		"BILLABLE_RECEIVER_PORT_80_TCP_ADDR=10.0.0.1":      "",
		"BILLABLE_2_PORT_80_TCP_ADDR=10.0.0.1":             "",

		"billable_queue_ulr=x": "",
		"NOT_BILLABLE_X=x":     "",
	} {
		t.Run(entry, func(t *testing.T) {
			t.Parallel()
			_, warnings, err := config.LoadConsumer(config.Source{Environ: []string{entry}})
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || len(warnings) > 0 {
				t.Errorf("got %v and %q, want %q", err, warnings, want)
			}
			_, warnings, err = config.LoadConsumer(config.Source{Environ: []string{entry}, AllowUnknownEnv: true})
			if err != nil || (len(warnings) == 0) != (want == "") {
				t.Errorf("allowed: got %v and %q", err, warnings)
			}
		})
	}
}

func TestLoad_RefusesRenamedSettings(t *testing.T) {
	t.Parallel()
	_, _, err := config.LoadConsumer(config.Source{
		File:    write(t, "chargebee:\n  late_bound: 1m\n"),
		Environ: []string{"BILLABLE_BUDGET_JITTER=1s", "BILLABLE_HTTP_DRAIN_PAUSE=1s"},
	})
	wantErrors(t, err, "chargebee.late_bound", "BILLABLE_BUDGET_JITTER")
	for _, renamed := range []string{"use chargebee.max_effect_delay", "use BILLABLE_RATELIMIT_JITTER"} {
		if !strings.Contains(err.Error(), renamed) {
			t.Errorf("%q is not suggested: %v", renamed, err)
		}
	}
	_, warnings, err := config.LoadReceiver(config.Source{Environ: append(slices.Clone(required), "BILLABLE_CHARGEBEE_LATE_BOUND=1m")})
	if err != nil || len(warnings) > 0 {
		t.Errorf("a variable of the other binary is ignored, got %v and %q", err, warnings)
	}
	_, _, err = config.LoadReceiver(config.Source{Environ: append(slices.Clone(required), "BILLABLE_HTTP_DRAIN_PAUSE=1s")})
	wantErrors(t, err, "BILLABLE_HTTP_DRAIN_PAUSE")
}

func TestLoad_UnreadableFile(t *testing.T) {
	t.Parallel()
	if _, _, err := config.LoadConsumer(config.Source{File: "/nowhere.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, _, err := config.LoadConsumer(config.Source{File: write(t, "a: [")}); err == nil {
		t.Error("broken YAML was accepted")
	}
}

func FuzzBytes(f *testing.F) {
	f.Add("64MiB")
	f.Add("9223372036854775807GiB")
	f.Fuzz(func(t *testing.T, text string) {
		var size config.Bytes
		if size.UnmarshalText([]byte(text)) == nil && size < 0 {
			t.Errorf("%q is %d bytes", text, size)
		}
	})
}

func wantErrors(t *testing.T, err error, keys ...string) {
	t.Helper()
	var got []string
	if faults, ok := errors.AsType[*config.Error](err); ok {
		for _, fault := range faults.Fields {
			got = append(got, fault.Key)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(keys) {
		t.Errorf("faults of %q, want %q (%v)", got, keys, err)
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChargebee_Site(t *testing.T) {
	t.Parallel()
	required := []string{config.ChargebeeSite}
	for _, site := range []string{
		"", "a b", "a%zz", "acme.chargebee.com", "evil.example/", "-acme", "acme-", "äcme", "acme\n", "a/b", "a@b", "a:80",
	} {
		if _, _, err := config.LoadConsumer(config.Source{Environ: []string{"BILLABLE_CHARGEBEE_SITE=" + site}}, required...); err == nil {
			t.Errorf("%q was accepted as a site", site)
		}
	}
	settings, _, err := config.LoadConsumer(config.Source{Environ: []string{"BILLABLE_CHARGEBEE_SITE=acme-test"}}, required...)
	if got := settings.Chargebee.URL(); err != nil || got != "https://acme-test.chargebee.com" {
		t.Errorf("got %s, %v", got, err)
	}
}
