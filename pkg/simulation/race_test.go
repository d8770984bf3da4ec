//go:build race

package simulation_test

// raced tells that the race detector is at work. It shuffles goroutines.
const raced = true
