// Command conformance holds services of other people against what this project says of AWS:
// the contracts of SQS and DynamoDB, the CloudFormation template, and the whole job of the
// two binaries. It fetches ElasticMQ, ministack and cfn-lint, starts the emulators on
// loopback, and stops them.
//
// It exits with 0 if all is as it is known, with 1 if something is not, with 2 if it was
// called wrongly, with 3 if a part was left out because Java, Maven or Python are not
// installed and the others are as they are known.
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
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/cli"
)

const title = "conformance"

var (
	errSurprised = errors.New("not all is as it is known")
	errLeftOut   = &cli.Status{Code: 3, Text: "parts were left out"}
)

func main() { cli.Main(title, run) }

// parts are what can be run by itself.
var parts = []string{"template", "elasticmq", "ministack"}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet(title, flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", strings.Join(parts, ","), "what to run, with commas between")
	fetched := flags.String("tools", filepath.Join(".bin", "conformance"), "directory of the programs that are fetched")
	logs := flags.String("logs", ".conformance", "directory of the output of everything")
	writePage := flags.Bool("page", false, "run nothing, but write the tables of "+page+" anew")
	if err := cli.Parse(flags, args); err != nil {
		return err
	}
	chosen := strings.Split(*only, ",")
	for _, part := range chosen {
		if !slices.Contains(parts, part) || flags.NArg() > 0 {
			return cli.Complain(title, stderr, "--only takes %s, and there are no arguments", strings.Join(parts, ", "))
		}
	}
	if *writePage {
		return rewrite(page)
	}
	if err := os.MkdirAll(*logs, 0o750); err != nil {
		return err
	}
	p := &performance{
		tools: tools{
			directory:    *fetched,
			requirements: filepath.Join("scripts", "conformance", "requirements.txt"),
			pom:          filepath.Join("scripts", "conformance", "elasticmq", "pom.xml"),
			output:       stderr,
		},
		logs: *logs,
		out:  stdout,
	}
	for _, part := range chosen {
		switch part {
		case "template":
			p.template(ctx)
		case "elasticmq":
			p.elasticMQ(ctx)
		case "ministack":
			p.ministack(ctx)
		}
	}
	return p.verdict(ctx)
}

// performance is one run of all parts.
type performance struct {
	tools     tools
	logs      string
	out       io.Writer
	surprised bool
	leftOut   bool
}

func (p *performance) verdict(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case p.surprised:
		return errSurprised
	case p.leftOut:
		return errLeftOut
	default:
		return nil
	}
}

// try does something, and tells how it went: what it found to be right, what is not as it
// is known, or why it could not be done.
func (p *performance) try(what string, do func() (right string, surprises []string, err error)) {
	began := time.Now()
	right, surprises, err := do()
	switch {
	case errors.Is(err, errNoTool):
		p.leftOut = true
		_, _ = fmt.Fprintf(p.out, "LEFT OUT  %s: %v\n", what, err)
		return
	case err != nil:
		surprises = append(surprises, err.Error())
	}
	if len(surprises) == 0 {
		_, _ = fmt.Fprintf(p.out, "as known  %s: %s (%s)\n", what, right, time.Since(began).Round(time.Second))
		return
	}
	p.surprised = true
	_, _ = fmt.Fprintf(p.out, "NOT       %s:\n          %s\n", what, strings.Join(surprises, "\n          "))
}

// with starts an emulator, does something with it, and stops it.
func (p *performance) with(ctx context.Context, program program, do func(url string)) error {
	running, err := program.start(ctx, p.logs)
	if err != nil {
		return err
	}
	defer running.stop()
	do(running.url)
	return nil
}

func (p *performance) template(ctx context.Context) {
	p.try("cfn-lint of "+template, func() (string, []string, error) {
		programs, err := p.tools.python(ctx)
		if err != nil {
			return "", nil, err
		}
		return "clean", nil, p.tools.run(ctx, filepath.Join(programs, "cfn-lint"), template)
	})
}

func (p *performance) elasticMQ(ctx context.Context) {
	p.try("ElasticMQ", func() (string, []string, error) {
		java, err := find("java")
		if err != nil {
			return "", nil, err
		}
		jars, err := p.tools.elasticMQ(ctx)
		if err != nil {
			return "", nil, err
		}
		return "stopped", nil, p.with(ctx, elasticMQ(java, jars), func(url string) {
			// The job first: a JVM that is cold is too slow for the checks that measure time.
			p.job(ctx, "ElasticMQ", "with the sandbox's DynamoDB", "--sqs", url)
			p.contracts(ctx, "ElasticMQ", url)
		})
	})
}

func (p *performance) ministack(ctx context.Context) {
	p.try("ministack", func() (string, []string, error) {
		programs, err := p.tools.python(ctx)
		if err != nil {
			return "", nil, err
		}
		return "stopped", nil, p.with(ctx, ministack(programs), func(url string) {
			p.contracts(ctx, "ministack", url)
			p.stack(ctx, url)
			p.job(ctx, "ministack", "with what the template made", "--sqs", url, "--dynamodb", url, "--prefix", stackName)
		})
	})
}

// contracts holds an emulator against the contracts of its services.
func (p *performance) contracts(ctx context.Context, emulator, url string) {
	for _, held := range contracts {
		if held.emulator == emulator {
			p.try(emulator+" against the contract of "+held.service, func() (string, []string, error) {
				surprises, err := held.run(ctx, url, p.logs)
				return held.expected().String(), surprises, err
			})
		}
	}
}

// stack has the template made, and reads back what was.
func (p *performance) stack(ctx context.Context, url string) {
	p.try("the template on ministack", func() (string, []string, error) {
		body, err := os.ReadFile(template)
		if err != nil {
			return "", nil, err
		}
		made, err := makeStack(ctx, url, string(body))
		if err != nil {
			return "", nil, err
		}
		right, surprises, err := made.readBack(ctx)
		return fmt.Sprintf("%d resources, %d properties read back, %d known not to be kept", len(made.resources), right, len(unkept)), surprises, err
	})
}

// job runs the two binaries, some of which are killed, and compares the books.
func (p *performance) job(ctx context.Context, emulator, with string, flags ...string) {
	p.try("the whole job on "+emulator+", "+with, func() (string, []string, error) {
		log, err := os.Create(filepath.Join(p.logs, strings.ToLower(emulator)+"-job.log"))
		if err != nil {
			return "", nil, err
		}
		args := append([]string{"run", "./scripts/sandbox", "--invoices", "100", "--consumers", "2", "--kill", "--limit", "5m"}, flags...)
		command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // flags of this package
		command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
		command.WaitDelay = endLimit
		command.Stdout, command.Stderr = log, log
		if err := errors.Join(command.Run(), log.Close()); err != nil {
			return "", nil, fmt.Errorf("go %s: %w, see %s", strings.Join(args, " "), err, log.Name())
		}
		return "100 invoices, the books are equal", nil, nil
	})
}
