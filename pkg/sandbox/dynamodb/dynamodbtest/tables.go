package dynamodbtest

import (
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/billable-events/billable/pkg/sandbox/conformance"
)

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
	{Name: "tables/create twice", Run: func(b *bench) {
		name := b.table(layout{})
		_, err := b.client.CreateTable(b.Context(), &dynamodb.CreateTableInput{
			TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{define("pk", types.ScalarAttributeTypeS)},
			KeySchema:            keySchema("pk", ""),
		})
		if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
			b.Fatalf("error %v, want ResourceInUseException", err)
		}
	}},
	{Name: "tables/definitions that do not fit", Run: func(b *bench) {
		name := conformance.Name()
		for _, input := range []*dynamodb.CreateTableInput{
			{ // a key that is not defined
				AttributeDefinitions: []types.AttributeDefinition{define("other", types.ScalarAttributeTypeS)},
				KeySchema:            keySchema("pk", ""),
			},
			{ // a definition that is in no key
				AttributeDefinitions: []types.AttributeDefinition{define("pk", types.ScalarAttributeTypeS), define("other", types.ScalarAttributeTypeS)},
				KeySchema:            keySchema("pk", ""),
			},
		} {
			input.TableName, input.BillingMode = &name, types.BillingModePayPerRequest
			_, err := b.client.CreateTable(b.Context(), input)
			b.invalid(err)
		}
	}},
	{Name: "tables/list in pages", Run: func(b *bench) {
		want := []string{b.table(layout{}), b.table(layout{}), b.table(layout{})}
		var got []string
		for pages := dynamodb.NewListTablesPaginator(b.client, &dynamodb.ListTablesInput{Limit: aws.Int32(2)}); pages.HasMorePages(); {
			page, err := pages.NextPage(b.Context())
			b.must(err)
			if len(page.TableNames) > 2 {
				b.Fatalf("%d names on a page of 2", len(page.TableNames))
			}
			got = append(got, page.TableNames...)
		}
		for _, name := range want {
			if !slices.Contains(got, name) {
				b.Fatalf("%s is not in %v", name, got)
			}
		}
	}},
	{Name: "tables/no such table", Run: func(b *bench) {
		name := conformance.Name()
		_, describe := b.client.DescribeTable(b.Context(), &dynamodb.DescribeTableInput{TableName: &name})
		_, remove := b.client.DeleteTable(b.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		_, get := b.client.GetItem(b.Context(), &dynamodb.GetItemInput{TableName: &name, Key: item("pk", "a")})
		_, put := b.client.PutItem(b.Context(), &dynamodb.PutItemInput{TableName: &name, Item: item("pk", "a")})
		for _, err := range []error{describe, remove, get, put} {
			if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
				b.Fatalf("error %v, want ResourceNotFoundException", err)
			}
		}
	}},
	{Name: "tables/delete", Run: func(b *bench) {
		name := b.table(layout{})
		b.put(name, item("pk", "a"))
		_, err := b.client.DeleteTable(b.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		b.must(err)
		b.must(dynamodb.NewTableNotExistsWaiter(b.client).Wait(b.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute))
	}},
	{Name: "tables/deletion protection", Run: func(b *bench) {
		name := b.table(layout{})
		protect := func(on bool) {
			b.Helper()
			_, err := b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: &on})
			b.must(err)
		}
		protect(true)
		_, err := b.client.DeleteTable(b.Context(), &dynamodb.DeleteTableInput{TableName: &name})
		b.invalid(err)
		protect(false)
	}},
	{Name: "tables/an index added later has the old items", Run: func(b *bench) {
		name := b.table(layout{})
		b.put(name, item("pk", "a", "owner", "x"))
		b.put(name, item("pk", "b"))
		b.put(name, item("pk", "d", "owner", 1)) // no key of the index: it is left out
		added := globalIndex("by-owner", "owner", "", types.ProjectionTypeAll)
		_, err := b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{
			TableName:            &name,
			AttributeDefinitions: []types.AttributeDefinition{define("pk", types.ScalarAttributeTypeS), define("owner", types.ScalarAttributeTypeS)},
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
				IndexName: added.IndexName, KeySchema: added.KeySchema, Projection: added.Projection,
			}}},
		})
		b.must(err)
		b.must(dynamodb.NewTableExistsWaiter(b.client).Wait(b.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute))
		b.put(name, item("pk", "c", "owner", "x"))
		got := b.query(&dynamodb.QueryInput{
			TableName: &name, IndexName: aws.String("by-owner"),
			KeyConditionExpression:   aws.String("#o = :o"),
			ExpressionAttributeNames: map[string]string{"#o": "owner"}, ExpressionAttributeValues: item(":o", "x"),
		})
		b.equal("items", len(got), 2)

		_, err = b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{
			TableName: &name,
			GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
				{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: added.IndexName}},
			},
		})
		b.must(err)
		b.must(dynamodb.NewTableExistsWaiter(b.client).Wait(b.Context(), &dynamodb.DescribeTableInput{TableName: &name}, time.Minute))
		_, err = b.client.Scan(b.Context(), &dynamodb.ScanInput{TableName: &name, IndexName: added.IndexName})
		b.invalid(err, "The table does not have the specified index")
		b.put(name, item("pk", "e", "owner", 1)) // no longer a key of anything
	}},
	{Name: "tables/an index that does not fit", Run: func(b *bench) {
		name := b.indexed(types.ProjectionTypeAll)
		for why, c := range map[string]struct {
			index       types.GlobalSecondaryIndex
			definitions []types.AttributeDefinition
		}{
			"its key is not defined": {globalIndex("more", "owner", "", types.ProjectionTypeAll), nil},
			"it is there already": {
				globalIndex("open", "owner", "", types.ProjectionTypeAll), []types.AttributeDefinition{define("owner", types.ScalarAttributeTypeS)},
			},
			"its name is too short": {
				globalIndex("ab", "owner", "", types.ProjectionTypeAll), []types.AttributeDefinition{define("owner", types.ScalarAttributeTypeS)},
			},
		} {
			_, err := b.client.UpdateTable(b.Context(), &dynamodb.UpdateTableInput{
				TableName: &name, AttributeDefinitions: append(c.definitions, define("pk", types.ScalarAttributeTypeS)),
				GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{
					IndexName: c.index.IndexName, KeySchema: c.index.KeySchema, Projection: c.index.Projection,
				}}},
			})
			if err == nil {
				b.Errorf("%s, and it was accepted", why)
				continue
			}
			b.invalid(err)
		}
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
		_, err := b.client.UpdateTimeToLive(b.Context(), &dynamodb.UpdateTimeToLiveInput{
			TableName:               &name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)},
		})
		b.must(err)
		b.equal("status", describe().TimeToLiveStatus, types.TimeToLiveStatusEnabled)
		b.equal("attribute", *describe().AttributeName, "expires_at")
	}},
	{Name: "tables/an expired item can be read until it is swept", Run: func(b *bench) {
		name := b.table(layout{})
		_, err := b.client.UpdateTimeToLive(b.Context(), &dynamodb.UpdateTimeToLiveInput{
			TableName:               &name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires_at"), Enabled: aws.Bool(true)},
		})
		b.must(err)
		expired := item("pk", "a", "expires_at", int(time.Now().Add(-time.Minute).Unix()))
		b.put(name, expired)
		b.is(b.get(name, item("pk", "a")), expired)
	}},
	{Name: "tables/continuous backups", Run: func(b *bench) {
		name := b.table(layout{})
		_, err := b.client.UpdateContinuousBackups(b.Context(), &dynamodb.UpdateContinuousBackupsInput{
			TableName:                        &name,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
		})
		b.must(err)
		described, err := b.client.DescribeContinuousBackups(b.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
		b.must(err)
		b.equal("status", described.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus,
			types.PointInTimeRecoveryStatusEnabled)
	}},
}
