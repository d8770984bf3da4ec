package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/dynamodbtest"
	"github.com/billable-events/billable/pkg/sandbox/sqs/sqstest"
)

const (
	// longest is the duration of the longest check that is run.
	longest = 2 * time.Minute
	// parallel is the number of checks that run at the same time. Most of the long ones
	// sleep; some measure time.
	parallel = 8
)

// suite is a suite for an emulator.
type suite struct {
	emulator string
	service  string
	path     string // of the package that has TestContractAt
	checks   []conformance.Outline
	known    map[string]string // checks that it is known to fail, and why
}

var suites = []suite{
	{"ElasticMQ", "SQS", "./pkg/sandbox/sqs", sqstest.Suite.Outline(), sqstest.Known["ElasticMQ"]},
	{"ministack", "SQS", "./pkg/sandbox/sqs", sqstest.Suite.Outline(), sqstest.Known["ministack"]},
	{"ministack", "DynamoDB", "./pkg/sandbox/dynamodb", dynamodbtest.Suite.Outline(), dynamodbtest.Known["ministack"]},
}

// tally counts checks.
type tally struct{ passed, differ, skipped int }

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d known to differ, %d skipped", t.passed, t.differ, t.skipped)
}

// expected returns the tally if nothing has changed.
func (s suite) expected() (t tally) {
	for _, check := range s.checks {
		switch {
		case check.Lasts > longest:
			t.skipped++
		case s.known[check.Name] != "":
			t.differ++
		default:
			t.passed++
		}
	}
	return t
}

// run runs the suite, known failures included, and returns the differences from what is
// known.
func (s suite) run(ctx context.Context, url, logs string) (surprises []string, err error) {
	command := exec.CommandContext(ctx, "go", "test", s.path, "-count", "1", "-json", "-run", "^TestContractAt$", //nolint:gosec // the paths are constants
		"-parallel", fmt.Sprint(parallel), "-endpoint", url, "-longest", longest.String())
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	failed := command.Run()
	log := filepath.Join(logs, strings.ToLower(s.emulator+"-"+s.service)+".json")
	if err := os.WriteFile(log, output.Bytes(), 0o600); err != nil {
		return nil, err
	}
	outcomes := outcomesOf(output.Bytes())
	if len(outcomes) == 0 {
		return nil, fmt.Errorf("no check was run (%w), see %s", failed, log)
	}
	if surprises = s.compare(outcomes); len(surprises) > 0 {
		surprises = append(surprises, "output: "+log)
	}
	return surprises, nil
}

// outcomesOf parses the output of go test -json: pass, fail or skip by check.
func outcomesOf(output []byte) map[string]string {
	outcomes := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue // output of the compiler
		}
		name, isCheck := strings.CutPrefix(event.Test, "TestContractAt/")
		if isCheck && (event.Action == "pass" || event.Action == "fail" || event.Action == "skip") {
			outcomes[name] = event.Action
		}
	}
	return outcomes
}

// compare compares outcomes with what is known.
func (s suite) compare(outcomes map[string]string) (surprises []string) {
	for _, check := range s.checks {
		_, known := s.known[check.Name]
		outcome := outcomes[strings.ReplaceAll(check.Name, " ", "_")]
		switch {
		case outcome == "":
			surprises = append(surprises, check.Name+" was not run")
		case outcome == "skip" && check.Lasts <= longest:
			surprises = append(surprises, check.Name+" was skipped")
		case outcome == "pass" && known:
			surprises = append(surprises, check.Name+" passes now: remove it from Known")
		case outcome == "fail" && !known:
			surprises = append(surprises, check.Name+" fails")
		}
	}
	return surprises
}
