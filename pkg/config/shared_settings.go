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

// ownSettings are the sections and keys that may differ between the consumers of a ledger. The site is compared by
// its host.
var ownSettings = []string{"admin.", "log.", "chargebee.site", "chargebee.base_url", "worker.drain_timeout"}

// Shared returns the settings on which all consumers of a ledger should agree, as texts by key. Secrets are left out,
// and charges are a digest.
func (c Consumer) Shared() map[string]string {
	shared := map[string]string{chargesKey: c.Charges.digest()}
	for _, field := range fieldsOf(reflect.ValueOf(c), "") {
		isOwn := slices.ContainsFunc(ownSettings, func(own string) bool { return strings.HasPrefix(field.key, own) })
		if !isOwn && !field.isSecret() {
			shared[field.key] = fmt.Sprint(field.value.Interface())
		}
	}
	return shared
}

// digest returns a text that is equal for equal charges only.
func (c Charges) digest() string {
	content, _ := json.Marshal(c) //nolint:errchkjson // texts and numbers; the keys of maps are sorted
	return fmt.Sprintf("%d codes (%.6x)", len(c), sha256.Sum256(content))
}

// Host returns the host of the site, without a port, which identifies the site. Fakes on loopback share one.
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
