//go:build !race

package settlement_test

// raced reports whether the race detector is on, which makes tests ten times as slow.
const raced = false
