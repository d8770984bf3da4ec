package webhook

import (
	"net"
	"net/http"
	"sync"
)

// connections are a listener that takes no more of them than there are places: each that is
// open costs 15 KB even when it is idle, and ten thousand of them more than a pod has. Those
// beyond wait in the kernel until others have ended. netutil.LimitListener would hide from
// net/http what it needs of a TCP connection to end it in order.
type connections struct {
	net.Listener

	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limit(listener net.Listener, most int) *connections {
	return &connections{Listener: listener, places: make(chan struct{}, most), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	select {
	case c.places <- struct{}{}:
	case <-c.closed:
		return nil, net.ErrClosed
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		<-c.places
	}
	return conn, err
}

// Close implements net.Listener.
func (c *connections) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// changed is a server's ConnState: it gives the place of a connection that has ended back.
func (c *connections) changed(_ net.Conn, state http.ConnState) {
	if state == http.StateClosed || state == http.StateHijacked {
		<-c.places
	}
}
