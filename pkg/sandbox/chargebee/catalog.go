package chargebee

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
