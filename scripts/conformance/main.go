// Command conformance checks other implementations of AWS against what this project expects
// of AWS: the suites of SQS and DynamoDB, the CloudFormation template, and the whole job of
// the two binaries. It runs the emulators on loopback; make conformance downloads them.
//
// Exit codes: 0 if everything is as expected, 1 if something is not, 2 for wrong usage, 3 if
// a part was skipped because Java, Maven or Python is not installed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/cli"
)

const (
	title = "conformance"
	logs  = ".conformance"

	// make conformance installs the programs.
	pythonPrograms = ".bin/conformance/python/bin"
	elasticMQJars  = ".bin/conformance/elasticmq"
)

var (
	errNoTool    = errors.New("is not installed")
	errSurprised = errors.New("not everything is as expected")
	errSkipped   = &cli.ExitError{Code: 3, Text: "parts were skipped"}
)

func main() { cli.Main(title, run) }

// parts can be run one by one.
var parts = map[string]func(*runner, context.Context){"template": (*runner).template, "elasticmq": (*runner).elasticMQ, "ministack": (*runner).ministack}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "template,elasticmq,ministack", "parts to run, separated by commas")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	chosen := strings.Split(*only, ",")
	for _, part := range chosen {
		if parts[part] == nil {
			return cli.Usagef(title, stderr, "--only takes template, elasticmq and ministack")
		}
	}
	if err := os.MkdirAll(logs, 0o750); err != nil {
		return err
	}
	p := &runner{out: stdout, output: stderr}
	for _, part := range chosen {
		parts[part](p, ctx)
	}
	return p.result(ctx)
}

// runner runs the parts and collects the results.
type runner struct {
	out       io.Writer // of the results
	output    io.Writer // of programs
	surprised bool
	skipped   bool
}

func (p *runner) result(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case p.surprised:
		return errSurprised
	case p.skipped:
		return errSkipped
	default:
		return nil
	}
}

// try runs one step and reports the result: what is right, the surprises, or the error.
func (p *runner) try(what string, do func() (right string, surprises []string, err error)) {
	began := time.Now()
	right, surprises, err := do()
	switch {
	case errors.Is(err, errNoTool):
		p.skipped = true
		_, _ = fmt.Fprintf(p.out, "skipped      %s: %v\n", what, err)
		return
	case err != nil:
		surprises = append(surprises, err.Error())
	}
	if len(surprises) == 0 {
		_, _ = fmt.Fprintf(p.out, "as expected  %s: %s (%s)\n", what, right, time.Since(began).Round(time.Second))
		return
	}
	p.surprised = true
	_, _ = fmt.Fprintf(p.out, "FAILED       %s:\n             %s\n", what, strings.Join(surprises, "\n             "))
}

// find returns the path of a program. Errors: errNoTool.
func find(path, name string) (string, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, errNoTool)
	}
	return found, nil
}

func (p *runner) template(ctx context.Context) {
	p.try("cfn-lint of "+template, func() (string, []string, error) {
		program, err := find(filepath.Join(pythonPrograms, "cfn-lint"), "python3")
		if err != nil {
			return "", nil, err
		}
		lint := exec.CommandContext(ctx, program, template) //nolint:gosec // a constant program
		lint.Stdout, lint.Stderr = p.output, p.output
		return "clean", nil, lint.Run()
	})
}

func (p *runner) elasticMQ(ctx context.Context) {
	p.try("ElasticMQ", func() (string, []string, error) {
		java, err := find("java", "java")
		if err != nil {
			return "", nil, err
		}
		if _, err := os.Stat(elasticMQJars); err != nil {
			return "", nil, fmt.Errorf("mvn %w", errNoTool)
		}
		return "stopped", nil, elasticMQ(java).run(ctx, logs, func(url string) {
			// The job first: a cold JVM is too slow for the checks that measure time.
			p.job(ctx, "ElasticMQ", "with the sandbox's DynamoDB", "--sqs", url)
			p.suites(ctx, "ElasticMQ", url)
		})
	})
}

func (p *runner) ministack(ctx context.Context) {
	p.try("ministack", func() (string, []string, error) {
		program, err := find(filepath.Join(pythonPrograms, "ministack"), "python3")
		if err != nil {
			return "", nil, err
		}
		return "stopped", nil, ministack(program).run(ctx, logs, func(url string) {
			p.suites(ctx, "ministack", url)
			p.stack(ctx, url)
			p.job(ctx, "ministack", "with what the template made", "--sqs", url, "--dynamodb", url, "--prefix", stackName)
		})
	})
}

// suites runs the suites of an emulator's services.
func (p *runner) suites(ctx context.Context, emulator, url string) {
	for _, suite := range suites {
		if suite.emulator == emulator {
			p.try("the "+suite.service+" suite on "+emulator, func() (string, []string, error) {
				surprises, err := suite.run(ctx, url, logs)
				return suite.expected().String(), surprises, err
			})
		}
	}
}

// stack creates the template's resources.
func (p *runner) stack(ctx context.Context, url string) {
	p.try("the template on ministack", func() (string, []string, error) {
		body, err := os.ReadFile(template)
		if err != nil {
			return "", nil, err
		}
		return "created", nil, createStack(ctx, url, string(body))
	})
}

// job runs the two binaries, kills some, and compares expected with actual charges.
func (p *runner) job(ctx context.Context, emulator, with string, flags ...string) {
	p.try("the whole job on "+emulator+", "+with, func() (string, []string, error) {
		log, err := os.Create(filepath.Join(logs, strings.ToLower(emulator)+"-job.log"))
		if err != nil {
			return "", nil, err
		}
		args := append([]string{"run", "./scripts/sandbox", "--invoices", "100", "--consumers", "2", "--kill", "--limit", "5m"}, flags...)
		command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // flags of this package
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
		command.WaitDelay = stopTimeout
		command.Stdout, command.Stderr = log, log
		if err := errors.Join(command.Run(), log.Close()); err != nil {
			return "", nil, fmt.Errorf("go %s: %w, see %s", strings.Join(args, " "), err, log.Name())
		}
		return "100 invoices, billed == expected", nil, nil
	})
}
