package child_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/billable-events/billable/scripts/bench/child"
)

const command = "count-letters"

// TestMain lets the test's binary be the child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == command {
		if err := child.Serve(os.Stdin, os.Stdout, letters); err != nil {
			os.Exit(3)
		}
		return
	}
	os.Exit(m.Run())
}

func letters(word string) (any, error) {
	switch word {
	case "":
		return nil, errors.New("no word")
	case "exit":
		os.Exit(1)
	case "pi":
		return math.Inf(1), nil
	}
	return len(word), nil
}

// TestProcess asks a real child.
func TestProcess(t *testing.T) {
	t.Parallel()
	process, err := child.Start(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	if process.PID() == os.Getpid() {
		t.Error("it is no other process")
	}
	for range 3 {
		var got int
		if err := process.Ask("four", &got); err != nil || got != 4 {
			t.Errorf("%d, %v", got, err)
		}
		if err := process.Ask("", &got); err == nil || !strings.Contains(err.Error(), "no word") {
			t.Error(err)
		}
	}
	if err := process.Stop(); err != nil {
		t.Error(err)
	}
}

// TestEndsByItself is an error, at once and at the end.
func TestEndsByItself(t *testing.T) {
	t.Parallel()
	process, err := child.Start(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := process.Ask("exit", &got); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := process.Stop(); err == nil {
		t.Error("it exited with 1")
	}
}

// TestIsEnded with its context.
func TestIsEnded(t *testing.T) {
	t.Parallel()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	process, err := child.Start(ctx, command)
	if err != nil {
		t.Fatal(err)
	}
	cancel(why)
	var got int
	for err == nil { // until it is dead
		err = process.Ask("four", &got)
	}
	if !errors.Is(err, why) {
		t.Error(err)
	}
	if err := process.Stop(); err != nil {
		t.Error(err)
	}
}

// TestServe answers each order, also one that fails, until there are no more.
func TestServe(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := child.Serve(strings.NewReader(`"a" "" "pi" "abc"`), &out, letters); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || lines[0] != `{"answer":1}` || lines[1] != `{"error":"no word"}` || !strings.HasPrefix(lines[2], `{"error":`) || lines[3] != `{"answer":3}` {
		t.Errorf("%q", lines)
	}
	if err := child.Serve(strings.NewReader(`"a" {`), &out, letters); err == nil {
		t.Error("half an order was taken")
	}
	if err := child.Serve(strings.NewReader(`"a"`), broken{}, letters); !errors.Is(err, errBroken) {
		t.Error(err)
	}
}

var errBroken = fmt.Errorf("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
