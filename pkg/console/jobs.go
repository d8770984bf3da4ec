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
	maxJobs          = 10              // jobs that are kept
	maxRedirectDelay = 2 * time.Second // for a job that may end before the redirect to its page
)

// operation is an action of an operator, with its parameters.
type operation struct {
	Title  string
	Back   string // path of the page that it began on
	Filter string // description of what is changed
	Reason string

	name  string                                                       // for the log
	apply func(ctx context.Context, params runParams) (outcome, error) // in a dry run it changes nothing
}

// runParams are the parameters of one run of an operation.
type runParams struct {
	dryRun   bool
	messages map[string]bool // dead letters that the dry run listed; nil if this is the dry run
	progress deadletter.Progress
}

type outcome struct {
	deadletter.Result // of a replay or a discard

	Text    string // what was done, or would be done
	Release *results.Release
	Changes bool // something was changed, or would be changed
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

// status is the changing part of a job.
type status struct {
	Done      int    // dead letters that were processed
	Waiting   string // why nothing is done now; empty otherwise
	Ended     bool
	Outcome   outcome
	Err       error
	Confirmed bool // of a dry run: a job that applies it was started
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

// confirm sets Confirmed, once, and returns the dead letters of the dry run. The caller holds jobs.mu.
func (j *job) confirm() (messages map[string]bool, err error) {
	shown := j.snapshot()
	if !j.DryRun || !shown.Outcome.Changes || shown.Confirmed {
		return nil, httpError{http.StatusConflict, "there is nothing to confirm: the dry run would change nothing, or was applied already"}
	}
	j.update(func(s *status) { s.Confirmed = true })
	messages = map[string]bool{}
	for _, message := range shown.Outcome.Messages {
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
	list    []*job // the latest last
	running sync.WaitGroup
}

func newJobs(cfg Config) *jobs {
	ctx, cancel := context.WithCancel(context.Background())
	return &jobs{cfg: cfg, ctx: ctx, cancel: cancel}
}

// close cancels the running job and waits until it has ended. No job starts afterwards.
func (j *jobs) close() {
	j.mu.Lock()
	j.cancel()
	j.mu.Unlock()
	j.running.Wait()
}

// start starts a job: the dry run of op if confirmed is nil. Otherwise confirmed is a dry run of op that was not applied
// yet, and the job applies op to its dead letters.
func (j *jobs) start(op operation, confirmed *job) (started *job, err error) {
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
	started = &job{operation: op, ID: rand.Text(), DryRun: confirmed == nil, ended: make(chan struct{})}
	var messages map[string]bool
	if confirmed != nil {
		if messages, err = confirmed.confirm(); err != nil {
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
	result, err := job.apply(ctx, runParams{job.DryRun, messages, deadletter.Progress{
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

// begin starts the dry run of an operation.
func (c *Console) begin(op operation) (response, error) {
	started, err := c.jobs.start(op, nil)
	return redirect(started, err)
}

func (c *Console) confirm(r request) (response, error) {
	dryRun, err := c.jobs.find(r.PostFormValue("id"))
	if err != nil {
		return response{}, err
	}
	started, err := c.jobs.start(dryRun.operation, dryRun)
	return redirect(started, err)
}

func (c *Console) stop(r request) (response, error) {
	found, err := c.jobs.find(r.PostFormValue("id"))
	if err == nil {
		found.cancel()
	}
	return redirect(found, err)
}

// redirect returns a redirect to the page of a job, or err. It waits up to maxRedirectDelay for the end of the job.
func redirect(job *job, err error) (response, error) {
	if err != nil {
		return response{}, err
	}
	select {
	case <-job.ended:
	case <-time.After(maxRedirectDelay):
	}
	return response{location: "/job?id=" + job.ID}, nil
}

type jobView struct {
	*job
	status
}

// Rows returns the first maxRows results for dead letters, those with an error before the others.
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

// showJob shows the page of a job. With the parameter progress it returns only the part that the page refreshes.
func (c *Console) showJob(r request) (response, error) {
	found, err := c.jobs.find(r.FormValue("id"))
	if err != nil {
		return response{}, err
	}
	resp := response{template: "job", title: found.Title, data: jobView{found, found.snapshot()}}
	if r.Form.Has("progress") {
		resp.template = "progress"
	}
	return resp, nil
}

func deadLetterOutcome(result deadletter.Result) outcome {
	described := outcome{Result: result, Text: fmt.Sprintf("%d dead letters", len(result.Messages))}
	unchanged := result.Counts[deadletter.Skipped] + result.Counts[deadletter.Refused] + result.Counts[deadletter.Failed]
	described.Changes = len(result.Messages) > unchanged
	if result.Archive != nil {
		described.Text += ", archived in " + *result.Archive + ": consumer dlq restore puts them back"
	}
	if !result.Complete {
		described.Text += ". Incomplete: " + deadletter.Incomplete
	}
	return described
}
