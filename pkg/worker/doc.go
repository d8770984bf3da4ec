// Package worker is the pool that takes messages from a queue, hands each to a
// handler, and carries out what the handler says shall become of it.
//
// A slot is taken before a message is received, so that no message waits in the
// process. While a message is handled, a heartbeat keeps it invisible and beats for
// whatever the handler holds; when either is lost, the handling's context ends.
//
// Stopping has three deadlines. The context of Run ends: no further message is
// received, and a poll under way is left to end, because a canceled one can make
// messages invisible that nobody got. After DrainTimeout the handlings' contexts end
// with ErrDrained. What handlings then ask for is still carried out, for SettleTimeout.
package worker
