package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/installation"
)

const (
	// installationKey is the key of the item with the site of the ledger and its consumers.
	installationKey = "#installation"
	// memberPrefix is the prefix of the names of attributes. Each such attribute holds a consumer.
	memberPrefix = "member "
)

// Installation returns the site, the version and the consumers of the ledger.
func (s *Store) Installation(ctx context.Context) (installation.State, error) {
	found, err := s.get(ctx, installationKey)
	return decodeInstallation(found), err
}

// Report writes the member, removes the members with the ended ids, and returns the new state. The first report sets
// site and version of the ledger. If the ledger has another site or version, Report changes nothing and returns the
// present state; applied is false then.
func (s *Store) Report(ctx context.Context, site string, member installation.Member, ended []string) (found installation.State, applied bool, err error) {
	settings := item{}
	for key, value := range member.Settings {
		settings[key] = text(value)
	}
	names := map[string]string{"#site": "site", "#version": "version", "#member": memberPrefix + member.ID}
	values := item{":site": text(site), ":version": number(installation.Version), ":member": &types.AttributeValueMemberM{
		Value: item{"seen_at": number(member.SeenAt), "settings": &types.AttributeValueMemberM{Value: settings}},
	}}
	var removes []string
	for i, id := range ended {
		name := fmt.Sprintf("#ended%d", i)
		names[name] = memberPrefix + id
		removes = append(removes, name)
	}
	return s.updateInstallation(ctx, &dynamodb.UpdateItemInput{
		UpdateExpression:          aws.String("SET #site = :site, #version = :version, #member = :member" + clause(" REMOVE ", removes)),
		ConditionExpression:       aws.String("attribute_not_exists(#site) OR #site = :site AND #version = :version"),
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: values,
	})
}

// Leave removes a member, if it exists.
func (s *Store) Leave(ctx context.Context, id string) error {
	_, _, err := s.updateInstallation(ctx, &dynamodb.UpdateItemInput{
		UpdateExpression:         aws.String("REMOVE #member"),
		ConditionExpression:      aws.String("attribute_exists(#member)"),
		ExpressionAttributeNames: map[string]string{"#member": memberPrefix + id},
	})
	return err
}

// updateInstallation makes an idempotent update of the item. applied is false if the condition does not hold.
func (s *Store) updateInstallation(ctx context.Context, input *dynamodb.UpdateItemInput) (found installation.State, applied bool, err error) {
	input.TableName, input.Key = &s.LedgerTable, ledgerKey(installationKey)
	input.ReturnValues = types.ReturnValueAllNew
	input.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	output, err := withRetry(ctx, func(ctx context.Context) (*dynamodb.UpdateItemOutput, error) { return s.Client.UpdateItem(ctx, input) })
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return decodeInstallation(refused.Item), false, nil
	}
	if err != nil {
		return installation.State{}, false, fmt.Errorf("dynamodb: update %s: %w", installationKey, classify(err))
	}
	return decodeInstallation(output.Attributes), true, nil
}

func decodeInstallation(from item) installation.State {
	r := reader(from)
	state := installation.State{Site: r.text("site"), Version: int(r.number("version"))}
	for name := range from {
		id, isMember := strings.CutPrefix(name, memberPrefix)
		if !isMember {
			continue
		}
		member := r.object(name)
		settings := map[string]string{}
		for key := range member.object("settings") {
			settings[key] = member.object("settings").text(key)
		}
		state.Members = append(state.Members, installation.Member{ID: id, SeenAt: member.number("seen_at"), Settings: settings})
	}
	slices.SortFunc(state.Members, func(a, b installation.Member) int { return strings.Compare(a.ID, b.ID) })
	return state
}
