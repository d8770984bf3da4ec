// Package receiver is the receiver binary: it wires package webhook to package sqsqueue, and
// adds settings, metrics, logs, spans and the admin listener.
//
// [Main] runs the binary; [New] wires a [Receiver] for tests in the same process.
package receiver
