package receiver

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/scripts/bench/load"
	"github.com/billable-events/billable/scripts/bench/report"
)

// runLimit is for a whole run, which takes a quarter of an hour.
const runLimit = 30 * time.Minute

// Options is how the receiver is measured.
type Options struct {
	Quick    bool
	Only     string // names of what is measured, separated by commas; empty: everything
	Binaries string // their directory
	Reports  string // directory of the record and the report
}

// Flags are the options as flags.
func (o *Options) Flags(flags *flag.FlagSet) {
	flags.BoolVar(&o.Quick, "quick", false, "an answer within two minutes, which is not recorded")
	flags.StringVar(&o.Only, "only", "", "names of scenarios, separated by commas, which are not recorded; the ladder is one as well")
	flags.StringVar(&o.Binaries, "binaries", "bin", "directory of the binaries")
	flags.StringVar(&o.Reports, "reports", "bench", "directory of the record and the report")
}

// Run measures the receiver, prints what came out, and records it. It returns an error
// when something is wrong; a target that is missed is none.
func (o Options) Run(ctx context.Context, out, progress io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("the run was not finished within %s", runLimit))
	defer cancel()
	recordFile := filepath.Join(o.Reports, "receiver.json")
	past, err := report.Read[Result](recordFile)
	if err != nil {
		return err
	}
	m := measured{lengths: fullLengths, before: past.Last(), baseline: past.First(), answers: map[string][]load.Answer{}}
	if o.Quick {
		m.lengths = quickLengths
	}
	if m.run, err = report.NewRun[Result](ctx); err != nil {
		return err
	}
	err = o.measure(ctx, m, progress)
	if err := errors.Join(err, m.print(out)); err != nil { // what there is, also of a run that was cut short
		return err
	}
	if !o.Quick && o.Only == "" {
		past = past.With(m.run)
		if err := errors.Join(past.Write(recordFile), m.keep(o.Reports, past)); err != nil {
			return err
		}
	}
	return wrong(m.run.Results)
}

// measure runs all that is wanted.
func (o Options) measure(ctx context.Context, m measured, progress io.Writer) error {
	for _, scenario := range m.lengths.scenarios() {
		if !o.wants(scenario.name) {
			continue
		}
		result, answers, err := scenario.execute(ctx, o.Binaries, progress)
		if err != nil {
			return err
		}
		m.run.Results[scenario.name], m.answers[scenario.name] = result, answers
	}
	if !o.wants("ladder") {
		return nil
	}
	return m.lengths.climb(ctx, o.Binaries, progress, m.run.Results)
}

// wants tells whether what has this name is measured.
func (o Options) wants(name string) bool {
	return o.Only == "" || slices.Contains(strings.Split(o.Only, ","), name)
}

// scenarios are all that run on a bed of their own, in their order.
func (l lengths) scenarios() []scenario {
	return slices.Concat(l.loads(), l.limits(), []scenario{l.flood(), l.outage()})
}

// wrong says what must not be.
func wrong(results map[string]Result) error {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(results)) {
		if results[name].Wrong != "" {
			found = append(found, name+": "+results[name].Wrong)
		}
	}
	if len(found) > 0 {
		return errors.New(strings.Join(found, "; "))
	}
	return nil
}
