// Package telemetry provides the logger, metrics registry, tracing and admin listener of both
// binaries. docs/telemetry.md lists what they emit.
//
// Invariant: without a collector no span is made, and telemetry never fails or delays the work.
package telemetry
