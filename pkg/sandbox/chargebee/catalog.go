package chargebee

import "slices"

// Catalog is a version of Chargebee's product catalog. It decides what lines
// are said to be about, and which of add_charge_item and add_addon_charge the
// site knows.
type Catalog int

const (
	// Catalog2 has items and their prices.
	Catalog2 Catalog = iota
	// Catalog1 has plans and addons.
	Catalog1
)

// compatPrefix makes the entity_ids of the compat form differ from item prices.
const compatPrefix = "compat-"

// inSchema returns an invoice in the form in which a GET shows it. A site with
// both catalogs shows the lines of item prices as plans and addons, unless the
// request asks for items. What they look like is not documented.
//
// https://apidocs.chargebee.com/docs/api/v2/pcv-1/invoices/retrieve-an-invoice
func (s *Service) inSchema(call *call, invoice Invoice) Invoice {
	if !s.config.BothCatalogs || call.schema == "items" {
		return invoice
	}
	invoice.LineItems = slices.Clone(invoice.LineItems)
	for i := range invoice.LineItems {
		invoice.LineItems[i].makeCompatible()
	}
	return invoice
}

// makeCompatible changes a line of an item price to the compat form.
func (l *LineItem) makeCompatible() {
	switch l.EntityType {
	case EntityPlanItemPrice:
		l.EntityType = EntityPlan
	case EntityAddonItemPrice, EntityChargeItemPrice:
		l.EntityType = EntityAddon
	default:
		return
	}
	l.EntityID = compatPrefix + l.EntityID
}

// entities are the entity_types of the lines of a catalog.
type entities struct{ plan, setup, addon, charge string }

func (c Catalog) entities() entities {
	if c == Catalog1 {
		return entities{plan: EntityPlan, setup: EntityPlanSetup, addon: EntityAddon, charge: EntityAddon}
	}
	return entities{
		plan: EntityPlanItemPrice, setup: EntityChargeItemPrice, addon: EntityAddonItemPrice, charge: EntityChargeItemPrice,
	}
}
