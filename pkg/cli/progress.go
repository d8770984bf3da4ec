package cli

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressEvery is after how many steps a line tells where a work stands that nobody
// watches.
const progressEvery = 1000

// Progress shows how far a work of unknown length is: on a terminal as a bar that moves,
// elsewhere in a line now and then. It is safe for concurrent use.
type Progress struct {
	out  io.Writer
	what string // was done, as "replayed"
	bar  *progressbar.ProgressBar

	mu    sync.Mutex
	done  int
	waits string // why it does not go on
}

// NewProgress returns a progress on out, which is the process's standard error.
func NewProgress(out io.Writer, what string) *Progress {
	p := &Progress{out: out, what: what}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())
	}
	return p
}

// Add takes note of steps.
func (p *Progress) Add(steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.done
	p.done += steps
	if p.waits != "" {
		p.wait("")
	}
	switch {
	case p.bar != nil:
		_ = p.bar.Add(steps) // what cannot be shown is not worth an end
	case before/progressEvery < p.done/progressEvery:
		_, _ = fmt.Fprintf(p.out, "%s: %d\n", p.what, p.done)
	}
}

// Waits says why it does not go on, until it does.
func (p *Progress) Wait(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits == why {
		return
	}
	p.wait(why)
	if p.bar == nil {
		_, _ = fmt.Fprintf(p.out, "%s: %d, and waits: %s\n", p.what, p.done, printable(why))
	}
}

func (p *Progress) wait(why string) {
	p.waits = why
	switch {
	case p.bar == nil:
	case why == "":
		p.bar.Describe(p.what)
	default:
		p.bar.Describe(p.what + ", and waits: " + printable(why))
	}
}

// Done ends it: what was done is said elsewhere.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
