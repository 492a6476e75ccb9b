package ref

import (
	"math"
	"slices"

	"github.com/ftmetal/ftmetal/metal"
)

// sortOrder compares words of dtype dt as sorting does: NaN is the largest.
func sortOrder(dt metal.DType, a, b uint64) int {
	if dt.IsFloat() {
		an, bn := math.IsNaN(Decode(dt, a)), math.IsNaN(Decode(dt, b))
		if an || bn {
			return int(boolWord(an)) - int(boolWord(bn))
		}
	}
	return compareWords(dt, a, b)
}

// ArgSort is the stable order of each row of n elements.
func ArgSort(dt metal.DType, x []uint64, n int) Result {
	out := Result{Words: make([]uint64, len(x))}
	for at := 0; at < len(x); at += n {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return sortOrder(dt, x[at+i], x[at+j]) })
		for i, from := range order {
			out.Words[at+i] = uint64(from)
		}
	}
	return out
}

// SearchSorted counts the elements of sequence, in ascending order, that are
// less than each value, or not greater if right is set.
func SearchSorted(dt metal.DType, sequence, values []uint64, right bool) Result {
	out := Result{Words: make([]uint64, len(values))}
	for i, v := range values {
		for _, s := range sequence {
			order := sortOrder(dt, s, v)
			if order < 0 || (right && order == 0) {
				out.Words[i]++
			}
		}
	}
	return out
}
