package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// captions of the pictures, by file.
var captions = map[string]string{
	"receiver/latency.svg":        "Latencies of each scenario",
	"receiver/baselines.svg":      "CPU per request of each server",
	"receiver/sustain.svg":        "Latencies in each second of sustain",
	"receiver/outage-answers.svg": "Answers in each second of outage, by when their request was due",
	"receiver/outage-latency.svg": "Latencies in each second of outage",
}

// series is a value for each group, or for each second.
type series struct {
	name   string
	values plotter.Values
}

// draw draws all pictures.
func (r receiverReport) draw(directory string) error {
	var errs []error
	save := func(file, unit string, groups []string, add func(p *plot.Plot, i int, s series) error, all []series) {
		p := plot.New()
		p.Title.Text, p.Y.Label.Text = captions[file], unit
		p.Y.Min, p.Legend.Top = 0, true
		p.Add(plotter.NewGrid())
		for i, s := range all {
			errs = append(errs, add(p, i, s))
		}
		if p.X.Label.Text = "s"; groups != nil {
			p.X.Label.Text = ""
			p.NominalX(groups...)
			p.X.Min, p.X.Max = -0.5, float64(len(groups))-0.5
		}
		p.Y.Max *= 1.2 // for the legend
		if _, ok := p.Y.Scale.(plot.LogScale); ok {
			p.Y.Max *= 2.5
		}
		var picture bytes.Buffer
		written, err := p.WriterTo(24*vg.Centimeter, 10*vg.Centimeter, "svg")
		if err == nil {
			_, err = written.WriteTo(&picture)
		}
		errs = append(errs, err, writeFile(filepath.Join(directory, file), picture.Bytes()))
	}

	var scenarios []string
	var results []Latencies
	for _, scenario := range r.durations.scenarios() {
		// The latencies of an outage are out of scale.
		if result := r.run.Results[scenario.name]; scenario.name != outageName && result.Requests > 0 {
			scenarios, results = append(scenarios, scenario.name), append(results, result.Latencies)
		}
	}
	save("receiver/latency.svg", "ms", scenarios, addPoints, percentileSeries(results))

	var cpu []series
	for _, mode := range r.durations.modes() {
		s := series{name: mode.name}
		for _, server := range comparedServers {
			s.values = append(s.values, microseconds(r.run.Results[baselineName(mode.name, server)].perRequest()))
		}
		cpu = append(cpu, s)
	}
	save("receiver/baselines.svg", "µs", comparedServers, addBars, cpu)

	for _, name := range []string{sustainName, outageName} {
		var perSecondLatencies []Latencies
		answered := []series{{name: "200"}, {name: "not 200"}}
		for _, answers := range perSecond(r.answers[name]) {
			perSecondLatencies = append(perSecondLatencies, latencies(answers))
			ok, _ := countAnswers(answers)
			answered[0].values = append(answered[0].values, float64(ok))
			answered[1].values = append(answered[1].values, float64(len(answers)-ok))
		}
		if name == sustainName {
			save("receiver/sustain.svg", "ms", nil, addLine, percentileSeries(perSecondLatencies))
		} else {
			save("receiver/outage-latency.svg", "ms", nil, addLine, percentileSeries(perSecondLatencies))
			save("receiver/outage-answers.svg", "answers", nil, addLine, answered)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return nil
}

func percentileSeries(all []Latencies) []series {
	result := []series{{name: "p50"}, {name: "p95"}, {name: "p99"}}
	for _, l := range all {
		for i, value := range []time.Duration{l.P50, l.P95, l.P99} {
			result[i].values = append(result[i].values, milliseconds(value))
		}
	}
	return result
}

func (s series) points(minimum float64) plotter.XYs {
	points := make(plotter.XYs, len(s.values))
	for i, value := range s.values {
		points[i] = plotter.XY{X: float64(i), Y: max(value, minimum)}
	}
	return points
}

func addBars(p *plot.Plot, i int, s series) error {
	const width = vg.Length(12)
	bars, err := plotter.NewBarChart(s.values, width)
	if err != nil {
		return err
	}
	bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
	bars.Offset = width * (vg.Length(i) - 0.5) // of two series
	p.Legend.Left = true
	p.Add(bars)
	p.Legend.Add(s.name, bars)
	return nil
}

// addPoints draws on a logarithmic scale.
func addPoints(p *plot.Plot, i int, s series) error {
	p.Y.Scale, p.Y.Tick.Marker, p.Y.Min = plot.LogScale{}, plot.LogTicks{Prec: -1}, 1
	points, err := plotter.NewScatter(s.points(0.1))
	if err != nil {
		return err
	}
	points.Color, points.Shape, points.Radius = plotutil.Color(i), draw.CircleGlyph{}, vg.Points(4)
	p.Add(points)
	p.Legend.Add(s.name, points)
	return nil
}

func addLine(p *plot.Plot, i int, s series) error {
	line, err := plotter.NewLine(s.points(0))
	if err != nil {
		return err
	}
	line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
	p.Add(line)
	p.Legend.Add(s.name, line)
	return nil
}
