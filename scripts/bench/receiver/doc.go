// Package receiver measures the real receiver: how fast it answers, what it costs, how
// much it can take, and what it does when its queue is out of order. Receiver, stand-in
// for SQS and load generator are processes of their own, so that the CPU of each can be
// told; they share one machine, which is named.
//
// Every scenario starts all three anew, asks the receiver each second whether it lives,
// and at the end looks for every event that was answered with success in the queue. A
// target that is missed is reported as missed; a wrong answer, a lost message or a
// receiver that does not say that it lives make the run fail.
package receiver
