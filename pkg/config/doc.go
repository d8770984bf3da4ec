// Package config loads the settings of both binaries into typed structs: [Receiver] and
// [Consumer]. Defaults are overridden by a YAML file, and that by environment variables.
//
// The variable of a key is BILLABLE_ and the key in upper case with underscores for dots:
// chargebee.api_key is BILLABLE_CHARGEBEE_API_KEY. A [Secret] can be given as the path of
// a file under <key>_file. [Charges] can be set in the file only. An unknown key in the
// file is an error, as is an unknown variable. Variables of the other binary are ignored:
// both may share an environment.
//
// Invariants: an [Error] reports all invalid settings together, and no text that this
// package returns contains the value of a secret. The package imports nothing that it
// configures.
package config
