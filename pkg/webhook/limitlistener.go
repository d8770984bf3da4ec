package webhook

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// limitListener limits the number of open connections, because each takes memory: 15 KB if it is idle. At
// the limit, it evicts a connection for each new one: it closes the connection that has been idle for the
// longest time. If none is idle, the new connection waits until another becomes idle or ends.
//
// netutil.LimitListener does not evict. It also wraps connections, but net/http needs a *net.TCPConn to
// close a connection in order. So limitListener counts the connections by the ConnState of the server.
type limitListener struct {
	net.Listener

	evicted   func()        // called for each evicted connection
	sem       chan struct{} // has an element for each open connection that Accept returned
	closed    chan struct{}
	closeOnce sync.Once // closes closed

	mu      sync.Mutex
	waiting bool                       // a new connection waits, and none was evicted for it yet
	idle    *list.List                 // of net.Conn, the longest idle one first
	entries map[net.Conn]*list.Element // of idle
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
	l.evictIfWaiting()
	l.mu.Unlock()
	select {
	case l.sem <- struct{}{}:
	case <-l.closed:
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.mu.Lock()
	l.waiting = false
	l.mu.Unlock()
	return conn, nil
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// onConnState is the ConnState function of the server.
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
		l.evictIfWaiting()
	case http.StateClosed, http.StateHijacked:
		<-l.sem
	}
}

// evictIfWaiting evicts an idle connection, if there is one and a new connection waits. The server then
// reports the connection to onConnState as closed, which lets the new one continue.
func (l *limitListener) evictIfWaiting() {
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
