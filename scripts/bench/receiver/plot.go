package receiver

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/billable-events/billable/scripts/bench/load"
)

const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 10 * vg.Centimeter
)

// pictures are drawn of what was measured, by their file.
func (m measured) pictures() (map[string][]byte, error) {
	pictures := map[string][]byte{}
	for name, drawing := range map[string]func() (*plot.Plot, error){
		"latency.svg":        m.drawLatencies,
		"ladder.svg":         m.drawLadder,
		"sustain.svg":        func() (*plot.Plot, error) { return drawSeconds("Sustain", m.answers[sustainName]) },
		"outage-latency.svg": func() (*plot.Plot, error) { return drawSeconds("Outage", m.answers[outageName]) },
		"outage-answers.svg": func() (*plot.Plot, error) { return drawAnswers("Outage", m.answers[outageName]) },
	} {
		drawn, err := drawing()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", name, err)
		}
		written, err := drawn.WriterTo(plotWidth, plotHeight, "svg")
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", name, err)
		}
		var picture bytes.Buffer
		if _, err := written.WriteTo(&picture); err != nil {
			return nil, fmt.Errorf("draw %s: %w", name, err)
		}
		pictures[name] = picture.Bytes()
	}
	return pictures, nil
}

func newPlot(title, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text = title, y
	p.Y.Min = 0
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	return p
}

// series is a name with a value for each place on the axis.
type series struct {
	name   string
	values plotter.Values
}

// drawBars draws groups of bars, one of each series side by side.
func drawBars(p *plot.Plot, groups []string, all []series) error {
	const width = vg.Length(12)
	for i, each := range all {
		bars, err := plotter.NewBarChart(each.values, width)
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = plotutil.Color(i), 0
		bars.Offset = width * (vg.Length(i) - vg.Length(len(all)-1)/2)
		p.Add(bars)
		p.Legend.Add(each.name, bars)
	}
	p.NominalX(groups...)
	p.X.Min, p.X.Max = -0.5, float64(len(groups))-0.5
	p.Y.Max *= 1.2 // for the legend
	return nil
}

// drawPoints draws points of each series above their group, by a logarithmic scale.
func drawPoints(p *plot.Plot, groups []string, all []series) error {
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min, p.Y.Max = 1, 1
	for i, each := range all {
		points := make(plotter.XYs, len(each.values))
		for at, value := range each.values {
			points[at] = plotter.XY{X: float64(at), Y: max(value, 0.1)}
		}
		scatter, err := plotter.NewScatter(points)
		if err != nil {
			return err
		}
		scatter.Color, scatter.Shape, scatter.Radius = plotutil.Color(i), draw.CircleGlyph{}, vg.Points(4)
		p.Add(scatter)
		p.Legend.Add(each.name, scatter)
	}
	p.NominalX(groups...)
	p.X.Min, p.X.Max = -0.5, float64(len(groups))-0.5
	p.Y.Max *= 3 // for the legend
	return nil
}

// drawLines draws a line of each series over the seconds of a scenario.
func drawLines(p *plot.Plot, all []series) error {
	p.X.Label.Text = "s"
	for i, each := range all {
		points := make(plotter.XYs, len(each.values))
		for at, value := range each.values {
			points[at] = plotter.XY{X: float64(at), Y: value}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		line.Color, line.Width = plotutil.Color(i), vg.Points(1.5)
		p.Add(line)
		p.Legend.Add(each.name, line)
	}
	p.Y.Max *= 1.2 // for the legend
	return nil
}

// percentiles name the parts of latencies that are drawn.
var percentiles = []struct {
	name string
	of   func(Latencies) time.Duration
}{
	{"p50", func(l Latencies) time.Duration { return l.P50 }},
	{"p95", func(l Latencies) time.Duration { return l.P95 }},
	{"p99", func(l Latencies) time.Duration { return l.P99 }},
}

// drawLatencies leaves the outage out, in which nothing is fast.
func (m measured) drawLatencies() (*plot.Plot, error) {
	p := newPlot("Latencies", "ms")
	all := make([]series, len(percentiles))
	var groups []string
	for _, scenario := range m.lengths.scenarios() {
		r := m.run.Results[scenario.name]
		if scenario.name == outageName || r.Requests == 0 {
			continue
		}
		groups = append(groups, scenario.name)
		for i, percentile := range percentiles {
			all[i].name = percentile.name
			all[i].values = append(all[i].values, milliseconds(percentile.of(r.Latencies)))
		}
	}
	return p, drawPoints(p, groups, all)
}

func (m measured) drawLadder() (*plot.Plot, error) {
	p := newPlot("CPU per request", "µs")
	p.Legend.Left = true
	var all []series
	for _, mode := range m.lengths.modes() {
		each := series{name: mode.name}
		for _, rung := range rungs() {
			r := m.run.Results[rungName(mode.name, rung)]
			each.values = append(each.values, microseconds(r.perRequest(r.CPU)))
		}
		all = append(all, each)
	}
	return p, drawBars(p, rungs(), all)
}

func drawSeconds(title string, answers []load.Answer) (*plot.Plot, error) {
	p := newPlot(title+": latencies in each second", "ms")
	all := make([]series, len(percentiles))
	for _, second := range perSecond(answers) {
		for i, percentile := range percentiles {
			all[i].name = percentile.name
			all[i].values = append(all[i].values, milliseconds(percentile.of(second.Latencies)))
		}
	}
	return p, drawLines(p, all)
}

func drawAnswers(title string, answers []load.Answer) (*plot.Plot, error) {
	p := newPlot(title+": answers in each second, by when their request was due", "answers")
	all := []series{{name: fmt.Sprint(http.StatusOK)}, {name: "not 200"}}
	for _, second := range perSecond(answers) {
		all[0].values = append(all[0].values, float64(second.OK))
		all[1].values = append(all[1].values, float64(second.Requests-second.OK))
	}
	return p, drawLines(p, all)
}
