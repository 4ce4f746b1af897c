//go:build race

package flare

const raceEnabled = true
