package installation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/config"
	"github.com/billable-events/billable/pkg/installation"
)

var now = time.Unix(1_800_000_000, 0)

// member is a consumer that reported some time ago, with changed settings.
func member(id string, age time.Duration, change func(*config.Consumer)) installation.Member {
	settings := config.DefaultConsumer()
	if change != nil {
		change(&settings)
	}
	return installation.Member{ID: id, SeenAt: now.Add(-age).Unix(), Settings: settings.Shared()}
}

func delay(d time.Duration) func(*config.Consumer) {
	return func(c *config.Consumer) { c.Chargebee.MaxEffectDelay = d }
}

func TestState_Refusals(t *testing.T) {
	t.Parallel()
	window := func(d time.Duration) func(*config.Consumer) {
		return func(c *config.Consumer) { c.Chargebee.IdempotencyWindow = d }
	}
	for name, test := range map[string]struct {
		state installation.State
		want  []string
	}{
		"no consumer yet":         {installation.State{}, nil},
		"the same site":           {installation.State{Site: "acme.chargebee.com", Version: installation.Version}, nil},
		"another site":            {installation.State{Site: "acme-test.chargebee.com", Version: installation.Version}, []string{"site_differs chargebee.site"}},
		"another version":         {installation.State{Site: "acme.chargebee.com", Version: installation.Version + 1}, []string{"ledger_version_differs ledger.table"}},
		"equal bounds":            {installation.State{Members: []installation.Member{member("a", 0, nil)}}, nil},
		"others are lower":        {installation.State{Members: []installation.Member{member("a", 0, delay(time.Minute)), member("b", 0, window(20*time.Minute))}}, nil},
		"max_effect_delay higher": {installation.State{Members: []installation.Member{member("a", 0, nil), member("b", 0, delay(6*time.Minute))}}, []string{"bound_lower chargebee.max_effect_delay"}},
		"window higher":           {installation.State{Members: []installation.Member{member("a", 0, window(time.Hour)), member("b", 0, window(time.Hour))}}, []string{"bound_lower chargebee.idempotency_window"}},
		"skew higher":             {installation.State{Members: []installation.Member{member("a", 0, func(c *config.Consumer) { c.Clock.MaxSkew = time.Minute })}}, []string{"bound_lower clock.max_skew"}},
		"it may still run":        {installation.State{Members: []installation.Member{member("a", 210*time.Second, window(time.Hour))}}, []string{"bound_lower chargebee.idempotency_window"}},
		"it has ended":            {installation.State{Members: []installation.Member{member("a", 211*time.Second, window(time.Hour))}}, nil},
		"a clock ahead":           {installation.State{Members: []installation.Member{member("a", -30*time.Second, window(time.Hour))}}, []string{"bound_lower chargebee.idempotency_window"}},
		"a release without it":    {installation.State{Members: []installation.Member{{ID: "a", SeenAt: now.Unix()}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := config.DefaultConsumer()
			settings.Chargebee.Site = "acme"
			var got []string
			for _, refusal := range test.state.Refusals(settings, now) {
				got = append(got, refusal.Name+" "+refusal.Key)
				if refusal.Problem == "" || refusal.Remedy == "" {
					t.Errorf("no remedy: %+v", refusal)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			err := test.state.Check(settings, now)
			if _, invalid := errors.AsType[*config.Error](err); invalid != (test.want != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A process with the value that the refusal names is not refused again.
func TestState_Refusals_HighestBound(t *testing.T) {
	t.Parallel()
	members := []installation.Member{member("a", 0, delay(6*time.Minute)), member("b", 0, delay(8*time.Minute)), member("c", 0, delay(7*time.Minute))}
	refusals := installation.State{Members: members}.Refusals(config.DefaultConsumer(), now)
	if len(refusals) != 1 || refusals[0].Problem != "5m0s is below 8m0s of the running consumer b" || !strings.HasPrefix(refusals[0].Remedy, "use 8m0s, ") {
		t.Errorf("got %+v", refusals)
	}
}

func TestState_Ended(t *testing.T) {
	t.Parallel()
	state := installation.State{Members: []installation.Member{member("a", 0, nil), member("b", time.Hour, nil), member("c", 4*time.Minute, nil)}}
	if got := state.Ended(now, 30*time.Second); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("ended: %q", got)
	}
	if got := state.Live(now, 30*time.Second); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("live: %+v", got)
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	open := func(c *config.Consumer) { c.Invoice.Close = false }
	slow := func(c *config.Consumer) { c.Worker.Concurrency = 5; c.Log.Level = "debug"; c.Admin.Addr = ":1" }
	charged := func(c *config.Consumer) { c.Charges = config.Charges{"calls": {HSNCode: "998313"}} }
	partial := installation.Member{ID: "old", Settings: map[string]string{"a.setting": "of another release"}}
	for name, test := range map[string]struct {
		members []installation.Member
		want    []string
	}{
		"none":         {nil, nil},
		"equal":        {[]installation.Member{member("a", 0, nil)}, nil},
		"one":          {[]installation.Member{member("a", 0, nil), member("b", 0, open)}, []string{"invoice.close is true here, and false in b"}},
		"several":      {[]installation.Member{member("a", 0, slow), member("b", 0, open)}, []string{"invoice.close is true here, and false in b", "worker.concurrency is 10 here, and 5 in a"}},
		"many members": {[]installation.Member{member("a", 0, open), member("b", 0, open), member("c", 0, open), member("d", 0, open), member("e", 0, open)}, []string{"invoice.close is true here, and false in a, b, c and 2 more"}},
		"charges":      {[]installation.Member{member("a", 0, charged)}, []string{"charges is 0 codes (74234e98afe7) here, and 1 codes (…) in a"}},
		"releases":     {[]installation.Member{partial}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := config.DefaultConsumer()
			var got []string
			for _, difference := range installation.Differences(settings.Shared(), test.members) {
				text := difference.String()
				if before, _, found := strings.Cut(text, "1 codes ("); found {
					text = before + "1 codes (…) in a"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}
