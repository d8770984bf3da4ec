package webhook

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// limitListener limits the number of connections. An idle connection takes 15 KB, so ten thousand of
// them exceed the memory of a pod. At the limit, a new connection replaces the one that is idle for the
// longest time. Without idle ones, it waits until one becomes idle or ends.
//
// netutil.LimitListener wraps connections, which hides the *net.TCPConn that net/http needs to close one
// in order, and closes none. This one follows the server's ConnState instead.
type limitListener struct {
	net.Listener

	evicted func() // called for each connection that is replaced
	sem     chan struct{}
	closed  chan struct{}
	once    sync.Once

	mu      sync.Mutex
	waiting bool       // a new connection needs the place of an idle one
	idle    *list.List // of net.Conn, the longest idle one first
	entries map[net.Conn]*list.Element
}

func newLimitListener(listener net.Listener, limit int, evicted func()) *limitListener {
	return &limitListener{
		Listener: listener,
		evicted:  evicted,
		sem:      make(chan struct{}, limit),
		closed:   make(chan struct{}),
		idle:     list.New(),
		entries:  map[net.Conn]*list.Element{},
	}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.sem <- struct{}{}:
		return conn, nil
	default:
	}
	l.mu.Lock()
	l.waiting = true
	l.evictOne()
	l.mu.Unlock()
	select {
	case l.sem <- struct{}{}:
	case <-l.closed:
		return nil, errClosed(conn)
	}
	l.mu.Lock()
	l.waiting = false
	l.mu.Unlock()
	return conn, nil
}

func errClosed(conn net.Conn) error {
	_ = conn.Close()
	return net.ErrClosed
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// onConnState is the server's ConnState.
func (l *limitListener) onConnState(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if entry, ok := l.entries[conn]; ok {
		l.idle.Remove(entry)
		delete(l.entries, conn)
	}
	switch state {
	case http.StateIdle:
		l.entries[conn] = l.idle.PushBack(conn)
		l.evictOne()
	case http.StateClosed, http.StateHijacked:
		<-l.sem
	}
}

// evictOne closes the connection that is idle for the longest time, if a new one waits. Its place is
// free once the server reports it as closed.
func (l *limitListener) evictOne() {
	entry := l.idle.Front()
	if !l.waiting || entry == nil {
		return
	}
	l.waiting = false
	conn, _ := l.idle.Remove(entry).(net.Conn)
	delete(l.entries, conn)
	_ = conn.Close()
	l.evicted()
}
