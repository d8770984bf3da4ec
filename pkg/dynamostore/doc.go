// Package dynamostore keeps the ledger and reads the billable events in DynamoDB.
//
// The ledger's table has the partition key invoice_id. A head lies under the id of
// its draft invoice; what belongs to an epoch under <id>#<epoch>#m (manifest),
// #p<n> (pages) and #l<n> (parts of the plan). Keys that begin with # are internal.
//
// This is the only package that knows DynamoDB's errors: they become
// billing.ErrFenced, billing.ErrBusy or *billing.EventsChanged here.
package dynamostore
