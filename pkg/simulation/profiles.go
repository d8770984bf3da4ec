package simulation

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
)

// profile is one kind of history.
type profile struct {
	name string
	draw func(random *rand.Rand, p *plan, times *timing)
}

// undisturbed is the profile in which nothing goes wrong.
const undisturbed = "undisturbed"

// withCatalog is added to the name of a profile whose charge codes are of the catalog.
const withCatalog = ", with a catalog"

// withReleases is added to the name of a profile in which events are given back.
const withReleases = ", with releases"

// profiles are taken in turn: any set of seeds that follow each other has its share of
// each.
var profiles = []profile{
	{undisturbed, func(random *rand.Rand, p *plan, _ *timing) {
		p.resends, p.scaled = false, false
		p.indexLag = 0
		if coin(random) { // handling takes longer than a message is invisible
			p.ways[site] = way{time.Second, 2 * time.Second}
			p.codes = 5
			atLeastEvents(p, 12)
		}
	}},
	{"a bit of everything", func(random *rand.Rand, p *plan, _ *timing) {
		everything(p, 0.3)
		p.persons = random.IntN(2)
		p.operators = 1
	}},
	{"crashes", func(random *rand.Rand, p *plan, times *timing) {
		if coin(random) {
			p.consumers, p.downtime = 1, 2*times.window
			p.chaos += times.window
		}
		p.trouble.crash = 0.02 + 0.06*random.Float64()
		p.trouble.site.LoseReply = 0.05
		p.drains = true
	}},
	{"sleepers", func(random *rand.Rand, p *plan, _ *timing) {
		p.trouble.still = 0.02 + 0.05*random.Float64()
		p.trouble.crash = 0.005
		p.consumers = 2 + random.IntN(2)
	}},
	{"lost replies", func(random *rand.Rand, p *plan, times *timing) {
		p.trouble.site.LoseReply = 0.2 + 0.3*random.Float64()
		p.trouble.site.LagRate, p.trouble.site.MaxLag = 0.7, times.lateBound
		p.trouble.tables.LoseReply = 0.15 * random.Float64()
		p.trouble.queues.LoseReply = 0.2 * random.Float64()
		p.trouble.webhooks.LoseReply = 0.2
		p.trouble.site.CutBody = 0.1
		p.trouble.tables.CutBody = 0.05
		p.trouble.crash = 0.01
		p.persons = max(0, random.IntN(4)-2)
		for range 10 {
			p.renewals = append(p.renewals, renewal{after: between(random, 0, p.chaos*3/4)})
		}
	}},
	{"late effects", func(random *rand.Rand, p *plan, times *timing) {
		late(p, times, 0.2+0.4*random.Float64())
		p.trouble.crash = 0.02
		p.persons = random.IntN(3)
		if coin(random) {
			p.consumers, p.downtime = 1, 2*times.window
			p.chaos += times.window
		}
	}},
	{"an outage of the site", func(random *rand.Rand, p *plan, times *timing) {
		late(p, times, 0.1)
		outageOf(random, p, site, 3*times.window, siteOutages[random.IntN(len(siteOutages))])
		atLeastEvents(p, 4)
		p.trouble.crash = 0.02
		if coin(random) {
			p.consumers, p.downtime = 1, 2*times.window
		}
		p.persons = random.IntN(3)
		p.maxAttempts = []int{3, 10}[random.IntN(2)]
		p.operators = random.IntN(2)
	}},
	{"the window's last moment", func(random *rand.Rand, p *plan, times *timing) {
		// Lines in doubt are sent again and again, and edited meanwhile.
		late(p, times, 0)
		p.chaos = 3 * times.window
		p.trouble.outages = map[string]down{site: {
			to:    between(random, times.window*5/4, 2*times.window),
			kinds: outage{sandbox.ApplyLate, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle},
			locks: true,
		}}
		p.persons, p.acts = 3+random.IntN(6), []string{editLine, editLine, editLine, closeDraft}
		p.selling = coin(random)
		aLineEach(random, p, 20*time.Second)
	}},
	{"down at the wrong moment", func(random *rand.Rand, p *plan, times *timing) {
		// The only pod goes and stays away while lines are in doubt.
		late(p, times, 0)
		p.chaos = 6 * times.window
		p.trouble.outages = map[string]down{site: {to: p.chaos, kinds: outage{sandbox.ApplyLate, sandbox.ApplyLate, sandbox.Refuse}, readable: true}}
		p.trouble.crash = 0.03
		p.consumers, p.downtime = 1, 2*times.window
		aLineEach(random, p, p.chaos/2)
	}},
	{"refused after a late effect", func(random *rand.Rand, p *plan, times *timing) {
		// What is sent once more is refused for good, while the first may still come.
		late(p, times, 0)
		p.chaos = 3 * times.window
		p.trouble.outages = map[string]down{site: {to: 2 * times.window, kinds: outage{sandbox.ApplyLate, sandbox.Refuse}, readable: true}}
		aLineEach(random, p, times.window)
	}},
	{"AWS in trouble", func(random *rand.Rand, p *plan, _ *timing) {
		rates := sandbox.Rates{Throttle: 0.1, Refuse: 0.05, LoseReply: 0.05, Partial: 0.4, Duplicate: 0.1, CutBody: 0.02}
		p.trouble.tables, p.trouble.queues = rates, rates
		p.trouble.crash = 0.01
		outageOf(random, p, []string{tables, queues}[random.IntN(2)], time.Minute, outage{sandbox.Refuse, sandbox.Throttle, sandbox.LoseReply})
	}},
	{"a person", func(random *rand.Rand, p *plan, times *timing) {
		p.persons = 3 + random.IntN(5)
		if coin(random) { // whoever changes the only line does it right before the close
			p.codes, p.acts = 1, []string{editLine, removeLine}
		}
		if random.IntN(3) == 0 {
			p.autoClose = between(random, 5*time.Second, p.chaos)
		}
		late(p, times, 0.2*random.Float64())
		p.trouble.site.LoseReply = 0.5 * random.Float64()
		p.trouble.crash = 0.02 * random.Float64()
		p.operators = random.IntN(3)
		p.ways[site] = way{time.Second, 2 * time.Second} // there is time to meddle
		atLeastEvents(p, 4)
	}},
	{"bad events", func(random *rand.Rand, p *plan, _ *timing) {
		p.badEvents = true
		p.operators = 1 + random.IntN(3)
		p.eager = random.IntN(4) > 0
		everything(p, 0.1*random.Float64())
		p.trouble.crash = 0.03 + 0.04*random.Float64()
		p.indexLag = 5 * time.Second
		atLeastEvents(p, 6)
		for range 3 {
			p.renewals = append(p.renewals, renewal{after: between(random, p.chaos/4, p.chaos*3/4)})
		}
	}},
	{"other readings", func(random *rand.Rand, p *plan, times *timing) {
		// Lists are cut and pages short, closed drafts answer with refusals, ids change.
		p.otherReadings = true
		p.linesPerPage, p.addons = 1+random.IntN(3), 1+random.IntN(4)
		late(p, times, 0.1*random.Float64())
		p.trouble.site.LoseReply = 0.4 * random.Float64()
		p.trouble.site.Refuse = 0.1 * float64(random.IntN(3))
		p.trouble.crash = 0.02 * random.Float64()
		p.trouble.still = 0.01 * float64(random.IntN(2))
		p.persons = max(0, random.IntN(6)-2)
		p.uncollected = 0.2 * float64(random.IntN(3))
		p.operators, p.eager = random.IntN(2), coin(random)
		if p.selling = coin(random); p.selling { // nothing but the answer to the close leads to the closed invoice
			p.codes, p.persons, p.uncollected = 1, 0, 0
			p.trouble.site.Refuse = 0
		}
		p.events = map[string]int{"sub1": 4, "sub2": 4, "sub3": 4}
		p.renewals = nil
		for range 2 + random.IntN(5) {
			p.renewals = append(p.renewals, renewal{between(random, 0, p.chaos*3/4), someOf(random, []string{"sub1", "sub2", "sub3"})})
		}
		if p.shifts = coin(random); p.shifts {
			p.linesPerPage, p.addons = 1, 0
		}
	}},
	{"edited drafts", func(random *rand.Rand, p *plan, _ *timing) {
		// Drafts change while they are read, before they are planned and before they are charged.
		p.resends = false
		p.ways[site] = way{200 * time.Millisecond, time.Second}
		p.events = map[string]int{"sub1": 8, "sub2": 8, "sub3": 8}
		p.renewals = nil
		for range 6 {
			p.renewals = append(p.renewals, renewal{between(random, 20*time.Second, p.chaos*3/4), someOf(random, []string{"sub1", "sub2", "sub3"})})
		}
		if p.shifts = random.IntN(3) == 0; p.shifts {
			p.linesPerPage, p.credits = 1, false // it is certain which invoice an event is due on
			return
		}
		p.edits, p.strict = 6, coin(random)
		p.trouble.crash = 0.1 * random.Float64()
	}},
	{"refusals", func(random *rand.Rand, p *plan, times *timing) {
		late(p, times, 0.1*random.Float64())
		p.trouble.site.Refuse = 0.2 + 0.4*random.Float64()
		p.trouble.site.LoseReply = 0.3 * random.Float64()
		p.stubborn = true
		for range 4 {
			p.renewals = append(p.renewals, renewal{after: between(random, 0, p.chaos*3/4)})
		}
		p.trouble.site.Throttle = 0.1
		p.trouble.crash = 0.01
		p.indexLag = 5 * time.Second
		p.trouble.tables.LagRate, p.trouble.tables.MaxLag = 0.5, 4*time.Second
		p.operators, p.eager = 1, true
		p.trouble.unburied = []float64{0, 0.9, 0.95}[random.IntN(3)]
		p.codes = 1
		p.writing = p.chaos
		atLeastEvents(p, 20)
	}},
	{"several pages", func(random *rand.Rand, p *plan, _ *timing) {
		everything(p, 0.1*random.Float64())
		p.trouble.crash = 0.02
		p.events = map[string]int{"sub1": 99 + random.IntN(50), "sub2": 3, "sub3": 3}
		p.codes = 3
		p.writing = p.chaos / 4
		p.badEvents = random.IntN(2) == 0
		p.renewals = []renewal{{after: p.chaos / 3}, {after: p.chaos / 2}}
		p.operators = 1
	}},
	{"a slow site", func(random *rand.Rand, p *plan, times *timing) {
		p.ways[site] = way{time.Second, 2 * time.Second}
		p.trouble.site = sandbox.Rates{DelayRate: 0.2, MaxDelay: times.callTimeout}
		p.trouble.crash = 0.02 * random.Float64()
		p.codes = 4
		atLeastEvents(p, 8)
		p.drains = true
	}},
	{"a low limit", func(random *rand.Rand, p *plan, _ *timing) {
		// There is work at once for several times what all pods may call in a minute.
		p.perMinute = lowLimits[random.IntN(len(lowLimits))]
		p.consumers, p.scaled = 2+random.IntN(3), false
		p.trouble.crash = 0.01 * float64(random.IntN(3))
		p.trouble.still = 0.005 * float64(random.IntN(3))
		p.trouble.tables.LoseReply = 0.05 * random.Float64()
		p.drains = coin(random)
		aLineEach(random, p, 20*time.Second)
		p.codes = 5
		atLeastEvents(p, 12)
	}},
	{"everything", func(random *rand.Rand, p *plan, times *timing) {
		everything(p, 0.5+random.Float64())
		late(p, times, 0.15)
		if random.IntN(4) == 0 {
			p.autoClose = between(random, 5*time.Second, p.chaos)
		}
		p.persons, p.operators, p.badEvents, p.drains = random.IntN(3), random.IntN(3), random.IntN(2) == 0, true
		if random.IntN(3) == 0 {
			outageOf(random, p, site, 2*times.window, siteOutages[random.IntN(len(siteOutages))])
		}
	}},
	{"days without a receiver", func(random *rand.Rand, p *plan, times *timing) {
		*times = standard
		p.retryScale = 1
		p.scaled = true
		p.opening = between(random, time.Minute, 4*24*time.Hour) // the last retry comes after three days and seven hours
		p.chaos = p.opening + 10*time.Minute
		p.writing = time.Hour
		p.resends = false
		for i := range p.renewals {
			p.renewals[i].after = between(random, 0, time.Hour)
		}
		late(p, times, 0.1)
		p.trouble.crash = 0.01
		p.trouble.webhooks.LoseReply = 0.2
	}},
	{"real times", func(random *rand.Rand, p *plan, times *timing) {
		*times = standard
		p.retryScale = 1
		p.chaos = between(random, 40*time.Minute, time.Hour)
		p.consumers = 1 + random.IntN(2)
		for i := range p.renewals {
			p.renewals[i].after = between(random, 0, p.chaos/2)
		}
		everything(p, 0.5)
		late(p, times, 0.1)
		p.trouble.still = 0.01
	}},
}

// everything goes wrong at times.
func everything(p *plan, scale float64) {
	p.trouble.refused, p.trouble.lost, p.trouble.silent = 0.01*scale, 0.02*scale, 0.02*scale
	p.trouble.crash, p.trouble.still = 0.03*scale, 0.01*scale
	rates := sandbox.Rates{
		Throttle: 0.03 * scale, Refuse: 0.03 * scale, LoseReply: 0.05 * scale, ApplyLate: 0.01 * scale, Partial: 0.1 * scale,
		Duplicate: 0.05 * scale, CutBody: 0.02 * scale, EffectThenError: 0.02 * scale, DeliverLate: 0.1 * scale,
		DelayRate: 0.05 * scale, MaxDelay: 2 * time.Second, MaxLate: 5 * time.Second, LagRate: 0.3, MaxLag: 10 * time.Second,
	}
	p.uncollected = 0.1 * scale
	p.trouble.tables, p.trouble.queues, p.trouble.site, p.trouble.webhooks = rates, rates, rates, rates
	p.trouble.tables.MaxLag = 4 * time.Second // together with indexLag less than a release waits for
	p.drains = true
}

// late lets calls to the site have their effect long after the caller gave up.
func late(p *plan, times *timing, rate float64) {
	p.trouble.site.ApplyLate = rate
	p.trouble.site.MaxDelay = 0
	p.trouble.site.MaxLate = times.lateBound - p.margin - time.Second // for the wire and the work
	p.trouble.site.LagRate, p.trouble.site.MaxLag = 0.5, times.lateBound
}

// outage is what becomes of calls while a service answers nobody as it should.
type outage []sandbox.Kind

// siteOutages leave all open, or little, or are passing refusals most of the time, so
// that a line in doubt is sent again every few seconds.
var siteOutages = []outage{
	{sandbox.ApplyLate, sandbox.LoseReply, sandbox.Refuse},
	{sandbox.ApplyLate, sandbox.Throttle, sandbox.Throttle, sandbox.Throttle},
	{sandbox.ApplyLate, sandbox.LoseReply, sandbox.Throttle, sandbox.Throttle},
	{sandbox.Refuse, sandbox.Refuse, sandbox.Refuse, sandbox.ApplyLate},
	{sandbox.LoseReply},
	{sandbox.Refuse},
}

// outageOf lets a service answer nobody for a while.
func outageOf(random *rand.Rand, p *plan, service string, most time.Duration, kinds outage) {
	from := between(random, 0, p.chaos/2)
	length := between(random, most/10, most)
	p.chaos = max(p.chaos, from+length+10*time.Second)
	if p.trouble.outages == nil {
		p.trouble.outages = map[string]down{}
	}
	p.trouble.outages[service] = down{from: from, to: from + length, kinds: kinds}
}

// aLineEach lets there be many subscriptions, each with an invoice of one line.
func aLineEach(random *rand.Rand, p *plan, within time.Duration) {
	p.writing, p.codes, p.maxAttempts = 5*time.Second, 1, 10
	p.events, p.renewals = map[string]int{}, nil
	for i := range 8 {
		subscription := fmt.Sprintf("sub%d", i+1)
		p.events[subscription] = 2
		p.renewals = append(p.renewals, renewal{between(random, p.writing+time.Second, within), []string{subscription}})
	}
}

// someOf draws one of the names, or all of them in any order.
func someOf(random *rand.Rand, names []string) []string {
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if coin(random) {
		return names
	}
	return names[:1]
}

// atLeastEvents lets there be something to charge.
func atLeastEvents(p *plan, least int) {
	for subscription := range p.events {
		p.events[subscription] = max(p.events[subscription], least)
	}
}
