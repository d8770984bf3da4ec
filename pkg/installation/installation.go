// Package installation compares the settings of the consumers that share a ledger. All must use the same
// Chargebee site, and they should agree on most other settings. The package performs no I/O.
package installation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/billable-events/billable/pkg/config"
)

// Version is the version of the ledger that this release uses. A release raises it if earlier releases must not run
// on its ledger.
const Version = 1

const (
	// ReportInterval is the time between two reports of a consumer. Each report writes the item that holds all
	// consumers, about 1 KB each.
	ReportInterval = time.Minute
	// MemberTimeout + clock.max_skew is the time without a report after which a consumer counts as ended.
	MemberTimeout = 3 * ReportInterval
)

// State is the part of the ledger about its consumers. It is zero before the first report.
type State struct {
	Site    string // host of the site that the ledger belongs to; empty before the first report
	Version int    // of the ledger; 0 before the first report
	Members []Member
}

// Member is a consumer of the ledger.
type Member struct {
	ID       string
	SeenAt   int64             // when it reported last, in unix seconds
	Settings map[string]string // config.Consumer.Shared
}

// Refusal is a reason why a process must not use the ledger with its settings.
type Refusal struct {
	Name    string // SiteDiffers, VersionDiffers or BoundLower
	Key     string // of the setting to change
	Problem string
	Remedy  string
}

// Names of refusals. Scripts rely on them.
const (
	SiteDiffers    = "site_differs"
	VersionDiffers = "ledger_version_differs"
	BoundLower     = "bound_lower"
)

// Check returns Refusals as an *config.Error, or nil without any.
func (s State) Check(settings config.Consumer, now time.Time) error {
	var invalid config.Error
	for _, refusal := range s.Refusals(settings, now) {
		invalid.Fields = append(invalid.Fields, config.FieldError{Key: refusal.Key, Problem: refusal.Problem + ": " + refusal.Remedy})
	}
	if len(invalid.Fields) == 0 {
		return nil
	}
	return &invalid
}

// Refusals returns the reasons why a process with the settings must not use the ledger.
func (s State) Refusals(settings config.Consumer, now time.Time) (refusals []Refusal) {
	if host := settings.Chargebee.Host(); s.Site != "" && s.Site != host {
		refusals = append(refusals, Refusal{
			SiteDiffers, config.ChargebeeSite,
			fmt.Sprintf("the ledger %s belongs to the site %s, not to %s", settings.Ledger.Table, s.Site, host),
			"set chargebee.site or ledger.table; docs/deployment.md shows how to bind a copied ledger to another site",
		})
	}
	if s.Version != 0 && s.Version != Version {
		refusals = append(refusals, Refusal{
			VersionDiffers, "ledger.table",
			fmt.Sprintf("the ledger %s has version %d, this program uses version %d", settings.Ledger.Table, s.Version, Version),
			"run the release that the ledger was used with last",
		})
	}
	return append(refusals, s.lowerBounds(settings, now)...)
}

// bounds are the settings that decide how long a line stays in doubt. A process with a lower bound than another could
// end the doubt while a call of the other may still take effect.
var bounds = []string{"chargebee.max_effect_delay", "chargebee.idempotency_window", "clock.max_skew"}

// lowerBounds returns a refusal for each bound that is lower than that of a live member.
func (s State) lowerBounds(settings config.Consumer, now time.Time) (refusals []Refusal) {
	values, members := settings.Shared(), s.Live(now, settings.Clock.MaxSkew)
	for _, key := range bounds {
		own, _ := time.ParseDuration(values[key]) // succeeds: Shared formatted it
		if highest, memberID := highestBound(members, key); own < highest {
			refusals = append(refusals, Refusal{
				BoundLower, key,
				fmt.Sprintf("%s is below %s of the running consumer %s", own, highest, memberID),
				fmt.Sprintf("use %s, or stop all consumers before you lower it; one that was killed counts for %s more", highest, MemberTimeout+settings.Clock.MaxSkew),
			})
		}
	}
	return refusals
}

// highestBound returns the highest value of a bound, and the member that has it; 0 if no member has the bound.
func highestBound(members []Member, key string) (highest time.Duration, memberID string) {
	for _, member := range members {
		if bound, err := time.ParseDuration(member.Settings[key]); err == nil && bound > highest {
			highest, memberID = bound, member.ID
		}
	}
	return highest, memberID
}

// Live returns the consumers that have not ended: see MemberTimeout.
func (s State) Live(now time.Time, maxSkew time.Duration) []Member {
	return slices.DeleteFunc(slices.Clone(s.Members), func(m Member) bool { return m.ended(now, maxSkew) })
}

// Ended returns the ids of all other consumers.
func (s State) Ended(now time.Time, maxSkew time.Duration) (ids []string) {
	for _, member := range s.Members {
		if member.ended(now, maxSkew) {
			ids = append(ids, member.ID)
		}
	}
	return ids
}

func (m Member) ended(now time.Time, maxSkew time.Duration) bool {
	return now.Sub(time.Unix(m.SeenAt, 0)) > MemberTimeout+maxSkew
}

// Difference is a setting in which members differ from a process.
type Difference struct {
	Key    string
	Here   string              // value in the process
	Others map[string][]string // ids of members by their different value
}

// maxNames is the maximum number of members that Difference.String names for one value.
const maxNames = 3

func (d Difference) String() string {
	var others []string
	for _, value := range slices.Sorted(maps.Keys(d.Others)) {
		ids := d.Others[value]
		names := strings.Join(ids[:min(len(ids), maxNames)], ", ")
		if more := len(ids) - maxNames; more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		others = append(others, fmt.Sprintf("%s in %s", value, names))
	}
	return fmt.Sprintf("%s is %s here, and %s", d.Key, d.Here, strings.Join(others, ", "))
}

// Differences returns the settings in which members differ from a process, sorted by key. It ignores settings that
// only one side has, because that is of another release.
func Differences(settings map[string]string, members []Member) (differences []Difference) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		others := map[string][]string{}
		for _, member := range members {
			if value, ok := member.Settings[key]; ok && value != settings[key] {
				others[value] = append(others[value], member.ID)
			}
		}
		if len(others) > 0 {
			differences = append(differences, Difference{key, settings[key], others})
		}
	}
	return differences
}
