package graph

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// summation is Einstein's summation with every axis labelled by a letter.
type summation struct {
	terms  []string     // the labels of each operand's axes
	result string       // those of the result
	extent map[byte]int // of each label
}

// contraction replaces the terms at some places by one, which comes last.
type contraction struct {
	at     []int
	result string
}

// parseSummation reads subscripts and holds them against the operands.
func parseSummation(op, subscripts string, operands []*Array) *summation {
	present(op, operands...)
	check(len(operands) > 0, op, "there are no operands")
	left, result, explicit := strings.Cut(strings.ReplaceAll(subscripts, " ", ""), "->")
	s := &summation{terms: strings.Split(left, ","), result: result, extent: map[byte]int{}}
	check(len(s.terms) == len(operands), op, "%q has %d operands, got %d", subscripts, len(s.terms), len(operands))
	if !explicit {
		s.result = impliedResult(left)
	}
	s.expand(op, subscripts, operands)
	for i, a := range operands {
		s.label(op, subscripts, i, a)
	}
	for i := range len(s.result) {
		_, known := s.extent[s.result[i]]
		check(known, op, "%q: label %q of the result is on no operand", subscripts, s.result[i:i+1])
		check(strings.Count(s.result, s.result[i:i+1]) == 1, op, "%q: label %q occurs twice in the result", subscripts, s.result[i:i+1])
	}
	return s
}

// impliedResult is an ellipsis, if there is one, and the labels that occur once,
// in alphabetical order.
func impliedResult(left string) string {
	var once []rune
	for _, r := range left {
		if r != ',' && r != '.' && strings.Count(left, string(r)) == 1 {
			once = append(once, r)
		}
	}
	slices.Sort(once)
	if strings.Contains(left, "...") {
		return "..." + string(once)
	}
	return string(once)
}

// expand puts letters that are free in place of each ellipsis: the last ones, so
// that axes match from the end.
func (s *summation) expand(op, subscripts string, operands []*Array) {
	free := ""
	for _, r := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		if !strings.ContainsRune(subscripts, r) {
			free += string(r)
		}
	}
	longest := 0
	replace := func(labels string, axes int) string {
		before, after, found := strings.Cut(labels, "...")
		for _, r := range before + after {
			check('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z', op, "%q: label %q is not a letter", subscripts, string(r))
		}
		if !found {
			return labels
		}
		if axes >= 0 {
			check(axes >= len(before)+len(after), op, "%q: labels %q for an operand of %d axes", subscripts, labels, axes)
			axes -= len(before) + len(after)
			longest = max(longest, axes)
		} else {
			axes = longest
		}
		check(axes <= len(free), op, "%q: the ellipsis stands for %d axes, more than letters are free", subscripts, axes)
		return before + free[len(free)-axes:] + after
	}
	for i, a := range operands {
		s.terms[i] = replace(s.terms[i], len(a.shape))
	}
	s.result = replace(s.result, -1)
}

// label notes the extents of an operand's axes; 1 goes with any other.
func (s *summation) label(op, subscripts string, i int, a *Array) {
	labels := s.terms[i]
	check(len(labels) == len(a.shape), op, "%q: labels %q for an operand of shape %v", subscripts, labels, a.shape)
	for k, d := range a.shape {
		r := labels[k]
		if first := strings.IndexByte(labels, r); first < k {
			check(a.shape[first] == d, op, "%q: label %q stands for %d and %d elements of an operand of shape %v", subscripts, string(r), a.shape[first], d, a.shape)
		}
		known, seen := s.extent[r]
		check(!seen || known == d || known == 1 || d == 1, op, "%q: label %q stands for %d and %d elements", subscripts, string(r), known, d)
		if !seen || known == 1 {
			s.extent[r] = d
		}
	}
}

// joined is the labels of terms, each once.
func joined(terms ...string) string {
	var all []byte
	for _, t := range terms {
		for i := range len(t) {
			if !slices.Contains(all, t[i]) {
				all = append(all, t[i])
			}
		}
	}
	return string(all)
}

// common is the labels of a that any of the terms has.
func common(a string, terms ...string) string {
	var kept []byte
	for i := range len(a) {
		if strings.IndexByte(strings.Join(terms, ""), a[i]) >= 0 {
			kept = append(kept, a[i])
		}
	}
	return string(kept)
}

// size is the elements that labels stand for together, at most the largest
// number.
func (s *summation) size(labels string) int {
	n := 1
	for i := range len(labels) {
		d := s.extent[labels[i]]
		if d > 0 && n > math.MaxInt/8/d {
			return math.MaxInt / 8
		}
		n *= d
	}
	return n
}

// cost is the operations of a contraction of that many terms with these labels in
// all.
func (s *summation) cost(labels string, terms int, sums bool) int {
	factor := max(terms-1, 1)
	if sums {
		factor++
	}
	return min(s.size(labels), math.MaxInt/8/factor) * factor
}

// candidate is a pair that may be contracted next.
type candidate struct {
	x, y    int
	saved   int // elements fewer than before
	cost    int
	labels  string // of both
	product string // of the result
}

// path is opt_einsum's greedy one, as MLX takes it: the pair that leaves the
// fewest elements comes first.
func (s *summation) path() (steps []contraction, cost, scaling int) {
	all := joined(s.terms...)
	naive := s.cost(all, len(s.terms), len(all) > len(s.result))
	if len(s.terms) <= 2 {
		return []contraction{{everything(len(s.terms)), s.result}}, naive, len(all)
	}
	limit := s.size(s.result)
	for _, t := range s.terms {
		limit = max(limit, s.size(t))
	}
	terms := slices.Clone(s.terms)
	var known []candidate
	first := 0 // pairs with a term from here on are new
	for len(terms) > 1 {
		known = s.candidates(known, terms, first, limit, naive-cost)
		if len(known) == 0 {
			rest := joined(terms...)
			cost, scaling = cost+s.cost(rest, len(terms), len(rest) > len(s.result)), max(scaling, len(rest))
			steps = append(steps, contraction{everything(len(terms)), s.result})
			break
		}
		best := known[0]
		for _, c := range known[1:] {
			if c.saved > best.saved || c.saved == best.saved && c.cost < best.cost {
				best = c
			}
		}
		cost, scaling = cost+best.cost, max(scaling, len(best.labels))
		steps = append(steps, contraction{[]int{best.x, best.y}, best.product})
		terms = append(slices.Delete(slices.Delete(terms, best.y, best.y+1), best.x, best.x+1), best.product)
		known, first = remaining(known, best), len(terms)-1
	}
	steps[len(steps)-1].result = s.result
	return steps, cost, scaling
}

// everything is the places 0 to n-1.
func everything(n int) []int {
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	return at
}

// candidates adds the pairs whose second term is at first or later: those that
// share a label, or any if nothing else is left.
func (s *summation) candidates(known []candidate, terms []string, first, limit, budget int) []candidate {
	for _, shared := range []bool{true, false} {
		for x := range terms {
			for y := max(x+1, first); y < len(terms); y++ {
				if shared && common(terms[x], terms[y]) == "" {
					continue
				}
				others := []string{s.result}
				for i, t := range terms {
					if i != x && i != y {
						others = append(others, t)
					}
				}
				labels := joined(terms[x], terms[y])
				product := common(labels, others...)
				c := candidate{x, y, s.size(joined(terms[x])) + s.size(joined(terms[y])) - s.size(product), s.cost(labels, 2, len(labels) > len(product)), labels, product}
				if s.size(product) <= limit && c.cost <= budget {
					known = append(known, c)
				}
			}
		}
		if len(known) > 0 {
			break
		}
	}
	return known
}

// remaining is the candidates that best leaves, at their new places.
func remaining(known []candidate, best candidate) []candidate {
	var left []candidate
	for _, c := range known {
		if c.x == best.x || c.x == best.y || c.y == best.x || c.y == best.y {
			continue
		}
		c.x, c.y = behind(c.x, best), behind(c.y, best)
		left = append(left, c)
	}
	return left
}

// behind is place i without the terms of best.
func behind(i int, best candidate) int {
	at := i
	if i > best.x {
		at--
	}
	if i > best.y {
		at--
	}
	return at
}

// EinsumPath is the order in which Einsum contracts its operands: at each step the
// places of the terms that are replaced by their product, which comes last; and a
// report of what the order saves. Mirrors mx.einsum_path.
func EinsumPath(subscripts string, operands ...*Array) (path [][]int, report string) {
	s := parseSummation("EinsumPath", subscripts, operands)
	steps, cost, scaling := s.path()
	for _, step := range steps {
		path = append(path, step.at)
	}
	all := joined(s.terms...)
	naive := s.cost(all, len(s.terms), len(all) > len(s.result))
	return path, fmt.Sprintf("  Complete contraction:  %s\n         Naive scaling:  %d\n     Optimized scaling:  %d\n      Naive FLOP count:  %d\n  Optimized FLOP count:  %d\n",
		subscripts, len(all), scaling, naive, cost)
}

// Einsum is Einstein's summation, such as "bij,jk->bik": labels that the result
// lacks are summed, a label that an operand has twice stands for its diagonal,
// and an ellipsis for axes without labels. Three operands and more are contracted
// in the order of EinsumPath; a pair that has labels to sum over is a matrix
// product. Mirrors mx.einsum.
func Einsum(subscripts string, operands ...*Array) *Array {
	s := parseSummation("Einsum", subscripts, operands)
	steps, _, _ := s.path()
	terms, arrays := slices.Clone(s.terms), slices.Clone(operands)
	for _, step := range steps {
		var labels []string
		var parts []*Array
		for _, i := range slices.Backward(step.at) {
			labels, parts = append([]string{terms[i]}, labels...), append([]*Array{arrays[i]}, parts...)
			terms, arrays = slices.Delete(terms, i, i+1), slices.Delete(arrays, i, i+1)
		}
		terms, arrays = append(terms, step.result), append(arrays, s.contract(labels, parts, step.result))
	}
	return arrays[0]
}

// contract is the product of operands with the given labels, summed to those of
// the result.
func (s *summation) contract(labels []string, operands []*Array, result string) *Array {
	for i := range operands {
		others := append(slices.Delete(slices.Clone(labels), i, i+1), result)
		operands[i], labels[i] = ownLabels(operands[i], labels[i], strings.Join(others, ""))
	}
	if len(operands) == 2 {
		dt := Promote(operands[0].dtype, operands[1].dtype)
		if summed := s.summed(labels, result); summed != "" && (dt.IsFloat() || dt == metal.Complex64) {
			return s.product(operands[0], operands[1], labels[0], labels[1], summed, result)
		}
	}
	order := result + s.summed(labels, result)
	product := s.aligned(operands[0], labels[0], order)
	for i := 1; i < len(operands); i++ {
		product = Multiply(product, s.aligned(operands[i], labels[i], order))
	}
	product = s.whole(product, order) // a label may be 1 on every operand of this step
	if len(order) == len(result) {
		return product
	}
	return Sum(product, everything(len(order))[len(result):], false)
}

// summed is the labels that the result lacks.
func (s *summation) summed(labels []string, result string) string {
	var out []byte
	all := joined(labels...)
	for i := range len(all) {
		if strings.IndexByte(result, all[i]) < 0 {
			out = append(out, all[i])
		}
	}
	return string(out)
}

// ownLabels takes the diagonal of labels that a has twice, and sums over those
// that neither the result nor another operand has.
func ownLabels(a *Array, labels, others string) (*Array, string) {
	for i := 0; i < len(labels); i++ {
		if k := i + 1 + strings.IndexByte(labels[i+1:], labels[i]); k > i {
			a = Diagonal(a, 0, i, k)
			labels = labels[:i] + labels[i+1:k] + labels[k+1:] + labels[i:i+1]
			i = -1
		}
	}
	var axes []int
	kept := ""
	for i := range len(labels) {
		if strings.IndexByte(others, labels[i]) < 0 {
			axes = append(axes, i)
		} else {
			kept += labels[i : i+1]
		}
	}
	if axes != nil {
		a = Sum(a, axes, false)
	}
	return a, kept
}

// product is a matrix product: the labels of both operands that the result has
// are its batch.
func (s *summation) product(a, b *Array, la, lb, summed, result string) *Array {
	batch := common(common(la, lb), result)
	rows, cols := common(la, result), common(lb, result)
	rows, cols = without(rows, batch), without(cols, batch)
	x := s.whole(s.aligned(a, la, batch+rows+summed), batch+rows+summed)
	y := s.whole(s.aligned(b, lb, batch+summed+cols), batch+summed+cols)
	lead := s.shape(batch)
	k, m, n := s.size(summed), s.size(rows), s.size(cols)
	x = Reshape(x, append(slices.Clone(lead), m, k)...)
	y = Reshape(y, append(slices.Clone(lead), k, n)...)
	order := batch + rows + cols
	z := Reshape(Matmul(x, y), s.shape(order)...)
	perm := make([]int, len(result))
	for i := range perm {
		perm[i] = strings.IndexByte(order, result[i])
	}
	return permute(z, perm)
}

// without is the labels of a that b has not.
func without(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return -1
		}
		return r
	}, a)
}

// aligned views x with one axis per label of order, 1 where x has none.
func (s *summation) aligned(x *Array, labels, order string) *Array {
	var perm []int
	shape := slices.Repeat([]int{1}, len(order))
	for i := range len(order) {
		if at := strings.IndexByte(labels, order[i]); at >= 0 {
			perm = append(perm, at)
			shape[i] = x.shape[at]
		}
	}
	return Reshape(permute(x, perm), shape...)
}

// whole broadcasts axes of 1 to the extents of their labels.
func (s *summation) whole(x *Array, order string) *Array { return BroadcastTo(x, s.shape(order)) }

// shape is the extents of labels.
func (s *summation) shape(labels string) []int {
	out := make([]int, len(labels))
	for i := range out {
		out[i] = s.extent[labels[i]]
	}
	return out
}
