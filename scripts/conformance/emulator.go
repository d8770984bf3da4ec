package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/testbed"
)

const stopTimeout = 10 * time.Second

// emulator is a program that implements services of AWS.
type emulator struct {
	name    string
	command func(host, port string) (args, env []string)
}

// elasticMQ returns ElasticMQ with the limits of SQS.
func elasticMQ(java string) emulator {
	return emulator{"ElasticMQ", func(host, port string) (args, env []string) {
		return []string{
			java, "-Drest-sqs.bind-hostname=" + host, "-Drest-sqs.bind-port=" + port, "-Dnode-address.host=" + host, "-Dnode-address.port=" + port,
			"-Drest-sqs.sqs-limits=strict", "-Drest-stats.enabled=false", "-cp", filepath.Join(elasticMQJars, "*"), "org.elasticmq.server.Main",
		}, nil
	}}
}

// ministack returns ministack with all its services.
func ministack(program string) emulator {
	return emulator{"ministack", func(host, port string) (args, env []string) {
		return []string{program},
			[]string{"BIND_HOST=" + host, "MINISTACK_HOST=" + host, "GATEWAY_PORT=" + port, "MINISTACK_REGION=" + region}
	}}
}

// run runs do while the emulator runs on loopback. Its output goes to a file below logs.
func (e emulator) run(ctx context.Context, logs string, do func(url string)) (err error) {
	address, err := testbed.FreeAddress()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(logs, strings.ToLower(e.name)+".log")) //nolint:gosec // below the directory that the caller chose
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	args, env := e.command(host, port)
	process, err := testbed.Start(testbed.Command{Binary: args[0], Args: args[1:], Env: append(os.Environ(), env...), Admin: address, Output: log})
	if err != nil {
		return err
	}
	defer process.Stop(os.Interrupt, stopTimeout)
	if err := process.Answers(ctx, "/health"); err != nil {
		return fmt.Errorf("start %s: %w; output: %s", e.name, err, log.Name())
	}
	do("http://" + address)
	return nil
}
