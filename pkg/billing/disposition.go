package billing

import "strings"

// Disposition is the result of one line of a plan whose draft is no longer pending.
type Disposition byte

// The dispositions, with their stored form.
const (
	Charged       Disposition = 's' // on the final invoice: its events are billed
	NotCharged    Disposition = 'r' // its events are released
	ChargeUnknown Disposition = 'h' // may have been charged: its events stay claimed until an operator decides
)

// Dispositions holds the dispositions of the lines of a plan, one byte each. It is empty until
// they are decided.
type Dispositions string

// RepeatDisposition returns the same disposition for n lines.
func RepeatDisposition(disposition Disposition, n int) Dispositions {
	return Dispositions(strings.Repeat(string(disposition), n))
}

// Of returns the disposition of the i-th line. An unsupported one is ChargeUnknown.
func (d Dispositions) Of(i int) Disposition {
	if i < len(d) {
		switch disposition := Disposition(d[i]); disposition {
		case Charged, NotCharged:
			return disposition
		}
	}
	return ChargeUnknown
}

// IsCharged reports whether the i-th line of a settled invoice is charged. Without dispositions the draft
// was closed or left open with all lines.
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
