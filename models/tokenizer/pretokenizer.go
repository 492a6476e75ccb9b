package tokenizer

import (
	"encoding/json"
	"strings"
)

// stage is one pre-tokenizer: it splits t and appends the pieces to dst.
type stage func(t text, dst []text, track bool) []text

// preTokenizer is the parsed pre_tokenizer section.
type preTokenizer struct {
	stages []stage
	// byteLevel is set when the last stage is the byte-level alphabet. The stage
	// is not in stages: the BPE model reads bytes directly, other models ask for it
	// with spellBytes.
	byteLevel bool
	// usesOffset is set when a stage looks at where a piece begins in the source,
	// rewrites when a stage changes text, and usesRewritten when the first kind
	// comes after the second.
	usesOffset, rewrites, usesRewritten bool
}

// spellBytes adds the alphabet as a stage of its own.
func (p *preTokenizer) spellBytes() {
	if p.byteLevel {
		p.byteLevel = false
		p.stages = append(p.stages, rewriteStage(byteLevelText))
		p.rewrites = true
	}
}

func rewriteStage(n normalizer) stage {
	return func(t text, dst []text, track bool) []text { return append(dst, n(t, track)) }
}

// preTokenizerJSON holds the fields of every pre-tokenizer of tokenizer.json.
type preTokenizerJSON struct {
	Type           string            `json:"type"`
	Pretokenizers  []json.RawMessage `json:"pretokenizers"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
	UseRegex       *bool             `json:"use_regex"`
	Pattern        *patternJSON      `json:"pattern"`
	Behavior       string            `json:"behavior"`
	Invert         bool              `json:"invert"`
	Replacement    *string           `json:"replacement"`
	PrependScheme  *string           `json:"prepend_scheme"`
	Split          *bool             `json:"split"`
	Individual     bool              `json:"individual_digits"`
	Delimiter      string            `json:"delimiter"`
}

func (p *parser) parsePreTokenizer(raw json.RawMessage, section string) (preTokenizer, error) {
	var out preTokenizer
	err := p.appendPreTokenizer(raw, section, &out)
	return out, err
}

// appendPreTokenizer adds the stages of one section, flattening sequences.
func (p *parser) appendPreTokenizer(raw json.RawMessage, section string, out *preTokenizer) error {
	var j preTokenizerJSON
	if ok, err := p.decode(raw, section, &j); !ok || err != nil {
		return err
	}
	if j.Type != "Sequence" {
		out.spellBytes()
	}
	split := func(find finder, b behavior, invert bool) {
		out.stages = append(out.stages, splitStage(find, b, invert))
	}
	switch j.Type {
	case "Sequence":
		for i, r := range j.Pretokenizers {
			if err := p.appendPreTokenizer(r, index(section+".pretokenizers", i), out); err != nil {
				return err
			}
		}
	case "ByteLevel":
		if j.AddPrefixSpace == nil || *j.AddPrefixSpace {
			out.stages = append(out.stages, rewriteStage(prefixSpace))
			out.rewrites = true
		}
		if j.UseRegex == nil || *j.UseRegex {
			out.stages = append(out.stages, scanStage(scanGPT2))
		}
		out.byteLevel = true
	case "Split":
		return p.appendSplit(&j, section, out)
	case "Metaspace":
		return p.appendMetaspace(&j, section, out)
	case "Digits":
		b := contiguous
		if j.Individual {
			b = isolated
		}
		split(findRunes(isNumeric), b, false)
	case "Punctuation":
		b := isolated
		if j.Behavior != "" {
			var err error
			if b, err = p.parseBehavior(j.Behavior, section); err != nil {
				return err
			}
		}
		split(findRunes(isPunct), b, false)
	case "Whitespace":
		split(findWords, removed, true)
	case "WhitespaceSplit":
		split(findRunes(isSpace), removed, false)
	case "CharDelimiterSplit":
		if j.Delimiter == "" {
			return p.errorf(section+".delimiter", "the string is empty")
		}
		split(findLiteral(j.Delimiter), removed, false)
	case "BertPreTokenizer":
		split(findRunes(isSpace), removed, false)
		split(findRunes(isPunct), isolated, false)
	default:
		return p.unsupported(section, "pre-tokenizer", j.Type)
	}
	return nil
}

// prefixSpace puts a space before a piece that does not begin with one.
func prefixSpace(t text, track bool) text {
	if strings.HasPrefix(t.s, " ") {
		return t
	}
	return t.prepend(" ", track)
}

func (p *parser) appendSplit(j *preTokenizerJSON, section string, out *preTokenizer) error {
	b, err := p.parseBehavior(j.Behavior, section)
	if err != nil {
		return err
	}
	if b == isolated && j.Pattern != nil && j.Pattern.regex != nil {
		// Isolated keeps matches and gaps alike, so invert changes nothing.
		if scan := scannerFor(*j.Pattern.regex); scan != nil {
			out.stages = append(out.stages, scanStage(scan))
			return nil
		}
	}
	find, err := p.parsePattern(j.Pattern, section+".pattern")
	if err != nil {
		return err
	}
	out.stages = append(out.stages, splitStage(find, b, j.Invert))
	return nil
}

// appendMetaspace mirrors Metaspace: spaces become the replacement, one is put in
// front as the scheme says, and each replacement begins a new piece.
func (p *parser) appendMetaspace(j *preTokenizerJSON, section string, out *preTokenizer) error {
	mark := "▁"
	if j.Replacement != nil {
		mark = *j.Replacement
	}
	if mark == "" {
		return p.errorf(section+".replacement", "the string is empty")
	}
	scheme := "always"
	switch {
	case j.PrependScheme != nil:
		scheme = *j.PrependScheme
	case j.AddPrefixSpace != nil && !*j.AddPrefixSpace:
		scheme = "never"
	}
	if scheme != "always" && scheme != "first" && scheme != "never" {
		return p.errorf(section+".prepend_scheme", "got %q, want always, first or never", scheme)
	}
	findSpace := findLiteral(" ")
	if scheme == "first" {
		out.usesOffset = true
		out.usesRewritten = out.usesRewritten || out.rewrites
	}
	out.rewrites = true
	out.stages = append(out.stages, func(t text, dst []text, track bool) []text {
		first := t.off == 0
		t = t.substitute(findSpace(t.s, nil), mark, track)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(t.s, mark) {
			t = t.prepend(mark, track)
		}
		return append(dst, t)
	})
	if j.Split == nil || *j.Split {
		out.stages = append(out.stages, splitStage(findLiteral(mark), mergedWithNext, false))
	}
	return nil
}

// scanStage splits with a scanner; every rune lands in exactly one piece.
func scanStage(scan scanner) stage {
	return func(t text, dst []text, _ bool) []text {
		for i := 0; i < len(t.s); {
			end := scan(t.s, i)
			dst = append(dst, t.slice(i, end))
			i = end
		}
		return dst
	}
}
