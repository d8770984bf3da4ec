package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/billable-events/billable/pkg/cli"
	"github.com/billable-events/billable/pkg/escape"
)

// onTerminal calls write with a terminal of the width, and returns what was written.
func onTerminal(t *testing.T, width uint16, write func(terminal io.Writer)) string {
	t.Helper()
	controller, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo terminals: %v", err)
	}
	defer controller.Close()
	fd := int(controller.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: 24}); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan string)
	go func() {
		var out bytes.Buffer
		_, _ = io.Copy(&out, controller) // ends with an error once the terminal is closed
		written <- out.String()
	}()
	write(escape.Writer{Out: terminal})
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(<-written, "\r\n", "\n")
}

func TestWriteTable_Terminal(t *testing.T) {
	t.Parallel()
	row := []string{strings.Repeat("a", 50), strings.Repeat("b", 70)}
	for width, lines := range map[uint16]int{60: 4, 100: 3, 160: 2} {
		got := onTerminal(t, width, func(terminal io.Writer) {
			if err := cli.WriteTable(terminal, false, []cli.Column{{Title: "a"}, {Title: "b"}}, [][]string{row}); err != nil {
				t.Error(err)
			}
		})
		for line := range strings.Lines(got) {
			if len(strings.TrimSuffix(line, "\n")) > int(width) {
				t.Errorf("%d: %q", width, line)
			}
		}
		if strings.Count(got, "\n") != lines {
			t.Errorf("%d columns: got\n%s", width, got)
		}
	}
}

// The bar is drawn ten times a second at most.
func TestProgress_Terminal(t *testing.T) {
	t.Parallel()
	started := time.Now()
	got := onTerminal(t, 100, func(terminal io.Writer) {
		progress := cli.NewProgress(terminal, "replayed")
		for range 10_000 {
			progress.Add(1)
		}
		progress.Finish()
	})
	const ends = 2 // it is drawn at the begin and at the end
	if drawn, most := strings.Count(got, "replayed"), ends+int(time.Since(started)/(100*time.Millisecond)); drawn == 0 || drawn > most {
		t.Errorf("drawn %d times, at most %d expected", drawn, most)
	}
}
