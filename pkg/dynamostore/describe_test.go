package dynamostore_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/dynamostore"
	"github.com/billable-events/billable/pkg/finding"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb"
)

// Tables of Create have no differences, others do. Nothing is created.
func TestTables_Describe(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	setup, err := f.tables().DescribeEvents(t.Context())
	if err != nil || setup.Status != "ACTIVE" || setup.IndexStatus != "ACTIVE" || len(setup.Differences) != 0 || !setup.Protected {
		t.Errorf("events: %+v, %v", setup, err)
	}
	setup, err = f.tables().DescribeLedger(t.Context())
	if err != nil || setup.Status != "ACTIVE" || setup.IndexStatus != "" || len(setup.Differences) != 0 || !setup.Protected {
		t.Errorf("ledger: %+v, %v", setup, err)
	}
	if attribute, err := f.tables().TimeToLive(t.Context()); err != nil || attribute != "expires_at" {
		t.Errorf("time to live: %q, %v", attribute, err)
	}

	swapped := &dynamostore.Tables{Client: f.sdk, EventsTable: "ledger", LedgerTable: "events"}
	setup, err = swapped.DescribeEvents(t.Context())
	var names []string
	for _, difference := range setup.Differences {
		names = append(names, difference.Name)
	}
	if err != nil || !slices.Equal(names, []string{dynamostore.TableKeyDiffers, dynamostore.IndexMissing}) {
		t.Errorf("got %+v, %v", setup, err)
	}
	if attribute, err := swapped.TimeToLive(t.Context()); err != nil || attribute != "" {
		t.Errorf("without a time to live: %q, %v", attribute, err)
	}

	missing := &dynamostore.Tables{Client: f.sdk, EventsTable: "nowhere", LedgerTable: "nowhere"}
	if _, err := missing.DescribeEvents(t.Context()); !errors.Is(err, dynamostore.ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
	if _, err := f.sdk.DescribeTable(t.Context(), &awsdynamodb.DescribeTableInput{TableName: aws.String("nowhere")}); err == nil {
		t.Error("a table was made")
	} else if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Error(err)
	}
}

// Each permission is tested by a call of its own, without an effect.
func TestStore_Probes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ action, table, denied string }{
		{denied: ""},
		{"GetItem", "ledger", "dynamodb:GetItem"},
		{"PutItem", "ledger", "dynamodb:PutItem"},
		{"UpdateItem", "ledger", "dynamodb:UpdateItem"},
		{"Scan", "ledger", "dynamodb:Scan"},
		{"Query", "events", "dynamodb:Query on the index"},
		{"UpdateItem", "events", "dynamodb:UpdateItem"},
		{"Scan", "events", "dynamodb:Scan on the index"},
	} {
		f := newFixtureOf(t, dynamodb.Config{Denied: func(action, table string) bool { return action == test.action && table == test.table }})
		for table, probes := range map[string][]finding.Probe{
			"ledger": f.store.ProbeLedger(t.Context()), "events": f.store.ProbeEvents(t.Context()),
		} {
			for _, probe := range probes {
				if want := (finding.Probe{Action: probe.Action, Denied: table == test.table && probe.Action == test.denied}); probe != want {
					t.Errorf("%+v: got %+v", test, probe)
				}
			}
		}
		for _, table := range []string{"ledger", "events"} {
			described, err := f.sdk.DescribeTable(t.Context(), &awsdynamodb.DescribeTableInput{TableName: &table})
			if err != nil || *described.Table.ItemCount != 0 {
				t.Errorf("%+v: %s holds %+v, %v", test, table, described, err)
			}
		}
	}
}
