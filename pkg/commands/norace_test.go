//go:build !race

package commands_test

// raced reports whether the race detector is on, which takes ten times as long.
const raced = false
