package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const (
	startLimit   = time.Minute
	pollInterval = 100 * time.Millisecond
	endLimit     = 10 * time.Second
	// startTries is above 1 because a free port can be taken before the emulator listens.
	startTries = 3
)

// errEnded is the error of an emulator that exited.
var errEnded = errors.New("it exited")

// program starts an emulator. {host} and {port} are replaced by its address.
type program struct {
	name    string
	command []string
	env     []string
}

// elasticMQ returns ElasticMQ of the jars in a directory, with the limits of SQS.
func elasticMQ(java, jars string) program {
	return program{name: "ElasticMQ", command: []string{
		java, "-Drest-sqs.bind-hostname={host}", "-Drest-sqs.bind-port={port}", "-Dnode-address.host={host}", "-Dnode-address.port={port}",
		"-Drest-sqs.sqs-limits=strict", "-Drest-stats.enabled=false", "-cp", filepath.Join(jars, "*"), "org.elasticmq.server.Main",
	}}
}

// ministack returns ministack out of a directory of programs, with all its services.
func ministack(programs string) program {
	return program{
		name:    "ministack",
		command: []string{filepath.Join(programs, "ministack")},
		env:     []string{"BIND_HOST={host}", "MINISTACK_HOST={host}", "GATEWAY_PORT={port}", "MINISTACK_REGION=" + region},
	}
}

// emulator is a running emulator.
type emulator struct {
	url     string
	command *exec.Cmd
	log     *os.File
	exited  chan struct{}
}

// start starts an emulator on loopback and waits until it answers. Its output goes to a
// file below logs.
func (p program) start(ctx context.Context, logs string) (*emulator, error) {
	var err error
	for range startTries {
		var e *emulator
		if e, err = p.launch(logs); err != nil {
			return nil, err
		}
		if err = e.answers(ctx); err == nil {
			return e, nil
		}
		e.stop()
		if !errors.Is(err, errEnded) {
			break
		}
	}
	return nil, fmt.Errorf("start %s: %w; output: %s", p.name, err, p.logFile(logs))
}

func (p program) logFile(logs string) string {
	return filepath.Join(logs, strings.ToLower(p.name)+".log")
}

func (p program) launch(logs string) (*emulator, error) {
	address, err := testbed.FreeAddress()
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(address, ":")
	filled := func(texts []string) []string {
		all := make([]string, len(texts))
		for i, text := range texts {
			all[i] = strings.NewReplacer("{host}", host, "{port}", port).Replace(text)
		}
		return all
	}
	log, err := os.Create(p.logFile(logs))
	if err != nil {
		return nil, err
	}
	args := filled(p.command)
	command := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // a constant program; it is stopped by a signal
	command.Env = append(os.Environ(), filled(p.env)...)
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.name, err), log.Close())
	}
	e := &emulator{url: "http://" + address, command: command, log: log, exited: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(e.exited)
	}()
	return e, nil
}

// answers waits for the first response of the emulator.
func (e *emulator) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+"/health", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}
		select {
		case <-e.exited:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("no response within %s", startLimit)
		case <-time.After(pollInterval):
		}
	}
}

// stop ends the emulator.
func (e *emulator) stop() {
	_ = e.command.Process.Signal(os.Interrupt)
	select {
	case <-e.exited:
	case <-time.After(endLimit):
		_ = e.command.Process.Kill()
		<-e.exited
	}
	_ = e.log.Close()
}
