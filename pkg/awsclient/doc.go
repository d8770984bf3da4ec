// Package awsclient configures the clients of the AWS SDK. [Load] reads region, credentials and endpoints as the
// SDK does by default, sets connection limits, and calls [Renew], which renews credentials before they expire.
// [Trace] adds spans.
package awsclient
