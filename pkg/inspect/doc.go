// Package inspect describes invoices in the ledger for operators: one invoice with its lines and events
// (Show), and the list of all invoices that a filter selects (List). It only reads.
package inspect
