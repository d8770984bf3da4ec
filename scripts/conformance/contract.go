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
	// longest is how long a check may last to be run.
	longest = 2 * time.Minute
	// parallel is how many run at the same time. Most of the long ones sleep; some measure time.
	parallel = 8
)

// held is an emulator that is held against a contract.
type held struct {
	emulator string
	service  string
	path     string // of the package that has TestContractAt
	checks   []conformance.Outline
	known    map[string]string // the checks that it is known to fail: why
}

var contracts = []held{
	{"ElasticMQ", "SQS", "./pkg/sandbox/sqs", sqstest.Suite.Outline(), sqstest.Known["ElasticMQ"]},
	{"ministack", "SQS", "./pkg/sandbox/sqs", sqstest.Suite.Outline(), sqstest.Known["ministack"]},
	{"ministack", "DynamoDB", "./pkg/sandbox/dynamodb", dynamodbtest.Suite.Outline(), dynamodbtest.Known["ministack"]},
}

// tally counts checks.
type tally struct{ passed, differ, skipped int }

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %d known to differ, %d skipped", t.passed, t.differ, t.skipped)
}

// expected returns what comes of the checks if all is as it is known.
func (h held) expected() (t tally) {
	for _, check := range h.checks {
		switch {
		case check.Lasts > longest:
			t.skipped++
		case h.known[check.Name] != "":
			t.differ++
		default:
			t.passed++
		}
	}
	return t
}

// run holds the emulator against the contract, what is known to differ too: it is not known
// for ever. It returns what is not as it is known.
func (h held) run(ctx context.Context, url, logs string) (surprises []string, err error) {
	command := exec.CommandContext(ctx, "go", "test", h.path, "-count", "1", "-json", "-run", "^TestContractAt$", //nolint:gosec // the paths stand above
		"-parallel", fmt.Sprint(parallel), "-endpoint", url, "-longest", longest.String())
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	failed := command.Run()
	log := filepath.Join(logs, strings.ToLower(h.emulator+"-"+h.service)+".json")
	if err := os.WriteFile(log, output.Bytes(), 0o600); err != nil {
		return nil, err
	}
	outcomes := outcomesOf(output.Bytes())
	if len(outcomes) == 0 {
		return nil, fmt.Errorf("no check was run (%w), see %s", failed, log)
	}
	if surprises = h.judge(outcomes); len(surprises) > 0 {
		surprises = append(surprises, "their output is in "+log)
	}
	return surprises, nil
}

// outcomesOf reads what became of the checks, by the names that go test gives them: pass,
// fail or skip.
func outcomesOf(output []byte) map[string]string {
	outcomes := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			continue // what the compiler has to say
		}
		name, isCheck := strings.CutPrefix(event.Test, "TestContractAt/")
		if isCheck && (event.Action == "pass" || event.Action == "fail" || event.Action == "skip") {
			outcomes[name] = event.Action
		}
	}
	return outcomes
}

// judge compares what became of the checks with what is known.
func (h held) judge(outcomes map[string]string) (surprises []string) {
	for _, check := range h.checks {
		_, known := h.known[check.Name]
		outcome := outcomes[strings.ReplaceAll(check.Name, " ", "_")]
		switch {
		case outcome == "":
			surprises = append(surprises, check.Name+" was not run")
		case outcome == "skip" && check.Lasts <= longest:
			surprises = append(surprises, check.Name+" was skipped")
		case outcome == "pass" && known:
			surprises = append(surprises, check.Name+" passes by now: take it out of contract.Known")
		case outcome == "fail" && !known:
			surprises = append(surprises, check.Name+" fails, and is not known to")
		}
	}
	return surprises
}
