// Package console is the web page of operators: what the operator commands show and do, in a browser. Pages
// are rendered on the server. Each action is a dry run first (jobs.go), and the use case of a command
// (ports.go). Sessions and the checks of each request are in session.go and server.go.
package console
