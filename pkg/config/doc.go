// Package config reads the typed settings of both binaries: defaults, overridden by
// a YAML file, overridden by environment variables. It knows nothing of what it
// configures.
//
// The variable of a key is BILLABLE_ and the key in upper case, its dots as
// underscores: chargebee.api_key is BILLABLE_CHARGEBEE_API_KEY. A secret may be
// given as the path of a file under <key>_file. What charge codes are (charges) stands
// in the file alone: no variable can name a charge code. All faults are reported together.
package config
