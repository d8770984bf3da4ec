// Package consumer wires the consumer: queue, settlement, ledger, rate limiter and Chargebee client,
// with their metrics, logs and spans.
//
//	worker.Pool            receives messages, extends their visibility timeout, carries out outcomes
//	└ tracedHandler        one span per session
//	  └ settlement.Settler one session per message: claims events, charges and closes the invoice
//	    ├ dynamostore      ledger and events
//	    ├ ratelimit        permits for calls to Chargebee
//	    └ chargebeeapi     the calls
//
// [Consumer.Run] works until its context ends, then drains: it receives no more messages, and lets
// running sessions end within worker.drain_timeout.
package consumer
