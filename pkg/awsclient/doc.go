// Package awsclient configures the clients of the AWS SDK for servers: [Load] reads region,
// credentials and endpoints as the SDK does by default and sets up connections, [Renew] renews
// credentials ahead of their expiry, [Trace] adds spans.
package awsclient
