// Package budget keeps the calls to Chargebee within what its site allows: so many
// in any 60 seconds, as they arrive there, and so many at once.
//
// A Pacer holds the share of one process. Permits come from a bucket of depth 2
// that refills evenly. Between the issue of a permit and the arrival of its call lie
// at most the permit's life and the jitter of the way to Chargebee, so any 60
// seconds see at most the permits of 60 s + life + jitter, and one bucket: the rate
// is chosen such that these never exceed the budget.
package budget
