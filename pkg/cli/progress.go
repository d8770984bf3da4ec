package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/billable-events/billable/pkg/escape"
)

const (
	stepsPerLine   = 1000                   // finished steps between two lines
	redrawInterval = 100 * time.Millisecond // minimum, of the bar
)

// Progress shows the progress of work of unknown length: as a bar on a terminal, otherwise as lines.
// It is safe for concurrent use.
type Progress struct {
	out   io.Writer
	label string                   // for example "processed"
	bar   *progressbar.ProgressBar // nil: lines

	mu      sync.Mutex
	done    int    // finished steps
	waiting string // why the work waits; empty if it does not wait
}

// NewProgress returns a Progress that writes to out, the standard error of the process.
func NewProgress(out io.Writer, label string) *Progress {
	p := &Progress{out: out, label: label}
	if file, ok := terminal(out); ok {
		p.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(file), progressbar.OptionThrottle(redrawInterval), progressbar.OptionSetDescription(label), progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionClearOnFinish())
	}
	return p
}

// Add adds finished steps and ends a wait.
func (p *Progress) Add(steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.done
	p.done += steps
	p.setWaiting("")
	switch {
	case p.bar != nil:
		_ = p.bar.Add(steps) // ignore display errors
	case before/stepsPerLine < p.done/stepsPerLine: // another stepsPerLine steps are finished
		_, _ = fmt.Fprintf(p.out, "%s: %d\n", p.label, p.done)
	}
}

// Wait shows why the work waits, until Add is called. It does not block.
func (p *Progress) Wait(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.setWaiting(reason) && p.bar == nil {
		_, _ = fmt.Fprintf(p.out, "%s: %d, waiting: %s\n", p.label, p.done, escape.Line(reason))
	}
}

// setWaiting sets p.waiting and shows it in the bar. It reports whether the reason changed.
func (p *Progress) setWaiting(reason string) (changed bool) {
	if p.waiting == reason {
		return false
	}
	p.waiting = reason
	if p.bar != nil {
		text := p.label
		if reason != "" {
			text += ", waiting: " + escape.Line(reason)
		}
		p.bar.Describe(text)
	}
	return true
}

// Steps returns the number of finished steps.
func (p *Progress) Steps() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// Finish removes the bar.
func (p *Progress) Finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
