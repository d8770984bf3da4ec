// Package simulation tests the promise of the product: every accepted webhook ends with its events
// on exactly one invoice exactly once, or in a dead letter with a reason.
//
// A scenario has receivers, consumers, producers of events, manual edits at Chargebee and an
// operator, all in one process and one testing/synctest bubble: the real wiring of both binaries,
// the real SDKs, and the fakes of package sandbox behind a network with faults. Pods crash at any
// call, pause for longer than every lease and window, have wrong clocks and are drained while they
// work. After this chaos the faults end, all messages are processed, and a verifier checks the
// invariants.
//
// Everything is drawn from a seed, each decision by a name, so that no decision depends on the order
// of others. The randomness of the product and the SDKs comes from crypto/rand, which the test sets.
// A seed therefore replays exactly, with the same timeline:
//
//	go test ./pkg/simulation -v -run TestSeed -seed 7
//
// Mutation tests verify that the simulation detects defects: TestMutants breaks the statements of
// the product that a comment //mutant:<name> marks, one by one, in copies of the files. A name may
// be used once. Keep the comment on its statement when the code moves.
package simulation
