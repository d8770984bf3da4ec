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
	"github.com/billable-events/billable/pkg/results"
)

const (
	maxJobs    = 10              // that are kept
	settleTime = 2 * time.Second // for which a request waits for a job that ends soon
)

// operation is an action of an operator, with its parameters.
type operation struct {
	Title  string
	Back   string // path of the page that it began on
	Filter string // of what is changed, for people and for the log
	Reason string

	name  string                                              // for the log
	apply func(ctx context.Context, run run) (outcome, error) // or only predict
}

// run are the parameters of one run of an operation.
type run struct {
	dryRun   bool
	messages map[string]bool // those of the dry run; nil in the dry run
	progress deadletter.Progress
}

type outcome struct {
	deadletter.Result // of a replay or a discard

	Text    string // what was done, or would be
	Release *results.Release
	Changes bool // a confirmation would change something
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

func (j *job) update(change func(*status)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.status)
}

// confirm marks a dry run as applied, once, and returns its messages.
func (j *job) confirm() (messages map[string]bool, err error) {
	found := j.snapshot()
	if !j.DryRun || !found.Outcome.Changes || found.Confirmed {
		return nil, httpError{http.StatusConflict, "there is nothing to confirm: the dry run would change nothing, or was applied already"}
	}
	j.update(func(s *status) { s.Confirmed = true })
	messages = map[string]bool{}
	for _, message := range found.Outcome.Messages {
		messages[message.MessageID] = true
	}
	return messages, nil
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
	j.mu.Lock()
	j.cancel() // no job starts from now on
	j.mu.Unlock()
	j.running.Wait()
}

// start begins the dry run of an operation, or applies one that was shown, once and to the same messages.
func (j *jobs) start(op operation, shown *job) (*job, error) {
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
	started := &job{operation: op, ID: rand.Text(), DryRun: shown == nil, ended: make(chan struct{})}
	var messages map[string]bool
	if shown != nil {
		var err error
		if messages, err = shown.confirm(); err != nil {
			return nil, err
		}
	}
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
	result, err := job.apply(ctx, run{job.DryRun, messages, deadletter.Progress{
		Done:    func(deadletter.MessageResult) { job.update(func(s *status) { s.Done, s.Waiting = s.Done+1, "" }) },
		Waiting: func(reason string) { job.update(func(s *status) { s.Waiting = reason }) },
	}})
	log.Info().AnErr("error", err).Interface("counts", result.Counts).Str("result", result.Text).Msg("console action ended")
	job.update(func(s *status) { s.Ended, s.Outcome, s.Err, s.Waiting = true, result, err, "" })
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

func (c *Console) begin(op operation) (response, error) {
	started, err := c.jobs.start(op, nil)
	return redirect(started, err)
}

func (c *Console) confirm(r request) (response, error) {
	shown, err := c.jobs.find(r.PostFormValue("id"))
	if err != nil {
		return response{}, err
	}
	started, err := c.jobs.start(shown.operation, shown)
	return redirect(started, err)
}

func (c *Console) stop(r request) (response, error) {
	found, err := c.jobs.find(r.PostFormValue("id"))
	if err == nil {
		found.cancel()
	}
	return redirect(found, err)
}

// redirect leads to the page of a job, if possible once it has ended.
func redirect(job *job, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	select {
	case <-job.ended:
	case <-time.After(settleTime):
	}
	return response{location: "/job?id=" + job.ID}, nil
}

type jobView struct {
	*job
	status
}

// Rows returns the results that are shown, the failed and refused ones first.
func (v jobView) Rows() []deadletter.MessageResult {
	var failed, others []deadletter.MessageResult
	for _, result := range v.Outcome.Messages {
		if result.Error != nil {
			failed = append(failed, result)
		} else {
			others = append(others, result)
		}
	}
	rows := slices.Concat(failed, others)
	return rows[:min(len(rows), maxRows)]
}

// showJob shows a job: as a page, or the part of it that is refreshed.
func (c *Console) showJob(r request) (response, error) {
	found, err := c.jobs.find(r.FormValue("id"))
	if err != nil {
		return response{}, err
	}
	shown := response{template: "job", title: found.Title, data: jobView{found, found.snapshot()}}
	if r.Form.Has("progress") {
		shown.template = "progress"
	}
	return shown, nil
}

func deadLetterOutcome(result deadletter.Result) outcome {
	described := outcome{Result: result, Text: fmt.Sprintf("%d dead letters", len(result.Messages))}
	described.Changes = len(result.Messages) > result.Counts[deadletter.Skipped]+result.Counts[deadletter.Refused]+result.Counts[deadletter.Failed]
	if result.Archive != nil {
		described.Text += ", archived in " + *result.Archive + ": consumer dlq restore puts them back"
	}
	if !result.Complete {
		described.Text += ". Incomplete: " + deadletter.Incomplete
	}
	return described
}
