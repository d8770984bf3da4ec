package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestChild_AnswersAndFails calls a real child.
func TestChild_AnswersAndFails(t *testing.T) {
	t.Parallel()
	c, err := startChild(t.Context(), loadCommand)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.call("Run", 0, new(Outcome)); err == nil || err.Error() != "load: no attack is prepared" {
			t.Error(err)
		}
	}
	if err := c.call("Prepare", Plan{Rate: 1, Length: time.Second}, new(int)); err != nil {
		t.Error(err)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

// TestChild_EndsWithItsContext returns the cause of the context.
func TestChild_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c, err := startChild(ctx, loadCommand)
	if err != nil {
		t.Fatal(err)
	}
	cancel(cause)
	for err = nil; err == nil; { // until the child has ended
		err = c.call("Prepare", Plan{Rate: 1}, new(int))
	}
	if !errors.Is(err, cause) {
		t.Error(err)
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
}

// TestChild_FailsToStart reports a child that exits.
func TestChild_FailsToStart(t *testing.T) {
	t.Parallel()
	c, err := startChild(t.Context(), baselineCommand, "unknown")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.call("Run", 0, new(Outcome)); err == nil {
		t.Error("an ended child answered")
	}
	if err := c.stop(); err == nil {
		t.Error("the exit code 1 is not reported")
	}
}
