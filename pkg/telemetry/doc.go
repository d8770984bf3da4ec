// Package telemetry provides the logger, metrics registry, tracing and admin listener of both
// binaries. docs/telemetry.md lists what they emit.
//
// Without a collector no span is made. A failing collector does not fail or delay the work: it delays only the
// shutdown, by up to [FlushTimeout].
package telemetry
