// Package inspect answers what an operator asks about invoices in the ledger: the state and history
// of one invoice (Show), and a list of those that a filter selects (List). It only reads.
package inspect
