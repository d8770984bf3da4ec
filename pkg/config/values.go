package config

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// Admin configures the listener for probes and metrics.
type Admin struct {
	Addr  string `key:"addr"`
	Pprof bool   `key:"pprof"` // serve /debug/pprof
}

// Log configures the log.
type Log struct {
	Level  string `key:"level"`  // debug, info, warn or error
	Format string `key:"format"` // json or text
}

func (l Log) validate(errs *fieldErrors) {
	errs.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	errs.oneOf("log.format", l.Format, "json", "text")
}

// Secret is a string for which fmt and encoders write a placeholder.
type Secret string

// String returns a placeholder; empty for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// Format writes a placeholder, whatever the verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

// Bytes is a number of bytes: 1048576 or 1MiB.
type Bytes int64

// byteUnits has B last, because the other suffixes end with it.
var byteUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}}

// UnmarshalText parses a number with an optional unit: B, KiB, MiB or GiB.
func (b *Bytes) UnmarshalText(input []byte) error {
	text, factor := strings.TrimSpace(string(input)), int64(1)
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(text, unit.suffix); ok {
			text, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	count, err := strconv.ParseInt(text, 10, 64)
	const maxBytes = 1 << 62
	if err != nil || count < 0 || count > maxBytes/factor {
		return fmt.Errorf("invalid size %q: use bytes, for example 1048576 or 1MiB", input)
	}
	*b = Bytes(count * factor)
	return nil
}

// Networks is a list of networks in CIDR notation: 10.0.0.0/8, fd00::/8.
type Networks []*net.IPNet

// UnmarshalText parses networks that are separated by commas. An empty text is an empty list.
func (n *Networks) UnmarshalText(input []byte) error {
	*n = nil
	for text := range strings.SplitSeq(string(input), ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			return fmt.Errorf("invalid network %q: use CIDR notation, for example 10.0.0.0/8", text)
		}
		*n = append(*n, network)
	}
	return nil
}

// String returns the networks, separated by commas.
func (n Networks) String() string {
	texts := make([]string, len(n))
	for i, network := range n {
		texts[i] = network.String()
	}
	return strings.Join(texts, ", ")
}
