package chargebee_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/chargebee/chargebee-go/v3"
	invoiceaction "github.com/chargebee/chargebee-go/v3/actions/invoice"
	"github.com/chargebee/chargebee-go/v3/enum"
	"github.com/chargebee/chargebee-go/v3/filter"
	"github.com/chargebee/chargebee-go/v3/models/invoice"
	invoiceEnum "github.com/chargebee/chargebee-go/v3/models/invoice/enum"

	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// serve puts the site on loopback, as the real SDK finds it.
func serve(t *testing.T, s site) sdk.Environment {
	t.Helper()
	server := httptest.NewServer(s.Service)
	t.Cleanup(server.Close)
	domain := strings.TrimPrefix(server.URL, "http://127.")
	return sdk.Environment{Key: apiKey, SiteName: "127", ChargebeeDomain: domain, Protocol: "http"}
}

// The real SDK adds charges, reads the invoice back and closes it.
func TestSDK(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	environment := serve(t, s)
	draft := s.renew("ada-1")

	params := &invoice.AddChargeRequestParams{
		Amount:                 new(int64(12345)),
		Description:            "3 events & more [marker]",
		Comment:                "batch=abc",
		AvalaraSaleType:        enum.AvalaraSaleTypeRetail,
		AvalaraTransactionType: new(int32(3)),
		HsnCode:                "9983",
		LineItem: &invoice.AddChargeLineItemParams{
			DateFrom: new(int64(1_700_000_000)), DateTo: new(int64(1_702_592_000)),
		},
	}
	add := func() *sdk.Result {
		t.Helper()
		result, err := invoiceaction.AddCharge(draft.ID, params).
			Contexts(t.Context()).SetIdempotencyKey("charge-1").RequestWithEnv(environment)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	added := add()
	if added.IsIdempotencyReplayed() {
		t.Error("the first call is said to be a replay")
	}
	if got := added.Invoice; got.Total != 13345 || got.SubTotal != 13345 || got.AmountDue != 13345 ||
		got.Status != invoiceEnum.StatusPending || got.CurrencyCode != "USD" || got.CustomerId != "ada" ||
		got.SubscriptionId != "ada-1" || !got.Recurring || got.Object != "invoice" ||
		got.PriceType != enum.PriceTypeTaxExclusive || got.GeneratedAt != 0 {
		t.Errorf("invoice %+v", got)
	}
	if len(added.Invoice.LineItems) != 2 {
		t.Fatalf("%d lines", len(added.Invoice.LineItems))
	}
	if plan := added.Invoice.LineItems[0]; plan.EntityType != invoiceEnum.LineItemEntityTypePlanItemPrice ||
		plan.Amount != 1000 || plan.UnitAmount != 500 || plan.Quantity != 2 || plan.EntityId != "basic-USD-Monthly" {
		t.Errorf("plan line %+v", plan)
	}
	line := *added.Invoice.LineItems[1]
	if !strings.HasPrefix(line.Id, "li_") || line.EntityType != invoiceEnum.LineItemEntityTypeAdhoc ||
		line.Amount != 12345 || line.UnitAmount != 12345 || line.Quantity != 1 ||
		line.Description != params.Description || line.DateFrom != 1_700_000_000 || line.DateTo != 1_702_592_000 ||
		line.SubscriptionId != "ada-1" || line.CustomerId != "ada" || line.Object != "line_item" ||
		line.PricingModel != enum.PricingModelFlatFee {
		t.Errorf("line %+v", line)
	}

	again := add()
	if !again.IsIdempotencyReplayed() || again.Invoice.ResourceVersion != added.Invoice.ResourceVersion {
		t.Error("the second call with the key is no replay of the first")
	}
	read, err := invoiceaction.Retrieve(draft.ID, nil).Contexts(t.Context()).RequestWithEnv(environment)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Invoice.LineItems) != 2 || *read.Invoice.LineItems[1] != line {
		t.Errorf("read back %+v", read.Invoice.LineItems)
	}

	closed, err := invoiceaction.Close(draft.ID, nil).Contexts(t.Context()).RequestWithEnv(environment)
	if err != nil {
		t.Fatal(err)
	}
	if got := closed.Invoice; got.Id != "1" || got.Status != invoiceEnum.StatusPaymentDue || got.GeneratedAt == 0 ||
		got.Total != 13345 || len(got.LineItems) != 2 || *got.LineItems[1] != line ||
		got.ResourceVersion <= added.Invoice.ResourceVersion {
		t.Errorf("closed %+v", got)
	}

	_, err = invoiceaction.AddCharge(draft.ID, params).Contexts(t.Context()).RequestWithEnv(environment)
	var refusal *sdk.Error
	if !errors.As(err, &refusal) || refusal.APIErrorCode != "resource_not_found" || refusal.HTTPStatusCode != 404 {
		t.Errorf("charge on the closed draft: %v", err)
	}
}

// The real SDK pages through a list, and its filters arrive.
func TestSDKList(t *testing.T) {
	t.Parallel()
	s := newSite(t, chargebee.Config{})
	environment := serve(t, s)
	wanted := map[string]bool{}
	for range 5 {
		wanted[s.renew("ada-1").ID] = true
		s.renew("bob-1")
	}

	params := &invoice.ListRequestParams{
		Limit:          new(int32(2)),
		Status:         &filter.EnumFilter{Is: invoiceEnum.StatusPending},
		SubscriptionId: &filter.StringFilter{Is: "ada-1"},
		UpdatedAt:      &filter.TimestampFilter{After: time.Now().Add(-time.Hour).Unix()},
		SortBy:         &filter.SortFilter{Asc: "date"},
	}
	pages := 0
	for {
		page, err := invoiceaction.List(params).Contexts(t.Context()).ListRequestWithEnv(environment)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, one := range page.List {
			if !wanted[one.Invoice.Id] {
				t.Errorf("invoice %s is foreign or shown twice", one.Invoice.Id)
			}
			delete(wanted, one.Invoice.Id)
		}
		if page.NextOffset == "" {
			break
		}
		params.Offset = page.NextOffset
	}
	if len(wanted) != 0 || pages != 3 {
		t.Errorf("%d pages, not shown: %v", pages, wanted)
	}
}
