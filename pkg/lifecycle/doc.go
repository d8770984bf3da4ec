// Package lifecycle starts and stops the components of a process, and adapts the Go runtime
// to the limits of its container.
//
// Invariants of [Run]: components start in order and stop in reverse order, one at a time. If
// one does not stop within its timeout, its error has its name, and the next one is stopped.
package lifecycle
