package simulation_test

import (
	"errors"
	"strconv"
	"sync"
	"time"
)

// errCrashed is returned by every call of a process that has crashed.
var errCrashed = errors.New("simulation: the process has crashed")

// process is one process on the network: a pod, or a program of an operator or producer.
type process struct {
	env        *env
	name       string
	skew       time.Duration // of its clock
	unreliable bool          // it may crash and pause

	crashed chan struct{} // closed when it crashes
	once    sync.Once

	mu          sync.Mutex
	pausedUntil time.Time
	calls       map[string]int // number of calls so far, by description
}

func (e *env) process(name string) *process {
	return &process{env: e, name: name, crashed: make(chan struct{}), calls: map[string]int{}}
}

// now is the process's clock. A paused process reads it when it resumes.
func (p *process) now() time.Time {
	now := time.Now()
	if resumes := p.resumesAt(); resumes.After(now) {
		now = resumes
	}
	return now.Add(p.skew)
}

func (p *process) resumesAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pausedUntil
}

// crash disconnects the process from everything. What it has sent still arrives.
func (p *process) crash() {
	p.once.Do(func() {
		p.env.timeline.logf(p.name, "CRASHES")
		close(p.crashed)
	})
}

func (p *process) hasCrashed() bool {
	select {
	case <-p.crashed:
		return true
	default:
		return false
	}
}

// pause stops the process for a while, as the migration of a virtual machine or swapping does.
func (p *process) pause(duration time.Duration) {
	p.env.timeline.logf(p.name, "pauses for %s", duration.Round(time.Millisecond))
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(duration); until.After(p.pausedUntil) {
		p.pausedUntil = until
	}
}

// wasPaused reports whether the process ever paused.
func (p *process) wasPaused() bool { return !p.resumesAt().IsZero() }

// awaitResume returns when the process is not paused, or has crashed. Goroutines that waited
// resume in an order that is drawn by what they do next.
func (p *process) awaitResume(next string) {
	for waited := false; !p.hasCrashed(); waited = true {
		wait := time.Until(p.resumesAt())
		if wait <= 0 {
			if waited {
				random := p.env.rng.rand("awake", p.name, next, strconv.Itoa(p.count("awake "+next)))
				time.Sleep(between(random, 0, time.Millisecond))
			}
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.crashed:
			timer.Stop()
		}
	}
}

// count returns how many calls with this description the process has made.
func (p *process) count(call string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[call]++
	return p.calls[call]
}
