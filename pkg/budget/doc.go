// Package budget keeps the calls to Chargebee within what its site allows: so many in any
// 60 seconds, as they arrive there, and so many at once, by all processes together.
//
// A Pacer (pacer.go) hands permits out in order, as its grant allows, from a bucket of
// depth 2 that refills evenly. A Member (member.go) gets that grant: it holds an entry in
// the budget that all processes share, renews it once a second (lease.go), and has it follow
// the process's demand (measure.go) within its fair share (share.go). It also looks after the
// entries of processes that are gone (others.go), and after pauses (pause.go).
//
// Why it holds: between the issue of a permit and the arrival of its call lie at most the
// permit's life and the jitter of the way, so a window of 60 s sees at most the permits of
// 60 s + life + jitter and what the buckets held. Each entry is charged just that, and the
// sum of all charges never exceeds the budget, because every write that raises one is
// conditioned on it. Rates are lowered before it is written and raised once it is.
package budget
