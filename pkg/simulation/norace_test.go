//go:build !race

package simulation_test

// raced tells that the race detector is at work. It shuffles goroutines.
const raced = false

// usualSeeds are how many seeds TestHistories tries if nobody says otherwise: some of each profile.
const usualSeeds = 66
