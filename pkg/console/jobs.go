package console

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/billable-events/billable/pkg/deadletter"
)

const (
	maxJobs    = 50              // that are kept
	settleTime = 2 * time.Second // for which a request waits for a job that ends soon
)

// operation is an action of an operator, with its parameters.
type operation struct {
	Title  string
	Back   string // path of the page that it began on
	Filter string // of what is changed, for people and for the log
	Reason string

	name string // for the log
	run  func(ctx context.Context, run run) (outcome, error)
}

// run are the parameters of one run of an operation.
type run struct {
	dryRun   bool
	messages map[string]bool // those of the dry run; nil in the dry run
	progress deadletter.Progress
}

// outcome is the result of a run.
type outcome struct {
	Text     string // what was done, or would be
	Counts   []count
	Messages []deadletter.MessageResult
	Release  *Release
	Changes  bool // a confirmation would change something
}

type count struct {
	Name  string
	Count int
}

// job is one run of an operation.
type job struct {
	operation

	ID     string
	DryRun bool
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	status status
}

// status is the progress of a job, and its result.
type status struct {
	Done      int
	Waiting   string // why nothing happens
	Ended     bool
	Outcome   outcome
	Err       error
	Confirmed bool // it was a dry run, and has been applied
}

func (j *job) snapshot() status {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.status
}

// jobs runs one job at a time.
type jobs struct {
	cfg     Config
	ctx     context.Context //nolint:containedctx // jobs outlive the requests that start them
	cancel  context.CancelFunc
	mu      sync.Mutex
	list    []*job
	running sync.WaitGroup
}

func newJobs(cfg Config) *jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return &jobs{cfg: cfg, ctx: ctx, cancel: cancel}
}

func (j *jobs) close() {
	j.cancel()
	j.running.Wait()
}

// start runs an operation in the background. messages are nil for a dry run.
func (j *jobs) start(op operation, messages map[string]bool, dryRun bool) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, other := range j.list {
		if !other.snapshot().Ended {
			return nil, httpError{http.StatusConflict, "another action is running (" + other.Title + "): wait for it, or stop it at /job?id=" + other.ID}
		}
	}
	if j.ctx.Err() != nil {
		return nil, httpError{http.StatusServiceUnavailable, "the console is being stopped"}
	}
	started := &job{operation: op, ID: rand.Text(), DryRun: dryRun, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(j.ctx)
	started.cancel = cancel
	j.list = append(j.list[max(len(j.list)-maxJobs+1, 0):], started)
	j.running.Go(func() { j.run(ctx, started, messages) })
	return started, nil
}

func (j *jobs) run(ctx context.Context, job *job, messages map[string]bool) {
	defer close(job.ended)
	defer job.cancel()
	log := j.cfg.Log.With().Str("caller", j.cfg.Caller).Str("action", job.name).Str("job_id", job.ID).Bool("dry_run", job.DryRun).
		Str("filter", job.Filter).Str("reason", job.Reason).Logger()
	log.Info().Msg("console action started")
	update := func(change func(*status)) {
		job.mu.Lock()
		defer job.mu.Unlock()
		change(&job.status)
	}
	result, err := job.operation.run(ctx, run{job.DryRun, messages, deadletter.Progress{
		Done:    func(deadletter.MessageResult) { update(func(s *status) { s.Done, s.Waiting = s.Done+1, "" }) },
		Waiting: func(reason string) { update(func(s *status) { s.Waiting = reason }) },
	}})
	counts := map[string]int{}
	for _, one := range result.Counts {
		counts[one.Name] = one.Count
	}
	log.Info().AnErr("error", err).Interface("counts", counts).Str("result", result.Text).Msg("console action ended")
	update(func(s *status) { s.Ended, s.Outcome, s.Err, s.Waiting = true, result, err, "" })
}

func (j *jobs) find(id string) (*job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.IndexFunc(j.list, func(job *job) bool { return job.ID == id })
	if i < 0 {
		return nil, httpError{http.StatusNotFound, "this action is not known: the console was started again, or has run many others since"}
	}
	return j.list[i], nil
}

// begin starts the dry run of an operation, and shows it.
func (c *Console) begin(r request, op operation) error {
	started, err := c.jobs.start(op, nil, true)
	return c.show(r, started, err)
}

// confirm applies what a dry run has shown, once, and to the same messages.
func (c *Console) confirm(r request) error {
	shown, err := c.jobs.find(r.PostFormValue("id"))
	if err != nil {
		return err
	}
	if !shown.take() {
		return httpError{http.StatusConflict, "there is nothing to confirm: the dry run has not ended, would change nothing, or was applied already"}
	}
	messages := map[string]bool{}
	for _, message := range shown.snapshot().Outcome.Messages {
		messages[message.MessageID] = true
	}
	started, err := c.jobs.start(shown.operation, messages, false)
	if err != nil {
		shown.giveUp()
	}
	return c.show(r, started, err)
}

// take marks a dry run as confirmed. It reports whether it could be.
func (j *job) take() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.DryRun || !j.status.Ended || !j.status.Outcome.Changes || j.status.Confirmed {
		return false
	}
	j.status.Confirmed = true
	return true
}

// giveUp undoes take.
func (j *job) giveUp() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.status.Confirmed = false
}

func (c *Console) stop(r request) error {
	found, err := c.jobs.find(r.PostFormValue("id"))
	if err == nil {
		found.cancel()
	}
	return c.show(r, found, err)
}

// show redirects to a job, if possible once it has ended.
func (*Console) show(r request, job *job, err error) error {
	if err != nil {
		return err
	}
	select {
	case <-job.ended:
	case <-time.After(settleTime):
	}
	http.Redirect(r.w, r.Request, "/job?id="+job.ID, http.StatusSeeOther)
	return nil
}

// jobView is the data of the page of a job.
type jobView struct {
	*job
	status
}

func (c *Console) showJob(r request) error {
	found, err := c.jobs.find(r.FormValue("id"))
	if err == nil {
		c.render(r, http.StatusOK, "job", found.Title, jobView{found, found.snapshot()})
	}
	return err
}

func (c *Console) showProgress(r request) error {
	found, err := c.jobs.find(r.FormValue("id"))
	if err == nil {
		c.render(r, http.StatusOK, "progress", "", jobView{found, found.snapshot()})
	}
	return err
}

// deadLetterOutcome converts the result of a replay or a discard.
func deadLetterOutcome(result deadletter.Result) outcome {
	converted := outcome{Messages: result.Messages, Text: fmt.Sprintf("%d dead letters", len(result.Messages))}
	for _, action := range deadletter.Actions {
		found := result.Counts[action]
		if found == 0 {
			continue
		}
		converted.Counts = append(converted.Counts, count{string(action), found})
		converted.Changes = converted.Changes || action != deadletter.Skipped && action != deadletter.Refused && action != deadletter.Failed
	}
	switch {
	case len(result.Messages) == 0:
		converted.Text = "No matching dead letters"
	case result.Archive != nil:
		converted.Text += ", archived in " + *result.Archive + ": consumer dlq restore puts them back"
	}
	if !result.Complete {
		converted.Text += ". Incomplete: " + deadletter.Incomplete
	}
	return converted
}
