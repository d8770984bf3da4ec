package main

import (
	"context"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// childGCPercent makes children collect garbage less often: they share the cores with the system
// under test, and have enough memory.
const childGCPercent = 400

// stopTimeout is the time that a child gets to stop.
const stopTimeout = 10 * time.Second

// child is this program in a further process, called by net/rpc over its standard streams.
type child struct {
	name   string
	ctx    context.Context
	cmd    *exec.Cmd
	client *rpc.Client
}

// stream is the two pipes of a child as one connection.
type stream struct {
	io.Reader
	io.WriteCloser
}

// startChild starts this program with the given arguments. The child is terminated when ctx ends.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: strings.Join(args, " "), ctx: ctx, cmd: exec.CommandContext(ctx, self, args...)} //nolint:gosec // it is this program
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = stopTimeout
	c.cmd.Stderr = os.Stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	c.client = rpc.NewClient(stream{stdout, stdin})
	return c, nil
}

// call calls a method of the child's service.
func (c *child) call(method string, args, reply any) error {
	err := c.client.Call("Service."+method, args, reply)
	switch {
	case err != nil && c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case err != nil:
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop closes the connection, on which a child ends, and waits for the child.
func (c *child) stop() error {
	_ = c.client.Close() // the child may have ended
	late := time.AfterFunc(stopTimeout, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	if err := c.cmd.Wait(); err != nil && c.ctx.Err() == nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

// serveChild is the child's side: it serves calls until the connection is closed or ctx ends, and
// waits for calls in progress.
func serveChild(ctx context.Context, service any) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Service", service); err != nil {
		return err
	}
	input, feed := io.Pipe()
	go func() {
		_, err := io.Copy(feed, os.Stdin)
		feed.CloseWithError(err)
	}()
	defer context.AfterFunc(ctx, func() { _ = feed.Close() })()
	server.ServeConn(stream{input, os.Stdout})
	return nil
}
