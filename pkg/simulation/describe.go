package simulation

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// webhookID finds the event in the body of a webhook.
var webhookID = regexp.MustCompile(`^{"id":"(ev_\w+)"`)

// input is what of an AWS call's input tells what it is about.
type input struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
	Entries       []json.RawMessage
	Key, Item     item
	TransactItems []map[string]struct{ Key, Item item }
}

// item is an item of a table, or its key.
type item map[string]map[string]any

// name is the item's own, empty when it has none.
func (i item) name() string {
	for _, attribute := range []string{"invoice_id", "event_id"} {
		if _, isEvent := i["event_id"]; isEvent && attribute == "invoice_id" {
			continue // an event that names its invoice
		}
		if name, ok := i[attribute]["S"].(string); ok {
			return name
		}
	}
	return ""
}

// describe names a call by what it does and what it is about.
func describe(request *http.Request, body []byte) string {
	_, operation, ok := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	if !ok {
		return describeHTTP(request, body)
	}
	var about input
	_ = json.Unmarshal(body, &about)
	words := []string{operation}
	if about.QueueURL != "" {
		words = append(words, about.QueueURL[strings.LastIndexByte(about.QueueURL, '/')+1:])
	}
	if about.ReceiptHandle != "" {
		words = append(words, about.ReceiptHandle[max(0, len(about.ReceiptHandle)-8):])
	}
	if len(about.Entries) > 0 {
		words = append(words, "×"+strconv.Itoa(len(about.Entries)))
	}
	if name := about.Key.name() + about.Item.name(); name != "" {
		words = append(words, name)
	}
	if len(about.TransactItems) > 0 {
		for _, write := range about.TransactItems[0] {
			words = append(words, write.Key.name()+write.Item.name())
		}
		words = append(words, "+"+strconv.Itoa(len(about.TransactItems)-1))
	}
	return strings.Join(words, " ")
}

// itemPrice is the parameter that names what add_charge_item charges.
const itemPrice = "item_price[item_price_id]"

// describeHTTP names a call to Chargebee, or from there.
func describeHTTP(request *http.Request, body []byte) string {
	name := request.Method + " " + strings.TrimPrefix(request.URL.Path, "/api/v2")
	if since := request.URL.Query().Get("updated_at[after]"); since != "" { // tells two lists at the same instant apart
		name += " since " + since
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Has("description") {
		name += " " + form.Get("description")
	} else if form.Has(itemPrice) {
		name += " " + form.Get(itemPrice)
	}
	if id := webhookID.FindSubmatch(body); id != nil {
		name += " " + string(id[1])
	}
	return name
}
