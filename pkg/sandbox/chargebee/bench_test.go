package chargebee_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/billable-events/billable/pkg/sandbox"
	"github.com/billable-events/billable/pkg/sandbox/chargebee"
)

// BenchmarkCalls measures the handler alone, on an invoice of about ten lines.
func BenchmarkCalls(b *testing.B) {
	service := chargebee.New(chargebee.Config{
		MaxReadLag: time.Minute,
		Faults:     sandbox.FaultFunc(func(string) sandbox.Fault { return sandbox.Fault{Lag: time.Millisecond} }),
	})
	service.AddSubscription(chargebee.Subscription{
		ID: "ada-1", CustomerID: "ada", Plan: chargebee.Plan{ItemPriceID: "basic", UnitAmount: 500},
	})
	send := func(b *testing.B, method, path, form, key string) {
		request := httptest.NewRequest(method, "/api/v2/"+path, strings.NewReader(form))
		request.Header.Set("Authorization", "Basic a2V5")
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("chargebee-idempotency-key", key)
		answer := httptest.NewRecorder()
		service.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Code, answer.Body)
		}
	}
	renew := func() string {
		invoice, _, err := service.Renew(chargebee.Renewal{SubscriptionIDs: []string{"ada-1"}})
		if err != nil {
			b.Fatal(err)
		}
		return invoice.ID
	}
	form := "amount=5&description=d&line_item%5Bdate_from%5D=1700000000&line_item%5Bdate_to%5D=1702592000&comment=c"
	keys := 0
	b.Run("add_charge", func(b *testing.B) {
		draft := ""
		for i := range b.N {
			if i%10 == 0 {
				draft = renew()
			}
			keys++
			send(b, http.MethodPost, "invoices/"+draft+"/add_charge", form, fmt.Sprint(keys))
		}
	})
	draft := renew()
	for range 10 {
		send(b, http.MethodPost, "invoices/"+draft+"/add_charge", form, "")
	}
	time.Sleep(2 * time.Millisecond)
	b.Run("retrieve", func(b *testing.B) {
		for range b.N {
			send(b, http.MethodGet, "invoices/"+draft, "", "")
		}
	})
}
