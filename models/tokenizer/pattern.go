package tokenizer

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/dlclark/regexp2/v2"
)

// finder appends the matches of a pattern in s to dst, in order, not overlapping.
type finder func(s string, dst []span) []span

// patternJSON is {"String": "…"} or {"Regex": "…"}; old files have a bare string.
type patternJSON struct {
	literal, regex *string
}

func (p *patternJSON) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		p.literal = &s
		return nil
	}
	var j struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	p.literal, p.regex = j.String, j.Regex
	return nil
}

// parsePattern compiles a pattern. Regular expressions go through regexp2, because
// Go's own engine has no lookahead and every byte-level tokenizer uses one.
func (p *parser) parsePattern(j *patternJSON, section string) (finder, error) {
	switch {
	case j != nil && j.literal != nil:
		if *j.literal == "" {
			return nil, p.errorf(section, "the string is empty")
		}
		return findLiteral(*j.literal), nil
	case j != nil && j.regex != nil:
		if err := checkDialect(*j.regex); err != nil {
			return nil, p.errorf(section, "regular expression %q: %v", *j.regex, err)
		}
		// In Oniguruma's Ruby syntax ^ and $ always match at line ends.
		re, err := regexp2.Compile(*j.regex, regexp2.Multiline)
		if err != nil {
			return nil, p.errorf(section, "regular expression %q: %v", *j.regex, err)
		}
		return findRegex(re), nil
	}
	return nil, p.errorf(section, "want an object with String or Regex")
}

// checkDialect refuses what Oniguruma and regexp2 both accept but read differently.
func checkDialect(pattern string) error {
	class := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case rest[0] == '\\':
			i++
		case class && rest[0] == '[':
			return errors.New("a character class inside a class is not supported")
		case class && strings.HasPrefix(rest, "&&"):
			return errors.New("intersection of character classes is not supported")
		case rest[0] == '[':
			class = true
			i += len(rest[1:]) - len(strings.TrimPrefix(strings.TrimPrefix(rest[1:], "^"), "]"))
		case rest[0] == ']':
			class = false
		case !class && strings.HasPrefix(rest, "{,"):
			return errors.New("the quantifier {,n} is not supported")
		case !class && strings.HasPrefix(rest, "(?"):
			flags := rest[2:]
			if end := strings.IndexAny(flags, ":)<=!>'#"); end >= 0 && strings.Trim(flags[:end], "i-") != "" {
				return errors.New("only the inline flag i is supported")
			}
		}
	}
	return nil
}

func findLiteral(literal string) finder {
	return func(s string, dst []span) []span {
		for at := 0; ; {
			i := strings.Index(s[at:], literal)
			if i < 0 {
				return dst
			}
			dst = append(dst, span{at + i, at + i + len(literal)})
			at += i + len(literal)
		}
	}
}

func findRegex(re *regexp2.Regexp) finder {
	return func(s string, dst []span) []span {
		matches, err := re.FindAllStringIndex(s, -1)
		if err != nil {
			// regexp2 fails only when a match timeout is set, and none is.
			return dst
		}
		for _, m := range matches {
			dst = append(dst, span{m[0], m[1]})
		}
		return dst
	}
}

// findRunes matches every rune that is accepted on its own.
func findRunes(accept func(rune) bool) finder {
	return func(s string, dst []span) []span {
		last := -1
		for i, r := range s {
			if last >= 0 {
				dst = append(dst, span{last, i})
				last = -1
			}
			if accept(r) {
				last = i
			}
		}
		if last >= 0 {
			dst = append(dst, span{last, len(s)})
		}
		return dst
	}
}

// findWords matches \w+|[^\w\s]+.
func findWords(s string, dst []span) []span {
	const (
		space = iota
		word
		other
	)
	class, start := space, 0
	for i, r := range s {
		c := other
		switch {
		case isWord(r):
			c = word
		case isSpace(r):
			c = space
		}
		if c == class {
			continue
		}
		if class != space {
			dst = append(dst, span{start, i})
		}
		class, start = c, i
	}
	if class != space {
		dst = append(dst, span{start, len(s)})
	}
	return dst
}
