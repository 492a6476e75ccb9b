package tokenizer

// behavior says what becomes of the delimiters of a split.
type behavior int

const (
	isolated           behavior = iota // each delimiter is a piece
	removed                            // delimiters are dropped
	contiguous                         // neighbouring delimiters are one piece
	mergedWithPrevious                 // a delimiter ends the piece before it
	mergedWithNext                     // a delimiter begins the piece after it
)

func (p *parser) parseBehavior(s, section string) (behavior, error) {
	switch s {
	case "Isolated":
		return isolated, nil
	case "Removed":
		return removed, nil
	case "Contiguous":
		return contiguous, nil
	case "MergedWithPrevious":
		return mergedWithPrevious, nil
	case "MergedWithNext":
		return mergedWithNext, nil
	}
	return 0, p.errorf(section+".behavior",
		"got %q, want Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext", s)
}

// part is a delimiter or the text between two.
type part struct {
	span
	delimiter bool
}

// splitStage cuts a text at the matches of find. With invert the matches are the
// text and the gaps the delimiters.
func splitStage(find finder, b behavior, invert bool) stage {
	return func(t text, dst []text, _ bool) []text {
		matches := find(t.s, nil)
		parts := make([]part, 0, 2*len(matches)+1)
		last := 0
		for _, m := range matches {
			if m.start > last {
				parts = append(parts, part{span{last, m.start}, invert})
			}
			parts = append(parts, part{m, !invert})
			last = m.end
		}
		if last < len(t.s) {
			parts = append(parts, part{span{last, len(t.s)}, invert})
		}
		for _, p := range merge(parts, b) {
			if p.end > p.start && !(b == removed && p.delimiter) {
				dst = append(dst, t.slice(p.start, p.end))
			}
		}
		return dst
	}
}

// merge joins parts as the behavior says, in place.
func merge(parts []part, b behavior) []part {
	out := parts[:0]
	switch b {
	case contiguous:
		for _, p := range parts {
			if n := len(out); n > 0 && out[n-1].delimiter == p.delimiter {
				out[n-1].end = p.end
			} else {
				out = append(out, p)
			}
		}
	case mergedWithPrevious:
		wasDelimiter := false
		for _, p := range parts {
			if n := len(out); n > 0 && p.delimiter && !wasDelimiter {
				out[n-1].end = p.end
			} else {
				out = append(out, p)
			}
			wasDelimiter = p.delimiter
		}
	case mergedWithNext:
		// The last of several delimiters joins the text after it, so this goes backwards.
		n := len(parts)
		wasDelimiter := false
		for i := len(parts) - 1; i >= 0; i-- {
			p := parts[i]
			if p.delimiter && !wasDelimiter && n < len(parts) {
				parts[n].start = p.start
			} else {
				n--
				parts[n] = p
			}
			wasDelimiter = p.delimiter
		}
		out = parts[n:]
	default:
		out = parts
	}
	return out
}
