//go:build !race

package commands_test

// raced tells that the race detector is at work, with which all takes ten times as long.
const raced = false
