package dynamodbtest

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

// updateIndexes changes the indexes of a table and waits until it can be used.
func (b *bench) updateIndexes(table string, update types.GlobalSecondaryIndexUpdate, keys ...types.AttributeDefinition) error {
	b.Helper()
	_, err := b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{
		TableName: &table, AttributeDefinitions: append(keys, define("pk", types.ScalarAttributeTypeS)),
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{update},
	})
	if err == nil {
		b.must(dynamodb.NewTableExistsWaiter(b.client).Wait(b.Context(), &dynamodb.DescribeTableInput{TableName: &table}, time.Minute))
	}
	return err
}

func creating(index types.GlobalSecondaryIndex) types.GlobalSecondaryIndexUpdate {
	return types.GlobalSecondaryIndexUpdate{Create: &types.CreateGlobalSecondaryIndexAction{
		IndexName: index.IndexName, KeySchema: index.KeySchema, Projection: index.Projection,
	}}
}

func (b *bench) enableTimeToLive(table string) {
	b.Helper()
	_, err := b.client.UpdateTimeToLive(b.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)},
	})
	b.must(err)
}

var tables = []check{
	{Name: "tables/create, wait, describe", Run: func(b *bench) {
		name := conformance.Name()
		created := b.create(&dynamodb.CreateTableInput{
			TableName:   &name,
			BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{
				define("pk", types.ScalarAttributeTypeS), define("sk", types.ScalarAttributeTypeN), define("owner", types.ScalarAttributeTypeS),
			},
			KeySchema:              keySchema("pk", "sk"),
			GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{globalIndex("by-owner", "owner", "sk", types.ProjectionTypeAll)},
		})
		b.equal("name", *created.TableDescription.TableName, name)
		described, err := b.client.DescribeTable(b.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		b.must(err)
		table := described.Table
		b.equal("status", table.TableStatus, types.TableStatusActive)
		b.equal("billing mode", table.BillingModeSummary.BillingMode, types.BillingModePayPerRequest)
		b.equal("sort key", *table.KeySchema[1].AttributeName, "sk")
		b.equal("attributes", len(table.AttributeDefinitions), 3)
		b.equal("index", *table.GlobalSecondaryIndexes[0].IndexName, "by-owner")
		b.equal("index status", table.GlobalSecondaryIndexes[0].IndexStatus, types.IndexStatusActive)
		if table.TableArn == nil || table.CreationDateTime == nil {
			b.Fatal("no ARN or no time of creation")
		}
	}},
	{Name: "tables/definitions that are refused", Run: func(b *bench) {
		create := func(name string, keys ...string) error {
			var definitions []types.AttributeDefinition
			for _, key := range keys {
				definitions = append(definitions, define(key, types.ScalarAttributeTypeS))
			}
			_, err := b.client.CreateTable(b.Context(), &dynamodb.CreateTableInput{
				TableName: &name, BillingMode: types.BillingModePayPerRequest, AttributeDefinitions: definitions, KeySchema: keySchema("pk", ""),
			})
			return err
		}
		b.code(create(b.table(layout{}), "pk"), "ResourceInUseException")
		b.invalid(create(conformance.Name(), "other"))       // its key is not defined
		b.invalid(create(conformance.Name(), "pk", "other")) // a definition is in no key
	}},
	{Name: "tables/list", Run: func(b *bench) {
		name := b.table(layout{})
		listed, err := b.client.ListTables(b.Context(), &dynamodb.ListTablesInput{})
		b.must(err)
		if !slices.Contains(listed.TableNames, name) {
			b.Fatalf("%s is not in %v", name, listed.TableNames)
		}
	}},
	{Name: "tables/no such table", Run: func(b *bench) {
		name := conformance.Name()
		_, describe := b.client.DescribeTable(b.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		_, remove := b.client.DeleteTable(b.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		_, get := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &name, Key: item("pk", "a")})
		_, put := b.try(name, write{put: item("pk", "a")})
		for _, err := range []error{describe, remove, get, put} {
			b.code(err, "ResourceNotFoundException")
		}
	}},
	{Name: "tables/delete, unless protected", Run: func(b *bench) {
		name := b.table(layout{})
		b.put(name, item("pk", "a"))
		remove := func(protected bool) error {
			_, err := b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: &protected})
			b.must(err)
			_, err = b.client.DeleteTable(b.Context(), &dynamodb.DeleteTableInput{TableName: &name})
			return err
		}
		b.invalid(remove(true))
		b.must(remove(false))
		b.must(dynamodb.NewTableNotExistsWaiter(b.client).Wait(b.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute))
	}},
	{Name: "tables/an index added later has the old items", Run: func(b *bench) {
		name := b.table(layout{})
		b.put(name, item("pk", "a", "owner", "x"), item("pk", "b"), item("pk", "d", "owner", 1)) // the last two have no key of the index
		added := globalIndex("by-owner", "owner", "", types.ProjectionTypeAll)
		b.must(b.updateIndexes(name, creating(added), define("owner", types.ScalarAttributeTypeS)))
		b.put(name, item("pk", "c", "owner", "x"))
		got := b.query(&dynamodb.QueryInput{
			TableName: &name, IndexName: added.IndexName, KeyConditionExpression: aws.String("#o = :o"),
			ExpressionAttributeNames: map[string]string{"#o": "owner"}, ExpressionAttributeValues: item(":o", "x"),
		})
		b.equal("items", len(got), 2)
		b.must(b.updateIndexes(name, types.GlobalSecondaryIndexUpdate{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: added.IndexName}}))
		_, err := b.client.Scan(b.Context(), &dynamodb.ScanInput{TableName: &name, IndexName: added.IndexName})
		b.invalid(err, "The table does not have the specified index")
		b.put(name, item("pk", "e", "owner", 1)) // no longer a key of anything
	}},
	{Name: "tables/an index that does not fit", Run: func(b *bench) {
		name := b.indexed(types.ProjectionTypeAll)
		owner := define("owner", types.ScalarAttributeTypeS)
		index := func(name string) types.GlobalSecondaryIndexUpdate {
			return creating(globalIndex(name, "owner", "", types.ProjectionTypeAll))
		}
		b.invalid(b.updateIndexes(name, index("more")))        // its key is not defined
		b.invalid(b.updateIndexes(name, index("open"), owner)) // it exists
		b.invalid(b.updateIndexes(name, index("ab"), owner))   // its name is too short
	}},
	{Name: "tables/time to live", Run: func(b *bench) {
		name := b.table(layout{})
		describe := func() *types.TimeToLiveDescription {
			b.Helper()
			described, err := b.client.DescribeTimeToLive(b.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &name})
			b.must(err)
			return described.TimeToLiveDescription
		}
		b.equal("status", describe().TimeToLiveStatus, types.TimeToLiveStatusDisabled)
		b.enableTimeToLive(name)
		b.equal("status", describe().TimeToLiveStatus, types.TimeToLiveStatusEnabled)
		b.equal("attribute", *describe().AttributeName, "expires_at")
	}},
	{Name: "tables/an expired item can be read until it is swept", Run: func(b *bench) {
		name := b.table(layout{})
		b.enableTimeToLive(name)
		expired := item("pk", "a", "expires_at", int(time.Now().Add(-time.Minute).Unix()))
		b.put(name, expired)
		b.has(name, item("pk", "a"), expired)
	}},
}
