package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	sampleInterval = 10 * time.Second
	samplePeriod   = time.Hour // that plots show

	plotWidth, plotHeight = 600, 100
)

// sample is the state of queues and rate limiter at one time.
type sample struct {
	At        time.Time
	Queues    Queues
	RateLimit RateLimit
	Err       error // of reading Queues or RateLimit
}

// sampler keeps the samples of the last samplePeriod.
type sampler struct {
	cfg Config

	mu      sync.Mutex
	samples []sample
}

func (s *sampler) take(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sampleInterval)
	defer cancel()
	taken := sample{At: s.cfg.Now()}
	var errs [2]error
	taken.Queues, errs[0] = s.cfg.Operations.Queues(ctx)
	taken.RateLimit, errs[1] = s.cfg.Operations.RateLimit(ctx)
	taken.Err = errors.Join(errs[:]...)
	s.mu.Lock()
	defer s.mu.Unlock()
	expired := func(old sample) bool { return taken.At.Sub(old.At) > samplePeriod }
	s.samples = append(slices.DeleteFunc(s.samples, expired), taken)
}

func (s *sampler) all() []sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.samples)
}

type plot struct {
	Title, Max string // Max of the vertical axis, with its unit
	Lines      []plotLine
}

// plotLine is a drawn curve: Points are those of an SVG polyline, Latest is the last value.
type plotLine struct{ Name, Latest, Points string }

type curve struct {
	name  string
	value func(sample) float64
}

// newPlot draws curves. The vertical axis is from 0 to the highest value, at least to minTop. Samples with an
// error are omitted.
func newPlot(title, unit string, minTop float64, samples []sample, curves ...curve) plot {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.Err != nil })
	top := minTop
	for _, s := range samples {
		for _, curve := range curves {
			top = max(top, curve.value(s))
		}
	}
	drawn := plot{Title: title, Max: fmt.Sprintf("%.0f%s", top, unit)}
	for _, curve := range curves {
		line := plotLine{Name: curve.name, Latest: "-"}
		var points strings.Builder
		for _, s := range samples {
			value, age := curve.value(s), samples[len(samples)-1].At.Sub(s.At)
			x, y := plotWidth*(1-age.Seconds()/samplePeriod.Seconds()), plotHeight*(1-value/top)
			fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
			line.Latest = fmt.Sprintf("%.0f%s", value, unit)
		}
		line.Points = strings.TrimSpace(points.String())
		drawn.Lines = append(drawn.Lines, line)
	}
	return drawn
}
