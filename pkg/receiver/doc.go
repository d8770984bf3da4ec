// Package receiver is the program receiver: it connects package webhook to package sqsqueue, and adds
// settings, metrics, logs, spans and the admin listener.
//
// [Main] runs the program; [New] makes a [Receiver], also for tests in the same process.
package receiver
