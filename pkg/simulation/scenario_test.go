package simulation_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/sandbox"
)

// The services, as links and scenarios name them.
const (
	tables   = "dynamodb"
	queues   = "sqs"
	site     = "chargebee"
	webhooks = "receiver"
)

// scenario holds the draws of a seed for a whole scenario.
type scenario struct {
	profile string

	consumer config.Consumer
	receiver config.Receiver

	chaos       time.Duration // how long faults occur
	faults      faultPlan
	maxPause    time.Duration // of a process
	margin      time.Duration // of the maximum effect delay: time between the read of the clock and the network
	maxDowntime time.Duration // of a pod before it is replaced; 0: seconds
	latencies   map[string]latency
	indexLag    time.Duration // maximum lag of the index of unbilled events
	retryScale  float64       // of Chargebee's delays before a webhook is sent again

	consumers, receivers int
	autoscaled           bool          // consumers run only while there are messages
	drains               bool          // pods are replaced while they work
	receiversFrom        time.Duration // receivers start then, since the start of the chaos
	perMinute            int           // chargebee.requests_per_minute
	maxAttempts          int           // worker.max_attempts

	renewals  []renewal
	events    map[string]int // number of billable events, by subscription
	writing   time.Duration  // how long producers write
	codes     int            // charge codes
	badEvents bool           // some events cannot be billed at first
	credits   bool           // some amounts are negative
	catalog   bool           // charge codes have item prices, whatever the turn of the profile
	charges   config.Charges // settings of the charge codes, for pods that have them
	addons    int            // of each subscription: each has a line on an invoice before ours

	manualEdits       int // number of manual edits of an invoice
	editKinds         []string
	subscriptionEdits int  // manual edits that change the subscription of a draft
	removesLines      bool // a line is removed while the lines of an invoice are read
	operators         int  // number of operators that replay dead letters
	eagerReplays      bool // operators replay every dead letter at once
	releases          bool // an operator releases the events of rejected invoices
	rewrites          bool // producers write events again
	voids             bool // issued invoices are voided or deleted, and their events released

	resends           bool          // webhooks are sent again by hand
	permanentRefusals bool          // most refusals of the site are permanent
	paymentFailures   float64       // probability that a payment fails when an invoice is closed
	autoClose         time.Duration // after which invoices close by themselves; 0: never
	unusualSite       bool          // the site behaves in ways that the documentation allows and does not suggest
	linesPerPage      int           // of an invoice that is read; 0: as documented
	strict            bool          // messages are complete and trusted, and charges must fit the invoice
}

// latency is the range of the network's latency, one way.
type latency struct{ min, max time.Duration }

// faultPlan has the probabilities of faults per call.
type faultPlan struct {
	refused, lostRequest, lostResponse float64 // on the network
	crash, pause                       float64 // of the pod that calls
	deadLetterFailure                  float64 // no connection to the dead-letter queue
	proxyRefusal                       float64 // a write to Chargebee is executed, and refused by a proxy

	tables, queues, site, webhooks sandbox.Rates // in the services

	outages map[string]outage // by service
}

// outage is a time in which all calls of a service have a fault.
type outage struct {
	from, to time.Duration // since the start of the chaos
	kinds    faultKinds
	readable bool // reads succeed
	locks    bool // throttled calls are locked, and the site is not over its limit
}

// renewal creates one invoice.
type renewal struct {
	after         time.Duration // since the start of the chaos
	subscriptions []string
}

// timing has the settings for durations.
type timing struct {
	callTimeout, maxEffectDelay, idempotencyWindow, maxSkew, lease, visibility, drain time.Duration
}

// Short durations make a scenario of minutes out of one of hours: only their relations matter.
var (
	short = timing{
		callTimeout: 5 * time.Second, maxEffectDelay: 20 * time.Second, idempotencyWindow: 100 * time.Second, maxSkew: 3 * time.Second,
		lease: 15 * time.Second, visibility: 9 * time.Second, drain: 5 * time.Second,
	}
	standard = timing{
		callTimeout: 30 * time.Second, maxEffectDelay: 5 * time.Minute, idempotencyWindow: 30 * time.Minute, maxSkew: 30 * time.Second,
		lease: time.Minute, visibility: time.Minute, drain: 30 * time.Second,
	}
)

// lowLimits are requests per minute that make consumers wait.
var lowLimits = []int{60, 40, 20}

// newScenario draws the scenario of a seed.
func newScenario(seed uint64) (scenario, error) {
	random := rng(seed).rand("plan")
	s := scenario{
		consumers:  1 + random.IntN(3),
		receivers:  1 + random.IntN(2),
		codes:      1 + random.IntN(3),
		retryScale: 0.1,
		chaos:      between(random, 3*time.Minute, 5*time.Minute),
		indexLag:   between(random, 0, 5*time.Second),
		margin:     2 * time.Second,
		events:     map[string]int{},
		latencies: map[string]latency{
			tables:   {time.Millisecond, 15 * time.Millisecond},
			queues:   {time.Millisecond, 15 * time.Millisecond},
			site:     {20 * time.Millisecond, 150 * time.Millisecond},
			webhooks: {5 * time.Millisecond, 50 * time.Millisecond},
		},
		resends:     random.IntN(3) == 0,
		autoscaled:  coin(random),
		editKinds:   []string{closeDraft, deleteDraft, editLine, removeLine, addLine},
		maxAttempts: []int{3, 10, 10}[random.IntN(3)],
		perMinute:   3500,
	}
	times := short
	if random.IntN(6) == 0 {
		s.perMinute = lowLimits[rng(seed).rand("per minute").IntN(len(lowLimits))]
	}

	subscriptions := 1 + random.IntN(3)
	for i := range subscriptions {
		s.events[fmt.Sprintf("sub%d", i+1)] = random.IntN(12)
	}
	for range 1 + random.IntN(4) {
		s.renewals = append(s.renewals, renewal{after: between(random, 0, s.chaos/2)})
	}

	s.credits = coin(rng(seed).rand("with credits"))
	profile := profiles[seed%uint64(len(profiles))]
	s.profile = profile.name
	profile.draw(random, &s, &times)
	if s.writing == 0 {
		s.writing = s.chaos * 2 / 3
	}

	for i := range s.renewals {
		if s.renewals[i].subscriptions != nil {
			continue
		}
		first := random.IntN(subscriptions)
		s.renewals[i].subscriptions = []string{fmt.Sprintf("sub%d", first+1)}
		if random.IntN(4) == 0 { // a consolidated invoice
			for other := range subscriptions {
				if other != first {
					s.renewals[i].subscriptions = append(s.renewals[i].subscriptions, fmt.Sprintf("sub%d", other+1))
				}
			}
		}
	}
	s.drawDrafts(rng(seed).rand("drafts"))
	if turn := seed / uint64(len(profiles)); s.catalog || (turn+seed)%3 == 2 {
		s.addCatalog(rng(seed))
	}
	if random := rng(seed).rand("releases"); (s.manualEdits > 0 || s.permanentRefusals) && coin(random) {
		s.addReleases(random, &times)
	}
	s.voids = s.profile != undisturbed && s.profile != undisturbed+withCatalog && rng(seed).rand("voids").IntN(4) == 0
	s.rewrites = s.profile != undisturbed && s.profile != undisturbed+withCatalog && !s.badEvents && rng(seed).rand("rewrites").IntN(4) == 0
	s.maxPause = times.idempotencyWindow + times.maxEffectDelay
	trust := s.strict || rng(seed).rand("trust webhook").IntN(3) == 0
	return s, s.load(times, 1+random.IntN(5), trust)
}

// drawDrafts draws the lines of drafts, and how drafts are read and edited.
func (s *scenario) drawDrafts(random *rand.Rand) {
	addons, small, edits := random.IntN(3), random.IntN(4) == 0, 1+random.IntN(3)
	if s.addons == 0 && !s.removesLines {
		s.addons = addons
	}
	if small && s.linesPerPage == 0 {
		s.linesPerPage = 1 + random.IntN(3)
	}
	if (s.manualEdits > 0 || s.faults.crash > 0.02) && coin(random) {
		s.subscriptionEdits = max(s.subscriptionEdits, edits)
	}
}

// addCatalog gives charge codes item prices and taxes. It has its own randomness: all other
// scenarios are as they would be without it.
func (s *scenario) addCatalog(r rng) {
	random := r.rand("catalog")
	s.profile += withCatalog
	s.charges = config.Charges{}
	for i := range s.codes {
		code := fmt.Sprintf("code%d", i+1)
		switch kind := random.IntN(4); {
		case i == 0, kind < 2:
			id := code + itemPriceSuffix
			s.charges[code] = config.Charge{ItemPriceID: id, PricingModel: pricingModel(r, id)}
		case kind == 2:
			s.charges[code] = config.Charge{HSNCode: "0815", AvalaraServiceType: new(int32)}
		}
	}
}

// addReleases adds an operator who releases the events of rejected invoices, whose lines were
// sent and may still appear.
func (s *scenario) addReleases(random *rand.Rand, times *timing) {
	s.profile += withReleases
	s.releases = true
	s.maxAttempts = 3
	switch random.IntN(3) {
	case 0: // refused permanently, while some lines may still appear
		s.permanentRefusals = true
		s.faults.site.Refuse = max(s.faults.site.Refuse, 0.3)
		lateEffects(s, times, max(s.faults.site.ApplyLate, 0.1+0.3*random.Float64()))
	case 1: // rejected with a line in doubt, which takes effect late
		s.faults, s.manualEdits, s.autoClose = faultPlan{}, 0, 0
		lateEffects(s, times, 0.6)
		s.faults.site.LagRate = 0.9
		manySmallInvoices(random, s, s.chaos/2)
		s.maxAttempts = 1
	}
}

// itemPrices returns the item prices of the charge codes, in their order.
func (s *scenario) itemPrices() []string {
	var prices []string
	for _, code := range slices.Sorted(maps.Keys(s.charges)) {
		if price := s.charges[code].ItemPriceID; price != "" {
			prices = append(prices, price)
		}
	}
	return prices
}

// load reads the settings as the binaries do, with all checks.
func (s *scenario) load(times timing, concurrency int, trust bool) (err error) {
	variable := func(name string, value any) string { return fmt.Sprintf("BILLABLE_%s=%v", name, value) }
	s.consumer, _, err = config.LoadConsumer(config.Source{Environ: []string{
		variable("QUEUE_URL", queueURL),
		variable("QUEUE_DEAD_LETTER_URL", deadLetterURL),
		variable("CHARGEBEE_BASE_URL", "https://chargebee.local"),
		variable("CHARGEBEE_API_KEY", apiKey),
		variable("CHARGEBEE_REQUESTS_PER_MINUTE", s.perMinute),
		variable("CHARGEBEE_CALL_TIMEOUT", times.callTimeout),
		variable("CHARGEBEE_MAX_EFFECT_DELAY", times.maxEffectDelay),
		variable("CHARGEBEE_IDEMPOTENCY_WINDOW", times.idempotencyWindow),
		variable("CLOCK_MAX_SKEW", times.maxSkew),
		variable("LEDGER_LEASE", times.lease),
		variable("WORKER_VISIBILITY_TIMEOUT", times.visibility),
		variable("WORKER_DRAIN_TIMEOUT", times.drain),
		variable("WORKER_CONCURRENCY", concurrency),
		variable("WORKER_MAX_ATTEMPTS", s.maxAttempts),
		variable("INVOICE_TRUST_WEBHOOK", trust),
	}}, config.QueueURL, config.DeadLetterURL, config.ChargebeeSite, config.ChargebeeKey)
	if err != nil {
		return err
	}
	s.receiver, _, err = config.LoadReceiver(config.Source{Environ: []string{
		variable("QUEUE_URL", queueURL),
		variable("AUTH_USERNAME", username),
		variable("AUTH_PASSWORD", password),
	}})
	return err
}
