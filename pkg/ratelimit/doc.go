// Package ratelimit keeps the calls that all processes make to one Chargebee site within the
// site's limit: at most N calls in any 60 seconds, counted when they arrive at Chargebee. A
// site that exceeds its limit is blocked for about a minute, for all integrations.
//
// # Overview
//
// A call needs a [Permit], and only a [Limiter] makes permits. Each process has one Limiter.
// It asks for the permits that its callers wait for, in one conditional update of an item
// that all processes share (the [State], behind the [Store] interface).
//
//	caller                  Limiter                         item
//	  Acquire ─────────────▶ Run: n callers wait
//	                           Store.Grant(n) ────────────▶ tat += n·T, if that fits
//	  *Permit ◀───────────── n permits ◀─────────────────── the state after it
//	  Permit.Spend, then the call
//
// Nothing else is shared. The item has no list of processes, no leases and no slots, so a
// process that crashes leaves nothing behind. How many calls a process makes at the same time
// is limited by the number of its workers.
//
// # The bucket
//
// The limit is one bucket of the generic cell rate algorithm (GCRA). T is the interval of the
// calls, 1/rate. The bucket holds at most burst calls; depth = burst·T. The item keeps tat,
// the theoretical arrival time of the last granted call: where that call would be if calls
// arrived one every T. A grant of n calls moves tat by n·T. tat never passes the present (in
// other descriptions of GCRA it runs ahead; here it lags). Unused time older than depth is lost:
//
//	base = max(tat, now - depth)
//	n calls are granted if base + n·T <= now; then tat = base + n·T
//
// With T = 1 s and burst = 3:
//
//	now = 100, tat = 20    idle: base = 97, up to 3 calls. 2 are granted: tat = 99
//	now = 100, tat = 99    1 call is granted: tat = 100
//	now = 100, tat = 100   refused. The next call is granted at 101
//
// If the bucket is full (tat < now - depth), the update sets tat; otherwise it adds n·T. An
// addition depends on no value that was read: grants of several processes are applied while the
// bucket has calls for them. A refused update returns the present state, and the Limiter asks
// once more, for as many calls as this state allows. While callers wait for more calls than the
// bucket has, it asks every 225 to 450 ms (a command 50 to 100 ms), or when the next call can be granted, if that is later.
//
// Consumers leave one call in the bucket. A limiter with [Config.Command] may take this call,
// so that an operator's command makes progress while consumers use everything else.
//
// # Why no 60 seconds have more than N calls
//
// Consider the calls that arrive at Chargebee in a window of 60 s:
//
//		       a = start - life - jitter      start                        b = start + 60 s
//		───────┼──────────────────────────────┼────────────────────────────┼──────▶
//		       └ the first grant: base >= a - depth                        └ the last: tat <= b
//
//	 1. A permit expires life (0.5 s) after the start of the update that granted it, and a call
//	    arrives within jitter of Permit.Spend.
//	 2. So the updates that granted these calls started between a and b, within
//	    span = b - a = 60 s + life + jitter.
//	 3. For the first of these updates, base >= a - depth. After the last of them, tat <= b.
//	 4. Each grant of n calls moves tat by n·T, and tat never decreases. So all of them together
//	    moved it by at most b - (a - depth) = span + depth.
//	 5. So they granted at most (span + depth) / T = burst + span·rate calls.
//	 6. newBucket chooses the rate so that this number is the limit in use, N·scale:
//
//		burst = max(3 calls, 0.5 s of the rate)
//		rate  = (N·scale - burst) / (60 s + life + jitter)
//
// The order in which the store applies the updates, their latency and lost replies do not
// matter. With jitter = 1 s, 60 s of the rate are 96.8 % of N = 3500, and 95.6 % of N = 150.
//
// # The fleet clock
//
// now is the process's monotonic clock, counted from its wall clock at the start, plus an
// offset. Each grant writes now into the item. A process that reads a clock ahead of its own
// raises its offset by the difference. The offset never shrinks, so all processes follow the
// clock that is furthest ahead, and the bucket fills at the pace of one clock. A process that
// is ahead of all others finds the bucket full once: a clock that jumps ahead allows one
// extra burst. So does the deletion of the item, because a new bucket is full. Deleting the
// item also ends each pause, the operator's too, and restores the full scale.
//
// # Pauses
//
// A 429 for the whole site means that another integration calls too. [Do] then calls
// [Limiter.Pause]. From then on this process hands out no permits; earlier ones can be spent until
// they expire. The process writes a [Pause] to the item and multiplies the scale by 0.6, unless
// the item has a pause. No grant is applied while it has one. Each process serves the pause for
// its duration by the monotonic clock, from when it first reads it; the process that got the 429 from then. The first process that has
// served the pause removes it. The scale grows by 0.02 after each minute without a pause and
// without a change of the scale.
//
// [PauseByOperator] stops all calls until [Resume]. All processes read or write the item at least
// once a second while the store answers.
//
// # Failures
//
//   - Reply lost, caller canceled, process crashed: granted permits are not used.
//   - Process suspended: its permits expire, [Permit.Spend] fails, nothing is sent.
//   - Store unavailable: no permits, and [Limiter.Wait] keeps the workers from receiving
//     messages. Invoices are in the same table, so nothing could be billed either.
//   - Processes with different limits: about the largest limit holds. The item keeps the
//     limit of the last grant, and consumer check reports a difference.
package ratelimit
