package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNoTool is the error of a missing program.
var errNoTool = errors.New("is not installed")

// tools downloads programs once, into a directory.
type tools struct {
	directory    string
	requirements string // what pip installs
	pom          string // what Maven copies
	output       io.Writer
}

// python creates a virtual environment with the requirements and returns the directory of
// its programs. Errors: errNoTool.
func (t tools) python(ctx context.Context) (string, error) {
	python, err := find("python3")
	if err != nil {
		return "", err
	}
	directory, err := filepath.Abs(filepath.Join(t.directory, "python"))
	if err != nil {
		return "", err
	}
	programs := filepath.Join(directory, "bin")
	err = t.once(directory, t.requirements, func() error {
		if err := t.run(ctx, python, "-m", "venv", directory); err != nil {
			return err
		}
		return t.run(ctx, filepath.Join(programs, "pip"), "install", "--quiet", "--requirement", t.requirements)
	})
	return programs, err
}

// elasticMQ downloads ElasticMQ's jars and returns their directory. Errors: errNoTool.
func (t tools) elasticMQ(ctx context.Context) (string, error) {
	maven, err := find("mvn")
	if err != nil {
		return "", err
	}
	directory, err := filepath.Abs(filepath.Join(t.directory, "elasticmq"))
	if err != nil {
		return "", err
	}
	return directory, t.once(directory, t.pom, func() error {
		return t.run(ctx, maven, "--quiet", "--batch-mode", "-Dstyle.color=never", "--file", t.pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+directory)
	})
}

func find(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%s %w", program, errNoTool)
	}
	return path, nil
}

// once fetches into a directory, unless that was already done from the same list. An
// unfinished download starts again.
func (t tools) once(directory, list string, fetch func() error) error {
	wanted, err := os.ReadFile(list) //nolint:gosec // a file of this project
	if err != nil {
		return err
	}
	mark := filepath.Join(directory, "fetched")
	if found, err := os.ReadFile(mark); err == nil && string(found) == string(wanted) { //nolint:gosec // written below
		return nil
	}
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return err
	}
	if err := fetch(); err != nil {
		return err
	}
	return os.WriteFile(mark, wanted, 0o600) //nolint:gosec // below the directory that the caller chose
}

// run runs a program to its end.
func (t tools) run(ctx context.Context, program string, args ...string) error {
	command := exec.CommandContext(ctx, program, args...) //nolint:gosec // the programs are named in this package
	command.Stdout, command.Stderr = t.output, t.output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), err)
	}
	return nil
}
