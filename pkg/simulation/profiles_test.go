package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// profile is one kind of scenario.
type profile struct {
	name string
	draw func(random *rand.Rand, s *scenario, times *timing)
}

const (
	undisturbed  = "undisturbed"      // the profile without faults
	withCatalog  = ", with a catalog" // added to the name of a profile whose charge codes have item prices
	withReleases = ", with releases"  // added to the name of a profile with releases
)

// profiles are used in turn, by seed: a range of seeds has all of them.
var profiles = []profile{
	{undisturbed, func(random *rand.Rand, s *scenario, _ *timing) {
		s.resends, s.autoscaled = false, false
		s.indexLag = 0
		if coin(random) { // sessions last longer than the visibility timeout
			s.latencies[site] = latency{time.Second, 2 * time.Second}
			s.codes = 5
			minEvents(s, 12)
		}
	}},
	{"a bit of everything", func(random *rand.Rand, s *scenario, _ *timing) {
		everything(s, 0.3)
		s.manualEdits = random.IntN(2)
		s.operators = 1
	}},
	{"crashes", func(random *rand.Rand, s *scenario, times *timing) {
		if coin(random) {
			s.consumers, s.maxDowntime = 1, 2*times.idempotencyWindow
			s.chaos += times.idempotencyWindow
		}
		s.faults.crash = 0.02 + 0.06*random.Float64()
		s.faults.site.LoseReply = 0.05
		s.drains = true
	}},
	{"paused processes", func(random *rand.Rand, s *scenario, _ *timing) {
		s.faults.pause = 0.02 + 0.05*random.Float64()
		s.faults.crash = 0.005
		s.consumers = 2 + random.IntN(2)
	}},
	{"lost replies", func(random *rand.Rand, s *scenario, times *timing) {
		s.faults.proxyRefusal = 0.3
		s.faults.site.LoseReply = 0.2 + 0.3*random.Float64()
		s.faults.site.LagRate, s.faults.site.MaxLag = 0.7, times.maxEffectDelay
		s.faults.tables.LoseReply = 0.15 * random.Float64()
		s.faults.queues.LoseReply = 0.2 * random.Float64()
		s.faults.webhooks.LoseReply = 0.2
		s.faults.site.CutBody = 0.1
		s.faults.tables.CutBody = 0.05
		s.faults.crash = 0.01
		s.manualEdits = max(0, random.IntN(4)-2)
		for range 10 {
			s.renewals = append(s.renewals, renewal{after: between(random, 0, s.chaos*3/4)})
		}
	}},
	{"late effects", func(random *rand.Rand, s *scenario, times *timing) {
		lateEffects(s, times, 0.2+0.4*random.Float64())
		s.faults.crash = 0.02
		s.manualEdits = random.IntN(3)
		if coin(random) {
			s.consumers, s.maxDowntime = 1, 2*times.idempotencyWindow
			s.chaos += times.idempotencyWindow
		}
	}},
	{"an outage of the site", func(random *rand.Rand, s *scenario, times *timing) {
		lateEffects(s, times, 0.1)
		addOutage(random, s, site, 3*times.idempotencyWindow, siteOutages[random.IntN(len(siteOutages))])
		minEvents(s, 4)
		s.faults.crash = 0.02
		if coin(random) {
			s.consumers, s.maxDowntime = 1, 2*times.idempotencyWindow
		}
		s.manualEdits = random.IntN(3)
		s.maxAttempts = []int{3, 10}[random.IntN(2)]
		s.operators = random.IntN(2)
	}},
	{"the end of the window", func(random *rand.Rand, s *scenario, times *timing) {
		// Lines in doubt are sent repeatedly, and edited meanwhile.
		lateEffects(s, times, 0)
		s.chaos = 3 * times.idempotencyWindow
		s.faults.outages = map[string]outage{site: {
			to:    between(random, times.idempotencyWindow*5/4, 2*times.idempotencyWindow),
			kinds: faultKinds{sandbox.ApplyLate, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle},
			locks: true,
		}}
		s.manualEdits, s.editKinds = 3+random.IntN(6), []string{editLine, editLine, editLine, closeDraft}
		s.catalog = coin(random)
		manySmallInvoices(random, s, 20*time.Second)
	}},
	{"downtime in doubt", func(random *rand.Rand, s *scenario, times *timing) {
		// The only pod crashes while lines are in doubt, and is replaced late.
		lateEffects(s, times, 0)
		s.chaos = 6 * times.idempotencyWindow
		s.faults.outages = map[string]outage{site: {to: s.chaos, kinds: faultKinds{sandbox.ApplyLate, sandbox.ApplyLate, sandbox.Refuse}, readable: true}}
		s.faults.crash = 0.03
		s.consumers, s.maxDowntime = 1, 2*times.idempotencyWindow
		manySmallInvoices(random, s, s.chaos/2)
	}},
	{"refused after a late effect", func(random *rand.Rand, s *scenario, times *timing) {
		// The repeated call is refused permanently, while the first may still take effect.
		lateEffects(s, times, 0)
		s.chaos = 3 * times.idempotencyWindow
		s.faults.outages = map[string]outage{site: {to: 2 * times.idempotencyWindow, kinds: faultKinds{sandbox.ApplyLate, sandbox.Refuse}, readable: true}}
		manySmallInvoices(random, s, times.idempotencyWindow)
	}},
	{"AWS faults", func(random *rand.Rand, s *scenario, _ *timing) {
		rates := sandbox.Rates{Throttle: 0.1, Refuse: 0.05, LoseReply: 0.05, Partial: 0.4, Duplicate: 0.1, CutBody: 0.02}
		s.faults.tables, s.faults.queues = rates, rates
		s.faults.crash = 0.01
		addOutage(random, s, []string{tables, queues}[random.IntN(2)], time.Minute, faultKinds{sandbox.Refuse, sandbox.Throttle, sandbox.LoseReply})
	}},
	{"manual edits", func(random *rand.Rand, s *scenario, times *timing) {
		s.manualEdits = 3 + random.IntN(5)
		if coin(random) { // the only line is edited right before the close
			s.codes, s.editKinds = 1, []string{editLine, removeLine}
		}
		if random.IntN(3) == 0 {
			s.autoClose = between(random, 5*time.Second, s.chaos)
		}
		lateEffects(s, times, 0.2*random.Float64())
		s.faults.site.LoseReply = 0.5 * random.Float64()
		s.faults.crash = 0.02 * random.Float64()
		s.operators = random.IntN(3)
		s.latencies[site] = latency{time.Second, 2 * time.Second} // leaves time for edits
		minEvents(s, 4)
	}},
	{"bad events", func(random *rand.Rand, s *scenario, _ *timing) {
		s.badEvents = true
		s.operators = 1 + random.IntN(3)
		s.eagerReplays = random.IntN(4) > 0
		everything(s, 0.1*random.Float64())
		s.faults.crash = 0.03 + 0.04*random.Float64()
		s.indexLag = 5 * time.Second
		minEvents(s, 6)
		for range 3 {
			s.renewals = append(s.renewals, renewal{after: between(random, s.chaos/4, s.chaos*3/4)})
		}
	}},
	{"an unusual site", func(random *rand.Rand, s *scenario, times *timing) {
		// Lists are cut, pages are short, reads of closed drafts are refused, ids change.
		s.unusualSite = true
		s.linesPerPage, s.addons = 1+random.IntN(3), 1+random.IntN(4)
		lateEffects(s, times, 0.1*random.Float64())
		s.faults.site.LoseReply = 0.4 * random.Float64()
		s.faults.site.Refuse = 0.1 * float64(random.IntN(3))
		s.faults.crash = 0.02 * random.Float64()
		s.faults.pause = 0.01 * float64(random.IntN(2))
		s.manualEdits = max(0, random.IntN(6)-2)
		s.paymentFailures = 0.2 * float64(random.IntN(3))
		s.operators, s.eagerReplays = random.IntN(2), coin(random)
		if s.catalog = coin(random); s.catalog { // only the answer to the close leads to the closed invoice
			s.codes, s.manualEdits, s.paymentFailures = 1, 0, 0
			s.faults.site.Refuse = 0
		}
		s.events = map[string]int{"sub1": 4, "sub2": 4, "sub3": 4}
		s.renewals = nil
		for range 2 + random.IntN(5) {
			s.renewals = append(s.renewals, renewal{between(random, 0, s.chaos*3/4), sample(random, []string{"sub1", "sub2", "sub3"})})
		}
		if s.removesLines = coin(random); s.removesLines {
			s.linesPerPage, s.addons = 1, 0
		}
	}},
	{"edited drafts", func(random *rand.Rand, s *scenario, _ *timing) {
		// Drafts change while they are read, planned and charged.
		s.resends = false
		s.latencies[site] = latency{200 * time.Millisecond, time.Second}
		s.events = map[string]int{"sub1": 8, "sub2": 8, "sub3": 8}
		s.renewals = nil
		for range 6 {
			s.renewals = append(s.renewals, renewal{between(random, 20*time.Second, s.chaos*3/4), sample(random, []string{"sub1", "sub2", "sub3"})})
		}
		if s.removesLines = random.IntN(3) == 0; s.removesLines {
			s.linesPerPage, s.credits = 1, false // makes certain which invoice an event is due on
			return
		}
		s.subscriptionEdits, s.strict = 6, coin(random)
		s.faults.crash = 0.1 * random.Float64()
	}},
	{"refusals", func(random *rand.Rand, s *scenario, times *timing) {
		lateEffects(s, times, 0.1*random.Float64())
		s.faults.site.Refuse = 0.2 + 0.4*random.Float64()
		s.faults.site.LoseReply = 0.3 * random.Float64()
		s.permanentRefusals = true
		for range 4 {
			s.renewals = append(s.renewals, renewal{after: between(random, 0, s.chaos*3/4)})
		}
		s.faults.site.Throttle = 0.1
		s.faults.crash = 0.01
		s.indexLag = 5 * time.Second
		s.faults.tables.LagRate, s.faults.tables.MaxLag = 0.5, 4*time.Second
		s.operators, s.eagerReplays = 1, true
		s.faults.deadLetterFailure = []float64{0, 0.9, 0.95}[random.IntN(3)]
		s.codes = 1
		s.writing = s.chaos
		minEvents(s, 20)
	}},
	{"several pages", func(random *rand.Rand, s *scenario, _ *timing) {
		everything(s, 0.1*random.Float64())
		s.faults.crash = 0.02
		s.events = map[string]int{"sub1": 99 + random.IntN(50), "sub2": 3, "sub3": 3}
		s.codes = 3
		s.writing = s.chaos / 4
		s.badEvents = random.IntN(2) == 0
		s.renewals = []renewal{{after: s.chaos / 3}, {after: s.chaos / 2}}
		s.operators = 1
	}},
	{"a slow site", func(random *rand.Rand, s *scenario, times *timing) {
		s.latencies[site] = latency{time.Second, 2 * time.Second}
		s.faults.site = sandbox.Rates{DelayRate: 0.2, MaxDelay: times.callTimeout}
		s.faults.crash = 0.02 * random.Float64()
		s.codes = 4
		minEvents(s, 8)
		s.drains = true
	}},
	{"a low limit", func(random *rand.Rand, s *scenario, _ *timing) {
		// There is work for several times the calls per minute.
		s.perMinute = lowLimits[random.IntN(len(lowLimits))]
		s.consumers, s.autoscaled = 2+random.IntN(3), false
		s.faults.crash = 0.01 * float64(random.IntN(3))
		s.faults.pause = 0.005 * float64(random.IntN(3))
		s.faults.tables.LoseReply = 0.05 * random.Float64()
		s.drains = coin(random)
		manySmallInvoices(random, s, 20*time.Second)
		s.codes = 5
		minEvents(s, 12)
	}},
	{"everything", func(random *rand.Rand, s *scenario, times *timing) {
		everything(s, 0.5+random.Float64())
		lateEffects(s, times, 0.15)
		if random.IntN(4) == 0 {
			s.autoClose = between(random, 5*time.Second, s.chaos)
		}
		s.manualEdits, s.operators, s.badEvents, s.drains = random.IntN(3), random.IntN(3), random.IntN(2) == 0, true
		if random.IntN(3) == 0 {
			addOutage(random, s, site, 2*times.idempotencyWindow, siteOutages[random.IntN(len(siteOutages))])
		}
	}},
	{"days without a receiver", func(random *rand.Rand, s *scenario, times *timing) {
		*times = standard
		s.retryScale = 1
		s.autoscaled = true
		s.receiversFrom = between(random, time.Minute, 4*24*time.Hour) // the last retry is after three days and seven hours
		s.chaos = s.receiversFrom + 10*time.Minute
		s.writing = time.Hour
		s.resends = false
		for i := range s.renewals {
			s.renewals[i].after = between(random, 0, time.Hour)
		}
		lateEffects(s, times, 0.1)
		s.faults.crash = 0.01
		s.faults.webhooks.LoseReply = 0.2
	}},
	{"real times", func(random *rand.Rand, s *scenario, times *timing) {
		*times = standard
		s.retryScale = 1
		s.chaos = between(random, 40*time.Minute, time.Hour)
		s.consumers = 1 + random.IntN(2)
		for i := range s.renewals {
			s.renewals[i].after = between(random, 0, s.chaos/2)
		}
		everything(s, 0.5)
		lateEffects(s, times, 0.1)
		s.faults.pause = 0.01
	}},
}

// everything adds all faults.
func everything(s *scenario, scale float64) {
	s.faults.refused, s.faults.lostRequest, s.faults.lostResponse = 0.01*scale, 0.02*scale, 0.02*scale
	s.faults.crash, s.faults.pause = 0.03*scale, 0.01*scale
	rates := sandbox.Rates{
		Throttle: 0.03 * scale, Refuse: 0.03 * scale, LoseReply: 0.05 * scale, ApplyLate: 0.01 * scale, Partial: 0.1 * scale,
		Duplicate: 0.05 * scale, CutBody: 0.02 * scale, EffectThenError: 0.02 * scale, DeliverLate: 0.1 * scale,
		DelayRate: 0.05 * scale, MaxDelay: 2 * time.Second, MaxLate: 5 * time.Second, LagRate: 0.3, MaxLag: 10 * time.Second,
	}
	s.paymentFailures = 0.1 * scale
	s.faults.tables, s.faults.queues, s.faults.site, s.faults.webhooks = rates, rates, rates, rates
	s.faults.tables.MaxLag = 4 * time.Second // with indexLag, less than the wait after a release
	s.drains = true
}

// lateEffects makes calls to the site take effect long after their timeout.
func lateEffects(s *scenario, times *timing, rate float64) {
	s.faults.site.ApplyLate = rate
	s.faults.site.MaxDelay = 0
	s.faults.site.MaxLate = times.maxEffectDelay - s.margin - time.Second // for the network and the work
	s.faults.site.LagRate, s.faults.site.MaxLag = 0.5, times.maxEffectDelay
}

// faultKinds are the faults of calls during an outage, with equal probability.
type faultKinds []sandbox.Kind

// siteOutages have all, few or no calls of unknown effect. Temporary refusals make consumers repeat
// a line in doubt every few seconds.
var siteOutages = []faultKinds{
	{sandbox.ApplyLate, sandbox.LoseReply, sandbox.Refuse},
	{sandbox.ApplyLate, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle},
	{sandbox.ApplyLate, sandbox.LoseReply, sandbox.Throttle, sandbox.Throttle},
	{sandbox.Refuse, sandbox.Refuse, sandbox.Refuse, sandbox.ApplyLate},
	{sandbox.LoseReply},
	{sandbox.Refuse},
}

// addOutage adds an outage of a service.
func addOutage(random *rand.Rand, s *scenario, service string, longest time.Duration, kinds faultKinds) {
	from := between(random, 0, s.chaos/2)
	length := between(random, longest/10, longest)
	s.chaos = max(s.chaos, from+length+10*time.Second)
	if s.faults.outages == nil {
		s.faults.outages = map[string]outage{}
	}
	s.faults.outages[service] = outage{from: from, to: from + length, kinds: kinds}
}

// manySmallInvoices makes eight subscriptions, each with an invoice of one line.
func manySmallInvoices(random *rand.Rand, s *scenario, within time.Duration) {
	s.writing, s.codes, s.maxAttempts = 5*time.Second, 1, 10
	s.events, s.renewals = map[string]int{}, nil
	for i := range 8 {
		subscription := fmt.Sprintf("sub%d", i+1)
		s.events[subscription] = 2
		s.renewals = append(s.renewals, renewal{between(random, s.writing+time.Second, within), []string{subscription}})
	}
}

// sample draws one of the names, or all in random order.
func sample(random *rand.Rand, names []string) []string {
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if coin(random) {
		return names
	}
	return names[:1]
}

// minEvents raises the number of events of each subscription.
func minEvents(s *scenario, least int) {
	for subscription := range s.events {
		s.events[subscription] = max(s.events[subscription], least)
	}
}
