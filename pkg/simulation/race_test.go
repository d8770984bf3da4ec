//go:build race

package simulation_test

const (
	raceEnabled  = true
	defaultSeeds = 40 // some of each profile
)
