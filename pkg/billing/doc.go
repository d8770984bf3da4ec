// Package billing holds the words and the rules of billing: billable events and
// how they fold into charges, the plan of an invoice, the ledger's head, the
// verdict on each line, the identity of every call to Chargebee, the marks by which
// lines are recognised there, and the kinds in which a call can fail. Everything here
// is pure: no I/O, no clock.
//
// Amounts are exact: decimals while events are summed, integers in the currency's
// minor unit from the rounding of a line on.
package billing
