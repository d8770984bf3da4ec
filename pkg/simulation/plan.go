package simulation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/sandbox"
)

// The services, as links and plans name them.
const (
	tables   = "dynamodb"
	queues   = "sqs"
	site     = "chargebee"
	receiver = "receiver"
)

// plan is what a seed decides about a history as a whole.
type plan struct {
	profile string

	consumer config.Consumer
	receiver config.Receiver

	chaos        time.Duration  // how long things go wrong
	retryScale   float64        // of Chargebee's delays before a webhook is sent again
	ways         map[string]way // by service
	indexLag     time.Duration  // the most that the index is behind
	longestStill time.Duration  // that a process stands still
	margin       time.Duration  // of a late bound: what passes between a look at the clock and the wire
	trouble      trouble

	consumers, receivers int
	perMinute            int // calls to the site
	renewals             []renewal
	events               map[string]int // to be written, by subscription
	writing              time.Duration  // how long producers write
	codes                int            // charge codes
	selling              bool           // they are of the catalog, whoever's turn it is
	charges              config.Charges // what they are at Chargebee, for pods that know it
	badEvents            bool           // some cannot be billed at first
	credits              bool           // some amounts are negative
	persons              int            // how often a person acts at Chargebee
	acts                 []string       // what persons do
	operators            int            // how often an operator acts
	eager                bool           // and replays whatever comes
	releases             bool           // one gives the events of rejected invoices back
	downtime             time.Duration  // the longest that a pod is down before it is replaced
	maxAttempts          int            // worker.max_attempts
	resends              bool           // webhooks are sent again by hand
	drains               bool           // pods are replaced in the middle of work
	scaled               bool           // consumers are there only while there are messages
	opening              time.Duration  // receivers are there from then on, since the chaos began
	stubborn             bool           // most refusals of the site do not pass
	uncollected          float64        // how often, from 0 to 1, a payment fails when an invoice is closed
	autoClose            time.Duration  // after which invoices close by themselves; 0: never
	otherReadings        bool           // the site behaves otherwise than the documentation suggests
	linesPerPage         int            // of an invoice that is read; 0: as documented
	addons               int            // of each subscription: each has a line on an invoice before ours
	shifts               bool           // a line is removed while the lines of an invoice are read
	strict               bool           // messages are complete and trusted, and charges must fit the invoice
	edits                int            // manual edits that change the subscription of a draft
}

// way is how long the wire takes, one way.
type way struct{ least, most time.Duration }

// trouble is how often what goes wrong, from 0 to 1 per call.
type trouble struct {
	refused, lost, silent float64 // on the network
	crash, still          float64 // of the pod that calls
	unburied              float64 // the dead-letter queue cannot be reached

	tables, queues, site, webhooks sandbox.Rates // in the services

	outages map[string]down // by service
}

// down is when a service has an outage.
type down struct {
	from, to time.Duration // since the chaos began
	kinds    outage
	readable bool // GETs go through
	locks    bool // what throttles are locks, not limits of the whole site
}

// renewal is one invoice to be made.
type renewal struct {
	after         time.Duration // since the chaos began
	subscriptions []string
}

// timing is the settings that say how long things take.
type timing struct {
	callTimeout, lateBound, window, skew, lease, visibility, drain time.Duration
}

// Short times make a history of minutes out of one of hours: all that matters is how
// they relate to each other.
var (
	short = timing{
		callTimeout: 5 * time.Second, lateBound: 20 * time.Second, window: 100 * time.Second, skew: 3 * time.Second,
		lease: 15 * time.Second, visibility: 9 * time.Second, drain: 5 * time.Second,
	}
	standard = timing{
		callTimeout: 30 * time.Second, lateBound: 5 * time.Minute, window: 30 * time.Minute, skew: 30 * time.Second,
		lease: time.Minute, visibility: time.Minute, drain: 30 * time.Second,
	}
)

// lowLimits are calls per minute that make consumers wait.
var lowLimits = []int{60, 40, 20}

// newPlan draws the plan of a seed.
func newPlan(seed uint64) (plan, error) {
	random := dice(seed).of("plan")
	p := plan{
		consumers:  1 + random.IntN(3),
		receivers:  1 + random.IntN(2),
		codes:      1 + random.IntN(3),
		retryScale: 0.1,
		chaos:      between(random, 3*time.Minute, 5*time.Minute),
		indexLag:   between(random, 0, 5*time.Second),
		margin:     2 * time.Second,
		events:     map[string]int{},
		ways: map[string]way{
			tables:   {time.Millisecond, 15 * time.Millisecond},
			queues:   {time.Millisecond, 15 * time.Millisecond},
			site:     {20 * time.Millisecond, 150 * time.Millisecond},
			receiver: {5 * time.Millisecond, 50 * time.Millisecond},
		},
		resends:     random.IntN(3) == 0,
		scaled:      coin(random),
		acts:        []string{closeDraft, deleteDraft, editLine, removeLine, addLine},
		maxAttempts: []int{3, 10, 10}[random.IntN(3)],
		perMinute:   3500,
	}
	times := short
	if random.IntN(6) == 0 {
		p.perMinute = lowLimits[dice(seed).of("per minute").IntN(len(lowLimits))]
	}

	subscriptions := 1 + random.IntN(3)
	for i := range subscriptions {
		p.events[fmt.Sprintf("sub%d", i+1)] = random.IntN(12)
	}
	for range 1 + random.IntN(4) {
		p.renewals = append(p.renewals, renewal{after: between(random, 0, p.chaos/2)})
	}

	p.credits = coin(dice(seed).of("with credits"))
	chosen := profiles[seed%uint64(len(profiles))]
	p.profile = chosen.name
	chosen.draw(random, &p, &times)
	if p.writing == 0 {
		p.writing = p.chaos * 2 / 3
	}

	for i := range p.renewals {
		if p.renewals[i].subscriptions != nil {
			continue
		}
		first := random.IntN(subscriptions)
		p.renewals[i].subscriptions = []string{fmt.Sprintf("sub%d", first+1)}
		if random.IntN(4) == 0 { // a consolidated invoice
			for other := range subscriptions {
				if other != first {
					p.renewals[i].subscriptions = append(p.renewals[i].subscriptions, fmt.Sprintf("sub%d", other+1))
				}
			}
		}
	}
	p.drawDrafts(dice(seed).of("drafts"))
	if turn := seed / uint64(len(profiles)); p.selling || (turn+seed)%3 == 2 {
		p.sell(dice(seed))
	}
	if random := dice(seed).of("releases"); (p.persons > 0 || p.stubborn) && coin(random) {
		p.giveBack(random, &times)
	}
	p.longestStill = times.window + times.lateBound
	trust := p.strict || dice(seed).of("trust webhook").IntN(3) == 0
	return p, p.load(times, 1+random.IntN(5), trust)
}

// drawDrafts draws what drafts are like, and how they are read and changed.
func (p *plan) drawDrafts(random *rand.Rand) {
	addons, small, edits := random.IntN(3), random.IntN(4) == 0, 1+random.IntN(3)
	if p.addons == 0 && !p.shifts {
		p.addons = addons
	}
	if small && p.linesPerPage == 0 {
		p.linesPerPage = 1 + random.IntN(3)
	}
	if (p.persons > 0 || p.trouble.crash > 0.02) && coin(random) {
		p.edits = max(p.edits, edits)
	}
}

// sell lets charge codes be of the catalog, at least every third time that it is a profile's turn.
// It draws from dice of its own: all other histories go as they would without it.
func (p *plan) sell(dice dice) {
	random := dice.of("catalog")
	p.profile += withCatalog
	p.charges = config.Charges{}
	for i := range p.codes {
		code := fmt.Sprintf("code%d", i+1)
		switch kind := random.IntN(4); {
		case i == 0, kind < 2:
			id := code + itemPriceSuffix
			p.charges[code] = config.Charge{ItemPriceID: id, PricingModel: pricingModel(dice, id)}
		case kind == 2:
			p.charges[code] = config.Charge{HSNCode: "0815", AvalaraServiceType: new(int32)}
		}
	}
}

// giveBack lets there be rejected invoices whose lines were sent, some of which may still come,
// and somebody who gives their events back.
func (p *plan) giveBack(random *rand.Rand, times *timing) {
	p.profile += withReleases
	p.releases = true
	p.maxAttempts = 3
	switch random.IntN(3) {
	case 0: // refused for good, while some lines may still come
		p.stubborn = true
		p.trouble.site.Refuse = max(p.trouble.site.Refuse, 0.3)
		late(p, times, max(p.trouble.site.ApplyLate, 0.1+0.3*random.Float64()))
	case 1: // given up with a line in doubt, which comes late and shows later
		p.trouble, p.persons, p.autoClose = trouble{}, 0, 0
		late(p, times, 0.6)
		p.trouble.site.LagRate = 0.9
		aLineEach(random, p, p.chaos/2)
		p.maxAttempts = 1
	}
}

// itemPrices are those of the charge codes, in their order.
func (p *plan) itemPrices() []string {
	var prices []string
	for _, code := range slices.Sorted(maps.Keys(p.charges)) {
		if price := p.charges[code].ItemPriceID; price != "" {
			prices = append(prices, price)
		}
	}
	return prices
}

// load reads the settings the way the binaries do, with all that is checked there.
func (p *plan) load(times timing, concurrency int, trust bool) (err error) {
	variable := func(name string, value any) string { return fmt.Sprintf("BILLABLE_%s=%v", name, value) }
	p.consumer, _, err = config.LoadConsumer(config.Source{Environ: []string{
		variable("QUEUE_URL", queueURL),
		variable("QUEUE_DEAD_LETTER_URL", deadLetterURL),
		variable("CHARGEBEE_BASE_URL", "http://chargebee.local"),
		variable("CHARGEBEE_API_KEY", apiKey),
		variable("CHARGEBEE_REQUESTS_PER_MINUTE", p.perMinute),
		variable("CHARGEBEE_CALL_TIMEOUT", times.callTimeout),
		variable("CHARGEBEE_MAX_EFFECT_DELAY", times.lateBound),
		variable("CHARGEBEE_IDEMPOTENCY_WINDOW", times.window),
		variable("CLOCK_MAX_SKEW", times.skew),
		variable("LEDGER_LEASE", times.lease),
		variable("WORKER_VISIBILITY_TIMEOUT", times.visibility),
		variable("WORKER_DRAIN_TIMEOUT", times.drain),
		variable("WORKER_CONCURRENCY", concurrency),
		variable("WORKER_MAX_ATTEMPTS", p.maxAttempts),
		variable("INVOICE_TRUST_WEBHOOK", trust),
	}}, config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	p.receiver, _, err = config.LoadReceiver(config.Source{Environ: []string{
		variable("QUEUE_URL", queueURL),
		variable("AUTH_USERNAME", username),
		variable("AUTH_PASSWORD", password),
	}})
	return err
}
