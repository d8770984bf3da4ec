package chargebee

var (
	// invoiceIndex is what lists of invoices can be filtered and sorted by.
	invoiceIndex = index[Invoice]{
		texts: map[string]func(*Invoice) string{
			"id":              func(i *Invoice) string { return i.ID },
			"subscription_id": func(i *Invoice) string { return i.SubscriptionID },
			"customer_id":     func(i *Invoice) string { return i.CustomerID },
			"status":          func(i *Invoice) string { return i.Status },
		},
		times: map[string]func(*Invoice) int64{
			"date":       func(i *Invoice) int64 { return i.Date },
			"updated_at": func(i *Invoice) int64 { return i.UpdatedAt },
		},
		sorts: []string{"date", "updated_at"},
	}
	listParameters = append(invoiceIndex.parameters(), parameter{name: "include_deleted", kind: boolean})
)

// listAnswer is one page of invoices. NextOffset is absent on the last one.
type listAnswer struct {
	List       []invoiceAnswer `json:"list"`
	NextOffset string          `json:"next_offset,omitempty"`
}

// list is GET /invoices.
//
// https://apidocs.chargebee.com/docs/api/invoices/list-invoices
func (s *Service) list(call *call, fields fields) (any, error) {
	passes := invoiceIndex.filter(fields)
	var passed []entry[Invoice]
	s.enter()
	for record, invoice := range s.seen(call) {
		if passes(invoice) && (!invoice.Deleted || fields.boolean("include_deleted")) {
			passed = append(passed, entry[Invoice]{invoice, record.sequence})
		}
	}
	s.mu.Unlock()

	page, nextOffset, err := invoiceIndex.page(fields, passed)
	if err != nil {
		return nil, err
	}
	answer := listAnswer{List: []invoiceAnswer{}, NextOffset: nextOffset}
	for _, one := range page {
		answer.List = append(answer.List, s.show(s.inSchema(call, *one.resource), s.listedPage()))
	}
	return answer, nil
}
