// Package config loads the settings of both programs into typed structs: [Receiver] and [Consumer].
// A YAML file overrides the defaults, and environment variables override the file.
//
// The variable of a key is BILLABLE_ and the key in upper case with underscores for dots:
// chargebee.api_key is BILLABLE_CHARGEBEE_API_KEY. The key <key>_file sets a [Secret] to the
// content of a file. [Charges] can be set in the YAML file only. An unknown key in the file is an
// error, as is an unknown variable unless [Source].AllowUnknownEnv is set. Variables of the other
// program are ignored, so that both can share an environment.
//
// Invariants: an [Error] reports all invalid settings together. No text that this package returns
// contains the value of a secret. The package does not import the packages that it configures.
package config
