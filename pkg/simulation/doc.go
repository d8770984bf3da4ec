// Package simulation tries to break the promise: that every accepted webhook ends in
// its events being on exactly one invoice exactly once, or in a dead letter with a
// reason.
//
// One history is receivers, consumers, producers of events, a person at Chargebee and
// an operator, all in one process and one testing/synctest bubble: the real wiring of
// both binaries, the real SDKs, and the stand-ins of package sandbox behind a network
// that delays, loses and cuts. Pods crash at any call, stand still for longer than
// every lease and window, run with wrong clocks and are drained in the middle of
// work. After the chaos it gets quiet, and when all messages have been handled, the
// books are compared.
//
// Everything is drawn from a seed, each decision by the name of what it is about, so
// that no decision depends on the order in which others are made. What the product
// and the SDKs draw themselves comes from crypto/rand, which a test sets
// (testing/cryptotest). A seed therefore replays exactly, with the same timeline:
//
//	go test ./pkg/simulation -v -run TestSeed -seed 7
//
// Mutation tests verify that the simulation detects defects: TestMutants breaks the statements of
// the product that a comment //mutant:<name> marks, one by one, in copies of the files. A name may
// be used once. Keep the comment on its statement when the code moves.
package simulation
