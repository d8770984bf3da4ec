package dynamostore_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/billable-events/billable/pkg/installation"
)

// The first report binds the ledger, reports of the same site follow, those of another one change nothing.
func TestStore_Report(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := installation.Member{ID: "a.b-1", SeenAt: 100, Settings: map[string]string{"invoice.close": "true", "charges": ""}}
	b := installation.Member{ID: "b", SeenAt: 110, Settings: map[string]string{"invoice.close": "false"}}
	later := a
	later.SeenAt = 115
	state := func(members ...installation.Member) installation.State {
		return installation.State{Site: "acme.chargebee.com", Version: installation.Version, Members: members}
	}
	if found, err := f.store.Installation(t.Context()); err != nil || !cmp.Equal(found, installation.State{}) {
		t.Errorf("before the first: %+v, %v", found, err)
	}
	for i, step := range []struct {
		site    string
		member  installation.Member
		ended   []string
		applied bool
		want    installation.State
	}{
		{"acme.chargebee.com", a, nil, true, state(a)},
		{"acme.chargebee.com", b, nil, true, state(a, b)},
		{"other.chargebee.com", b, []string{"a.b-1"}, false, state(a, b)},
		{"acme.chargebee.com", later, nil, true, state(later, b)},
		{"acme.chargebee.com", b, []string{"a.b-1", "unknown"}, true, state(b)},
	} {
		found, applied, err := f.store.Report(t.Context(), step.site, step.member, step.ended)
		if err != nil || applied != step.applied || !cmp.Equal(found, step.want) {
			t.Errorf("step %d: %t, %v:\n%s", i, applied, err, cmp.Diff(step.want, found))
		}
		if found, err = f.store.Installation(t.Context()); err != nil || !cmp.Equal(found, step.want) {
			t.Errorf("after step %d: %+v, %v", i, found, err)
		}
	}
	for range 2 {
		if err := f.store.Leave(t.Context(), "b"); err != nil {
			t.Error(err)
		}
	}
	if found, err := f.store.Installation(t.Context()); err != nil || !cmp.Equal(found, state()) {
		t.Errorf("after leaving: %+v, %v", found, err)
	}
	for record, err := range f.store.Records(t.Context()) {
		t.Errorf("it is no invoice: %+v, %v", record, err)
	}

	// The documented command binds the ledger to another site.
	if _, err := f.sdk.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{
		TableName: aws.String("ledger"), Key: map[string]types.AttributeValue{"invoice_id": text("#installation")},
	}); err != nil {
		t.Fatal(err)
	}
	if err := f.store.Leave(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	if _, applied, err := f.store.Report(t.Context(), "other.chargebee.com", b, nil); err != nil || !applied {
		t.Errorf("%t, %v", applied, err)
	}
}
