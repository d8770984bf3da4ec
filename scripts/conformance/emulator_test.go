package main

import (
	"context"
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
		serve(address)
	}
	os.Exit(m.Run())
}

// serve answers until it is stopped. At the address "broken" it ends at once.
func serve(address string) {
	if address == "broken" {
		os.Exit(1)
	}
	_ = http.ListenAndServe(address, http.NotFoundHandler())
}

func self(t *testing.T, address string) program {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return program{name: "Test", command: []string{binary}, env: []string{asEmulator + "=" + address}}
}

func TestEmulator(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	running, err := self(t, "{host}:{port}").start(t.Context(), logs)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(running.url, "http://127.0.0.1:") {
		t.Errorf("it listens on %s", running.url)
	}
	running.stop()
	select {
	case <-running.exited:
	default:
		t.Error("it runs after stop")
	}
	if request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, running.url, nil); err != nil {
		t.Error(err)
	} else if response, err := http.DefaultClient.Do(request); err == nil {
		t.Error("it answers after stop")
		_ = response.Body.Close()
	}
}

func TestEmulatorsThatDoNotStart(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	if _, err := self(t, "broken").start(t.Context(), logs); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), filepath.Join(logs, "test.log")) {
		t.Errorf("one that ends: %v", err)
	}
	if _, err := (program{name: "none", command: []string{filepath.Join(logs, "none")}}).start(t.Context(), logs); err == nil {
		t.Error("one that does not exist was started")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := self(t, "{host}:{port}").start(ctx, logs); err == nil {
		t.Error("one was started that nobody waits for")
	}
}

func TestFetchedOnce(t *testing.T) {
	t.Parallel()
	directory, list := filepath.Join(t.TempDir(), "python"), filepath.Join(t.TempDir(), "list")
	fetched := 0
	fetch := func(wanted string, result error) error {
		if err := os.WriteFile(list, []byte(wanted), 0o600); err != nil {
			t.Fatal(err)
		}
		return tools{}.once(directory, list, func() error {
			fetched++
			return result
		})
	}
	for _, test := range []struct {
		list   string
		result error
		want   int // fetches so far
	}{
		{"one", os.ErrInvalid, 1}, // is tried again
		{"one", nil, 2},
		{"one", nil, 2},
		{"two", nil, 3},
	} {
		if err := fetch(test.list, test.result); !errors.Is(err, test.result) || fetched != test.want {
			t.Errorf("list %s: %v, fetched %d times, want %d", test.list, err, fetched, test.want)
		}
	}
	if _, err := find("no-such-program-anywhere"); !errors.Is(err, errNoTool) {
		t.Errorf("found: %v", err)
	}
}
