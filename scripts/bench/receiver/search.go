package receiver

// rateStep is what rates are multiples of.
const rateStep = 10

// search finds the highest rate that holds, to a part of it (0.05 is 5 %): it grows by
// half until a rate does not hold, or falls by a third until one does, and then halves
// what lies between. It returns 0 if none from least on holds, and most if all do.
type search struct {
	first, least, most int
	precision          float64
	holds              func(rate int) (bool, error)
}

func (s search) run() (int, error) {
	low, high := 0, 0 // a rate that held, one that did not; 0: none yet
	for rate := s.first; low == 0 || high == 0; {
		held, err := s.holds(rate)
		switch {
		case err != nil:
			return low, err
		case held:
			low = rate
			if rate >= s.most {
				return low, nil
			}
			rate = min(rounded(rate*3/2), s.most)
		default:
			high = rate
			if rate <= s.least {
				return 0, nil
			}
			rate = max(rounded(rate*2/3), s.least)
		}
	}
	for float64(high-low) > s.precision*float64(low) {
		middle := rounded((low + high) / 2)
		if middle <= low || middle >= high {
			break
		}
		held, err := s.holds(middle)
		if err != nil {
			return low, err
		}
		if held {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

func rounded(rate int) int { return (rate + rateStep/2) / rateStep * rateStep }
