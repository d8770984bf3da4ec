// Package lifecycle starts and stops the components of a process, and adapts the Go runtime
// to the limits of its container.
//
// Invariants of [Run]: components start in order and stop in reverse order; each has its own
// timeout to stop, and one that exceeds it is reported by name and does not delay the others.
package lifecycle
