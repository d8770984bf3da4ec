// Package awsclient configures the clients of the AWS SDK for servers: [Load] reads region,
// credentials and endpoints as the SDK does by default and sets up connections, [Trace] adds
// spans.
package awsclient
