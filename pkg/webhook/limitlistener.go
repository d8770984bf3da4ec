package webhook

import (
	"net"
	"net/http"
	"sync"
)

// limitListener accepts a limited number of connections; further ones wait in the kernel. An
// idle connection takes 15 KB, so ten thousand of them exceed the memory of a pod.
//
// netutil.LimitListener wraps connections, which hides the *net.TCPConn that net/http needs
// to close one in order. This one counts by the server's ConnState instead.
type limitListener struct {
	net.Listener

	sem    chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimitListener(listener net.Listener, limit int) *limitListener {
	return &limitListener{Listener: listener, sem: make(chan struct{}, limit), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.sem <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.sem
	}
	return conn, err
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// onConnState is the server's ConnState.
func (l *limitListener) onConnState(_ net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		<-l.sem
	}
}
