// Package suggest finds the name that was probably meant by a misspelled one.
package suggest

import "slices"

// maxDistance is the maximum number of bytes that a misspelled name inserts, deletes or replaces.
const maxDistance = 3

// Nearest returns the name with the smallest distance from text. ok is false if all distances exceed
// maxDistance or half the length of text.
func Nearest[T ~string](text string, names []T) (nearest T, ok bool) {
	best := min(maxDistance, len(text)/2) + 1
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(text, string(name)); d < best {
			nearest, best, ok = name, d, true
		}
	}
	return nearest, ok
}

// distance returns the Levenshtein distance of two texts, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
