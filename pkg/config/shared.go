package config

// Admin is the listener for probes and metrics.
type Admin struct {
	Addr  string `key:"addr"`
	Pprof bool   `key:"pprof"` // serve /debug/pprof
}

// Log is the form of the log.
type Log struct {
	Level  string `key:"level"`  // debug, info, warn or error
	Format string `key:"format"` // json or text
}

func (l Log) validate(errs *fieldErrors) {
	errs.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	errs.oneOf("log.format", l.Format, "json", "text")
}
