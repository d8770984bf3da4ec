package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Admin is the listener for probes and metrics.
type Admin struct {
	Addr  string `key:"addr"`
	Pprof bool   `key:"pprof"` // serve /debug/pprof
}

// Log is how the process logs.
type Log struct {
	Level  string `key:"level"`  // debug, info, warn or error
	Format string `key:"format"` // json or text
}

var (
	logLevels  = []string{"debug", "info", "warn", "error"}
	logFormats = []string{"json", "text"}
)

// faults collects what is wrong with settings.
type faults []Fault

func (f *faults) require(ok bool, key, problem string) {
	if !ok {
		*f = append(*f, Fault{key, problem})
	}
}

func (f *faults) positive(key string, value time.Duration) {
	f.require(value > 0, key, fmt.Sprintf("%s is not above 0", value))
}

func (f *faults) atLeast(key string, value, least int64) {
	f.require(value >= least, key, fmt.Sprintf("%d is below %d", value, least))
}

func (f *faults) oneOf(key, value string, allowed []string) {
	f.require(slices.Contains(allowed, value), key, fmt.Sprintf("%q is none of %s", value, strings.Join(allowed, ", ")))
}

func (f *faults) log(log Log) {
	f.oneOf("log.level", log.Level, logLevels)
	f.oneOf("log.format", log.Format, logFormats)
}

func (f *faults) missing(key, value string) {
	f.require(value != "", key, "it is required: set it in the file or as "+variable(key))
}

// finish adds the faults of loading to those of validation and makes an error of
// them. A value that could not be read is not judged as well.
func finish(loading []Fault, validation faults) error {
	all := slices.Clone(loading)
	for _, fault := range validation {
		known := func(other Fault) bool { return strings.TrimSuffix(other.Key, fileSuffix) == fault.Key }
		if !slices.ContainsFunc(loading, known) {
			all = append(all, fault)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &Error{all}
}
