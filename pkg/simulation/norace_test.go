//go:build !race

package simulation_test

const (
	raceEnabled  = false
	defaultSeeds = 66 // some of each profile
)
