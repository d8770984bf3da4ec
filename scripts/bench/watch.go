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

// watch stands before the stand-ins. It holds polls back until all consumers are
// there and idle, counts calls from then on, and sees each invoice off: its message
// is deleted last of all.
type watch struct {
	invoices int

	polling chan struct{} // gets one for each poll that is held back
	opened  chan struct{} // closed when polls may go on
	all     chan struct{} // closed when every invoice is finished

	mu          sync.Mutex
	counting    bool
	calls       map[string]int // "service operation" to how often
	connections int
	finished    int
	began, last time.Time // when the work began, and the latest invoice was finished
}

func newWatch(invoices int) *watch {
	return &watch{
		invoices: invoices,
		polling:  make(chan struct{}),
		opened:   make(chan struct{}),
		all:      make(chan struct{}),
		calls:    map[string]int{},
	}
}

// server makes a stand-in's server be watched.
func (w *watch) server(service string, server *http.Server) {
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		operation := operationOf(request)
		if operation == receiveMessage && !w.admit(request) {
			return
		}
		deleted := 0
		if operation == deleteMessageBatch {
			deleted = entries(request)
		}
		w.count(service + " " + operation)
		handler.ServeHTTP(response, request)
		w.finish(deleted)
	})
	server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			w.connected()
		}
	}
}

// operationOf names a call as its service does: AWS in a header, Chargebee at the end
// of the path.
func operationOf(request *http.Request) string {
	if target := request.Header.Get("X-Amz-Target"); target != "" {
		return target[strings.LastIndexByte(target, '.')+1:]
	}
	if request.Method == http.MethodPost {
		return request.URL.Path[strings.LastIndexByte(request.URL.Path, '/')+1:]
	}
	return request.Method
}

// entries counts the entries of a batch and leaves the request as it was.
func entries(request *http.Request) int {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return 0 // the stand-in will fail in the same way
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	var batch struct{ Entries []json.RawMessage }
	if json.Unmarshal(body, &batch) != nil {
		return 0
	}
	return len(batch.Entries)
}

// admit holds a poll back until the work begins; false: its caller has gone.
func (w *watch) admit(request *http.Request) bool {
	select {
	case <-w.opened:
		return true
	default:
	}
	select {
	case w.polling <- struct{}{}:
	case <-w.opened:
	case <-request.Context().Done():
		return false
	}
	select {
	case <-w.opened:
		return true
	case <-request.Context().Done():
		return false
	}
}

// open lets the work begin.
func (w *watch) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counting, w.began = true, time.Now()
	close(w.opened)
}

func (w *watch) count(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counting {
		w.calls[call]++
	}
}

func (w *watch) connected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connections++
}

func (w *watch) finish(invoices int) {
	if invoices == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	w.finished += invoices
	if w.finished >= w.invoices && w.counting {
		w.counting = false
		close(w.all)
	}
}

// seen is what was seen.
type seen struct {
	calls       map[string]int
	connections int
	finished    int
	took        time.Duration // from the beginning to the last finished invoice
}

func (w *watch) look() seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return seen{calls: maps.Clone(w.calls), connections: w.connections, finished: w.finished, took: w.last.Sub(w.began)}
}
