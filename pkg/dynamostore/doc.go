// Package dynamostore keeps the ledger and reads the billable events in DynamoDB.
//
// The ledger table has the partition key invoice_id:
//
//	<draft id>              the record of an invoice
//	<draft id>#<epoch>#m    the manifest of an epoch
//	<draft id>#<epoch>#p<n> the n-th page of claimed events
//	<draft id>#<epoch>#l<n> the n-th part of the plan
//	#final#<final id>       the draft id of a final invoice
//	#subscription#<id>      the invoices for which events of a subscription were claimed
//	#ratelimit              the state of the rate limiter
//	#installation           the site of the ledger, and its consumers with their settings
//
// A page holds events that were claimed by one transaction (package billing). It is not a page of a query or scan.
package dynamostore
