package billing_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/billable-events/billable/pkg/billing"
)

// A release with other markers or keys would charge every line in doubt again.
func TestLineID_IsStable(t *testing.T) {
	t.Parallel()
	id := billing.LineID{InvoiceID: "draft_inv_16BHbhF4s41mR2kG", Epoch: "abcdefgh23456789", Line: 7}
	for name, pinned := range map[string][2]string{
		"marker":    {id.Marker(), "c46h4acavivt"},
		"key":       {id.IdempotencyKey(), "067d607972597e562b12b4e26a8d241b964773ad6e5869bb92a177bc896819cc"},
		"close key": {billing.CloseKey(id.InvoiceID, id.Epoch, 0), "df1e1ebe11a1bc2cbb0925c3ed468e88e7bcf5800b43cd7d146645d0284bfdec"},
	} {
		if pinned[0] != pinned[1] {
			t.Errorf("the %s is %s, it was %s", name, pinned[0], pinned[1])
		}
	}
}

func TestLineID_IsUnique(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z2-7]{12}$`)
	seen := map[string]string{}
	for _, invoice := range []string{"draft_1", "draft_2"} {
		for _, epoch := range []string{"a", "b"} {
			for line := range 750 {
				id := billing.LineID{InvoiceID: invoice, Epoch: epoch, Line: line}
				if !form.MatchString(id.Marker()) {
					t.Fatalf("marker %q", id.Marker())
				}
				if len(id.IdempotencyKey()) > 100 {
					t.Fatalf("key %q is longer than Chargebee takes", id.IdempotencyKey())
				}
				for _, identity := range []string{id.Marker(), id.IdempotencyKey()} {
					if other, ok := seen[identity]; ok {
						t.Fatalf("%v has the identity of %s", id, other)
					}
					seen[identity] = fmt.Sprint(id)
				}
			}
		}
	}
}

func TestCloseKey_ChangesWithEveryRefusal(t *testing.T) {
	t.Parallel()
	if billing.CloseKey("draft_1", "a", 0) == billing.CloseKey("draft_1", "a", 1) {
		t.Error("a stored refusal would be repeated")
	}
}

func TestNewToken(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z2-7]{16}$`)
	if a, b := billing.NewToken(), billing.NewToken(); a == b || !form.MatchString(a) {
		t.Errorf("got %q and %q", a, b)
	}
}
