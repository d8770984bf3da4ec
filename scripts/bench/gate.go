package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	receiveMessage     = "ReceiveMessage"
	deleteMessageBatch = "DeleteMessageBatch"
)

// gate is in front of the fakes. It holds polls back until it is opened, counts calls from then on,
// and notices when the message of the last invoice is deleted.
type gate struct {
	invoices int

	polling  chan struct{} // receives one value for each poll that is held back
	opened   chan struct{}
	finished chan struct{}

	mu          sync.Mutex
	counting    bool
	calls       map[string]int // by service and operation
	connections int
	deleted     int
	began, last time.Time
}

func newGate(invoices int) *gate {
	return &gate{invoices: invoices, polling: make(chan struct{}), opened: make(chan struct{}), finished: make(chan struct{}), calls: map[string]int{}}
}

// wrap puts the gate in front of a fake's server.
func (g *gate) wrap(service string, server *http.Server) {
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		operation := operationOf(r)
		if operation == receiveMessage && !g.admit(r) {
			return
		}
		deleted := 0
		if operation == deleteMessageBatch {
			deleted = countEntries(r)
		}
		g.mu.Lock()
		if g.counting {
			g.calls[service+" "+operation]++
		}
		g.mu.Unlock()
		handler.ServeHTTP(w, r)
		if deleted > 0 {
			g.recordDeleted(deleted)
		}
	})
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			g.mu.Lock()
			g.connections++
			g.mu.Unlock()
		}
	}
}

// operationOf returns the operation of a call: AWS sends it in a header, Chargebee at the end of the
// path.
func operationOf(r *http.Request) string {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	if r.Method == http.MethodPost {
		return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	}
	return r.Method
}

// countEntries counts the entries of a batch and leaves the request as it was.
func countEntries(r *http.Request) int {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0 // the fake fails in the same way
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var batch struct{ Entries []json.RawMessage }
	if json.Unmarshal(body, &batch) != nil {
		return 0
	}
	return len(batch.Entries)
}

// admit holds a poll back until the gate is opened. It reports whether the caller still waits.
func (g *gate) admit(r *http.Request) bool {
	select {
	case g.polling <- struct{}{}:
	case <-g.opened:
	case <-r.Context().Done():
		return false
	}
	select {
	case <-g.opened:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counting, g.began = true, time.Now()
	close(g.opened)
}

func (g *gate) recordDeleted(messages int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = time.Now()
	g.deleted += messages
	if g.deleted >= g.invoices && g.counting {
		g.counting = false
		close(g.finished)
	}
}

func (g *gate) deletedMessages() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.deleted
}

// result returns what the gate measured, from its opening to the last deleted message.
func (g *gate) result() ConsumerResult {
	g.mu.Lock()
	defer g.mu.Unlock()
	return ConsumerResult{Took: g.last.Sub(g.began), Calls: maps.Clone(g.calls), Connections: g.connections}
}
