// Package child runs this program once more, as another process that does a part of a
// benchmark: what is measured, what it is measured with and what stands in for the
// world share no heap, no scheduler, and their CPU time can be told apart. Parent and
// child exchange lines of JSON: an order, an answer.
package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"
)

// collectAt makes children collect garbage seldom: they have few cores to share with what
// is measured, and memory enough.
const collectAt = 400

// stopLimit is how long a child may take to end by itself once it is told to.
const stopLimit = 5 * time.Second

// Process is a child, seen from its parent.
type Process struct {
	name    string
	ctx     context.Context
	command *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
}

// reply is how an answer travels.
type reply struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Start starts this program with the given arguments. When ctx ends the child is
// killed.
func Start(ctx context.Context, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{name: strings.Join(args, " "), ctx: ctx, command: exec.CommandContext(ctx, self, args...)} //nolint:gosec // it is this program
	p.command.Stderr = os.Stderr
	p.command.WaitDelay = stopLimit
	if p.orders, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(answers)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

// Ask gives an order and waits for its answer.
func (p *Process) Ask(order, answer any) error {
	err := json.NewEncoder(p.orders).Encode(order)
	var got reply
	if err == nil {
		err = p.answers.Decode(&got)
	}
	switch {
	case err != nil && p.ctx.Err() != nil:
		return context.Cause(p.ctx)
	case err != nil:
		return fmt.Errorf("%s ended: %w", p.name, err)
	case got.Error != "":
		return fmt.Errorf("%s: %s", p.name, got.Error)
	}
	return json.Unmarshal(got.Answer, answer)
}

// PID is the number that the system gave the child.
func (p *Process) PID() int { return p.command.Process.Pid }

// Stop tells the child that there are no further orders, and waits for its end. One
// that does not end by itself is killed.
func (p *Process) Stop() error {
	_ = p.orders.Close() // it may have ended
	late := time.AfterFunc(stopLimit, func() { _ = p.command.Process.Kill() })
	defer late.Stop()
	if err := p.command.Wait(); err != nil && p.ctx.Err() == nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// Serve is the child's side: it answers orders until there are no more.
func Serve[Order any](in io.Reader, out io.Writer, answer func(Order) (any, error)) error {
	debug.SetGCPercent(collectAt)
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var order Order
		switch err := orders.Decode(&order); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read an order: %w", err)
		}
		if err := answers.Encode(replyTo(answer(order))); err != nil {
			return fmt.Errorf("answer an order: %w", err)
		}
	}
}

func replyTo(answer any, err error) reply {
	if err != nil {
		return reply{Error: err.Error()}
	}
	content, err := json.Marshal(answer)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Answer: content}
}
