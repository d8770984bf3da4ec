package config

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// ownPrefixes are the prefixes of keys that Shared omits, because consumers may differ in them. Sites are compared by
// Host instead.
var ownPrefixes = []string{"admin.", "log.", "chargebee.site", "chargebee.base_url", "worker.drain_timeout"}

// Shared returns the settings on which all consumers of a ledger should agree, as texts by key. It omits secrets, and
// has a digest of the charges.
func (c Consumer) Shared() map[string]string {
	shared := map[string]string{chargesKey: c.Charges.digest()}
	for _, field := range fieldsOf(reflect.ValueOf(c), "") {
		isOwn := slices.ContainsFunc(ownPrefixes, func(prefix string) bool { return strings.HasPrefix(field.key, prefix) })
		if !isOwn && !field.isSecret() {
			shared[field.key] = fmt.Sprint(field.value.Interface())
		}
	}
	return shared
}

// digest returns the number of charge codes and a hash of their definitions.
func (c Charges) digest() string {
	content, _ := json.Marshal(c) //nolint:errchkjson // texts and numbers; the keys of maps are sorted
	return fmt.Sprintf("%d codes (%.6x)", len(c), sha256.Sum256(content))
}

// Host returns the host of the URL, which identifies the site: localhost for each loopback address, empty without a URL.
func (c Chargebee) Host() string {
	base, err := url.Parse(c.URL())
	if err != nil {
		return ""
	}
	host := strings.ToLower(base.Hostname())
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return "localhost"
	}
	return host
}
