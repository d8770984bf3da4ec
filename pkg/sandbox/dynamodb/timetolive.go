package dynamodb

import (
	"maps"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/billable-events/billable/pkg/sandbox/awsjson"
	"github.com/billable-events/billable/pkg/sandbox/dynamodb/attribute"
)

// oldest is the maximum age of an expiry whose item is still deleted: a time
// further back is taken for a mistake.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
const oldest = 5 * 365 * 24 * time.Hour

type timeToLiveSpecification struct {
	AttributeName string
	Enabled       bool
}

type updateTimeToLiveInput struct {
	TableName               string
	TimeToLiveSpecification timeToLiveSpecification
}

type updateTimeToLiveOutput struct {
	TimeToLiveSpecification timeToLiveSpecification
}

func (s *Service) updateTimeToLive(input *updateTimeToLiveInput, _ awsjson.Call) (*updateTimeToLiveOutput, error) {
	asked := input.TimeToLiveSpecification
	if asked.AttributeName == "" || len(asked.AttributeName) > 255 {
		return nil, constraint(asked.AttributeName, "timeToLiveSpecification.attributeName", "Member must have length between 1 and 255")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	switch {
	case asked.Enabled && t.timeToLive == "":
		t.timeToLive = asked.AttributeName
	case !asked.Enabled && t.timeToLive == asked.AttributeName:
		t.timeToLive = ""
	default:
		return nil, attribute.Invalidf("TimeToLive is already enabled, disabled, or active on another AttributeName: %s", t.timeToLive)
	}
	return &updateTimeToLiveOutput{asked}, nil
}

type describeTimeToLiveOutput struct {
	TimeToLiveDescription timeToLiveDescription
}

type timeToLiveDescription struct {
	AttributeName    string `json:",omitempty"`
	TimeToLiveStatus string
}

func (s *Service) describeTimeToLive(input *tableInput, _ awsjson.Call) (*describeTimeToLiveOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.table(input.TableName)
	if err != nil {
		return nil, err
	}
	description := timeToLiveDescription{AttributeName: t.timeToLive, TimeToLiveStatus: "DISABLED"}
	if t.timeToLive != "" {
		description.TimeToLiveStatus = "ENABLED"
	}
	return &describeTimeToLiveOutput{description}, nil
}

// Sweep deletes the items of all tables whose time to live is over and returns their
// number. AWS does this at some time within days; until then they can be read.
func (s *Service) Sweep() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	swept := 0
	for _, name := range slices.Sorted(maps.Keys(s.tables)) { // an order for the lags that are drawn
		t := s.tables[name]
		var expired []*row
		t.rows.Ascend(func(r *row) bool {
			if t.expired(r.item, now) {
				expired = append(expired, r)
			}
			return true
		})
		for _, r := range expired {
			t.put(r.place, nil, now)
		}
		swept += len(expired)
	}
	return swept
}

// expired reports whether an item's time, in seconds since 1970, has come; values
// of other types than numbers never expire.
func (t *table) expired(item attribute.Item, now time.Time) bool {
	expiry, ok := item[t.timeToLive].(attribute.Number)
	return ok && t.timeToLive != "" &&
		expiry.LessThan(decimal.NewFromInt(now.Unix())) &&
		expiry.GreaterThan(decimal.NewFromInt(now.Add(-oldest).Unix()))
}
