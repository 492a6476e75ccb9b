package tokenizer

import (
	"encoding/json"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text. With track it also keeps the source spans.
type normalizer func(t text, track bool) text

// normalizerJSON holds the fields of every normalizer of tokenizer.json.
type normalizerJSON struct {
	Type               string            `json:"type"`
	Normalizers        []json.RawMessage `json:"normalizers"`
	Prepend            string            `json:"prepend"`
	Pattern            *patternJSON      `json:"pattern"`
	Content            string            `json:"content"`
	StripLeft          bool              `json:"strip_left"`
	StripRight         bool              `json:"strip_right"`
	Charsmap           []byte            `json:"precompiled_charsmap"`
	CleanText          *bool             `json:"clean_text"`
	HandleChineseChars *bool             `json:"handle_chinese_chars"`
	StripAccents       *bool             `json:"strip_accents"`
	Lowercase          *bool             `json:"lowercase"`
}

// parseNormalizer reads one normalizer section; a null section is nil.
func (p *parser) parseNormalizer(raw json.RawMessage, section string) (normalizer, error) {
	var j normalizerJSON
	if ok, err := p.decode(raw, section, &j); !ok || err != nil {
		return nil, err
	}
	switch j.Type {
	case "Sequence":
		return p.parseNormalizers(j.Normalizers, section+".normalizers")
	case "NFC":
		return unicodeForm(norm.NFC), nil
	case "NFD":
		return unicodeForm(norm.NFD), nil
	case "NFKC":
		return unicodeForm(norm.NFKC), nil
	case "NFKD":
		return unicodeForm(norm.NFKD), nil
	case "Lowercase":
		return lowercase, nil
	case "StripAccents":
		return func(t text, track bool) text {
			return t.keepRunes(func(r rune) bool { return !isMark(r) }, track)
		}, nil
	case "Strip":
		return stripSpace(j.StripLeft, j.StripRight), nil
	case "Prepend":
		return func(t text, track bool) text { return t.prepend(j.Prepend, track) }, nil
	case "Replace":
		find, err := p.parsePattern(j.Pattern, section+".pattern")
		if err != nil {
			return nil, err
		}
		return func(t text, track bool) text { return t.substitute(find(t.s, nil), j.Content, track) }, nil
	case "Nmt":
		return nmt, nil
	case "ByteLevel":
		return byteLevelText, nil
	case "Precompiled":
		c, err := newCharsmap(j.Charsmap)
		if err != nil {
			return nil, p.errorf(section+".precompiled_charsmap", "%v", err)
		}
		return c.normalize, nil
	case "BertNormalizer":
		return newBertNormalizer(&j), nil
	}
	return nil, p.unsupported(section, "normalizer", j.Type)
}

func (p *parser) parseNormalizers(raws []json.RawMessage, section string) (normalizer, error) {
	var list []normalizer
	for i, raw := range raws {
		n, err := p.parseNormalizer(raw, index(section, i))
		if err != nil {
			return nil, err
		}
		if n != nil {
			list = append(list, n)
		}
	}
	return func(t text, track bool) text {
		for _, n := range list {
			t = n(t, track)
		}
		return t
	}, nil
}

func lowercase(t text, track bool) text {
	same := true
	for i := 0; i < len(t.s) && same; i++ {
		same = t.s[i] < 0x80 && (t.s[i] < 'A' || t.s[i] > 'Z')
	}
	if same {
		return t
	}
	changes := make([]change, 0, len(t.s))
	for _, r := range t.s {
		changes = lowerRune(changes, r)
	}
	return t.rewrite(changes, 0, track)
}

func stripSpace(left, right bool) normalizer {
	return func(t text, _ bool) text {
		a, b := 0, len(t.s)
		if left {
			a = b - len(strings.TrimLeftFunc(t.s, isSpace))
		}
		if right {
			b = a + len(strings.TrimRightFunc(t.s[a:], isSpace))
		}
		if a == b {
			return text{off: t.off}
		}
		return t.slice(a, b)
	}
}

// nmt is the Nmt normalizer: it drops control characters and turns the separators
// SentencePiece's nmt rules know into spaces.
func nmt(t text, track bool) text {
	t = t.keepRunes(func(r rune) bool {
		switch {
		case r >= 1 && r <= 8, r == 0xb, r >= 0xe && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return false
		}
		return true
	}, track)
	changes := make([]change, 0, len(t.s))
	for _, r := range t.s {
		switch {
		case r == 9, r == 0xa, r == 0xc, r == 0xd, r == 0x1680, r >= 0x200b && r <= 0x200f,
			r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			r = ' '
		}
		changes = append(changes, change{r, 0})
	}
	return t.rewrite(changes, 0, track)
}

// newBertNormalizer mirrors BertNormalizer; strip_accents follows lowercase when
// it is null.
func newBertNormalizer(j *normalizerJSON) normalizer {
	or := func(p *bool, def bool) bool {
		if p != nil {
			return *p
		}
		return def
	}
	lower := or(j.Lowercase, true)
	clean, chinese, accents := or(j.CleanText, true), or(j.HandleChineseChars, true), or(j.StripAccents, lower)
	decomposed := unicodeForm(norm.NFD)
	return func(t text, track bool) text {
		if clean {
			t = t.keepRunes(func(r rune) bool { return !isControl(r) }, track)
		}
		if clean || chinese {
			t = spaceOut(t, clean, chinese, track)
		}
		if accents {
			t = decomposed(t, track).keepRunes(func(r rune) bool { return !isNonspacing(r) }, track)
		}
		if lower {
			t = lowercase(t, track)
		}
		return t
	}
}

// spaceOut turns white space into U+0020 and puts spaces round CJK ideographs.
func spaceOut(t text, spaces, chinese, track bool) text {
	same := true
	for _, r := range t.s {
		if spaces && r != ' ' && isSpace(r) || chinese && isIdeograph(r) {
			same = false
			break
		}
	}
	if same {
		return t
	}
	changes := make([]change, 0, len(t.s)+8)
	for _, r := range t.s {
		switch {
		case spaces && isSpace(r):
			changes = append(changes, change{' ', 0})
		case chinese && isIdeograph(r):
			changes = append(changes, change{' ', 0}, change{r, 1}, change{' ', 1})
		default:
			changes = append(changes, change{r, 0})
		}
	}
	return t.rewrite(changes, 0, track)
}

// isIdeograph is BERT's list of CJK blocks, with its historic 2B920 boundary.
func isIdeograph(r rune) bool {
	return r >= 0x4E00 && r <= 0x9FFF || r >= 0x3400 && r <= 0x4DBF ||
		r >= 0x20000 && r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F ||
		r >= 0x2B740 && r <= 0x2B81F || r >= 0x2B920 && r <= 0x2CEAF ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0x2F800 && r <= 0x2FA1F
}
