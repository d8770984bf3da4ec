package receiver

import (
	"context"
	"net/http"
	"time"
)

const (
	beat      = time.Second // from one poll to the next
	beatLimit = time.Second // of one poll
)

// pulse asks a server each second whether it lives.
type pulse struct {
	cancel context.CancelFunc
	done   chan struct{}
	beats  beats
}

// beats is what the polls came to.
type beats struct {
	polls, failed int
	slowest       time.Duration
}

func feel(ctx context.Context, url string) *pulse {
	ctx, cancel := context.WithCancel(ctx)
	p := &pulse{cancel: cancel, done: make(chan struct{})}
	go p.poll(ctx, url)
	return p
}

// stop ends the polls and returns what they came to. It may be called again.
func (p *pulse) stop() beats {
	p.cancel()
	<-p.done
	return p.beats
}

func (p *pulse) poll(ctx context.Context, url string) {
	defer close(p.done)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	for {
		started := time.Now()
		alive := ask(ctx, client, url)
		if ctx.Err() != nil {
			return
		}
		p.beats.polls++
		p.beats.slowest = max(p.beats.slowest, time.Since(started))
		if !alive {
			p.beats.failed++
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) (alive bool) {
	ctx, cancel := context.WithTimeout(ctx, beatLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
