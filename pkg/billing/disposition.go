package billing

import "strings"

// Disposition describes what became of one line of a plan.
type Disposition byte

// The dispositions, with their stored form.
const (
	Charged       Disposition = 's' // the line is on the final invoice: its events are billed
	NotCharged    Disposition = 'r' // the line was not charged: its events are released
	ChargeUnknown Disposition = 'h' // the line may have been charged: its events stay claimed until an operator decides
)

// Dispositions holds the dispositions of the lines of a plan, one byte each. It is empty before they are decided,
// and for a draft that was closed or left open with all charges.
type Dispositions string

// RepeatDisposition returns the dispositions of n lines with the same disposition.
func RepeatDisposition(disposition Disposition, n int) Dispositions {
	return Dispositions(strings.Repeat(string(disposition), n))
}

// Of returns the disposition of the i-th line. It is ChargeUnknown if d has none, or one that is not defined.
func (d Dispositions) Of(i int) Disposition {
	if i < len(d) {
		switch disposition := Disposition(d[i]); disposition {
		case Charged, NotCharged:
			return disposition
		}
	}
	return ChargeUnknown
}

// IsCharged reports whether the i-th line, which must be a charge of a settled invoice, is charged. Without
// dispositions all charges are.
func (d Dispositions) IsCharged(i int) bool { return d == "" || d.Of(i) == Charged }

// Has reports whether any line has the disposition.
func (d Dispositions) Has(disposition Disposition) bool {
	for i := range len(d) {
		if d.Of(i) == disposition {
			return true
		}
	}
	return false
}
