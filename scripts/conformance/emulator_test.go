package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// asEmulator is the variable with which this test's binary is an emulator.
const asEmulator = "TEST_AS_EMULATOR"

func TestMain(m *testing.M) {
	if address := os.Getenv(asEmulator); address != "" {
		_ = http.ListenAndServe(address, http.NotFoundHandler())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// self returns an emulator that listens on an address.
func self(t *testing.T, address func(host, port string) string) emulator {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return emulator{"Test", func(host, port string) (args, env []string) {
		return []string{binary}, []string{asEmulator + "=" + address(host, port)}
	}}
}

func TestEmulator_Run(t *testing.T) {
	t.Parallel()
	logs, used := t.TempDir(), ""
	err := self(t, func(host, port string) string { return host + ":" + port }).run(t.Context(), logs, func(url string) { used = url })
	if err != nil || !strings.HasPrefix(used, "http://127.0.0.1:") {
		t.Errorf("it listened on %q: %v", used, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, used, nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		t.Error("it answers after the run")
		_ = response.Body.Close()
	}
	broken := self(t, func(string, string) string { return "no address" })
	err = broken.run(t.Context(), logs, func(string) { t.Error("it ended before it answered") })
	if err == nil || !strings.Contains(err.Error(), filepath.Join(logs, "test.log")) {
		t.Errorf("one that ends: %v", err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	if _, err := find("no-such-program-anywhere", "it"); !errors.Is(err, errNoTool) || err.Error() != "it is not installed" {
		t.Errorf("found: %v", err)
	}
}
