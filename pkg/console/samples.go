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
	samplePeriod   = time.Hour // of the plots

	plotWidth, plotHeight = 600, 100
)

// sample is the state of queues and rate limiter at one time.
type sample struct {
	At        time.Time
	Queues    Queues
	RateLimit RateLimit
	Err       error // why it could not be read
}

// sampler keeps the samples of the last hour.
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
	Title, Max string // Max of the vertical axis
	Lines      []plotLine
}

// plotLine has the points of an SVG polyline.
type plotLine struct{ Name, Latest, Points string }

type curve struct {
	name  string
	value func(sample) float64
}

// newPlot draws curves from 0 to the maximum, or to least if that is more. Samples that could not be read
// are left out.
func newPlot(title, unit string, least float64, samples []sample, curves ...curve) plot {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.Err != nil })
	top := least
	for _, one := range samples {
		for _, curve := range curves {
			top = max(top, curve.value(one))
		}
	}
	drawn := plot{Title: title, Max: fmt.Sprintf("%.0f%s", top, unit)}
	for _, curve := range curves {
		line := plotLine{Name: curve.name, Latest: "-"}
		var points strings.Builder
		for _, one := range samples {
			value := curve.value(one)
			x := plotWidth * (1 - samples[len(samples)-1].At.Sub(one.At).Seconds()/samplePeriod.Seconds())
			fmt.Fprintf(&points, "%.1f,%.1f ", x, plotHeight*(1-value/top))
			line.Latest = fmt.Sprintf("%.0f%s", value, unit)
		}
		line.Points = strings.TrimSpace(points.String())
		drawn.Lines = append(drawn.Lines, line)
	}
	return drawn
}
