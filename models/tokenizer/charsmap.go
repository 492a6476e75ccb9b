package tokenizer

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsmap is SentencePiece's precompiled normalization table: a darts-clone
// double array over UTF-8 bytes whose values point at NUL-terminated strings.
type charsmap struct {
	trie []uint32
	blob string
}

// newCharsmap reads a 4-byte little-endian trie size in bytes, the trie, the strings.
func newCharsmap(b []byte) (*charsmap, error) {
	if len(b) < 4 {
		return nil, errors.New("shorter than its 4-byte header")
	}
	n := int64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if n < 4 || n%4 != 0 || n > int64(len(b)) {
		return nil, errors.New("trie size does not fit the data")
	}
	c := &charsmap{trie: make([]uint32, n/4), blob: string(b[n:])}
	for i := range c.trie {
		c.trie[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	if !utf8.ValidString(c.blob) {
		return nil, errors.New("replacement strings are not UTF-8")
	}
	return c, nil
}

// lookup returns the replacement of the shortest key that is a prefix of s, as
// the Rust library does. A key need not cover all of s.
func (c *charsmap) lookup(s string) (string, bool) {
	node := jump(c.trie[0])
	for i := 0; i < len(s) && s[i] != 0; i++ {
		node ^= uint32(s[i])
		if int(node) >= len(c.trie) {
			return "", false
		}
		unit := c.trie[node]
		if unit&(1<<31|0xff) != uint32(s[i]) {
			return "", false
		}
		node ^= jump(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if int(node) >= len(c.trie) {
			return "", false
		}
		at := int(c.trie[node] &^ (1 << 31))
		if at > len(c.blob) {
			return "", false
		}
		word, _, _ := strings.Cut(c.blob[at:], "\x00")
		return word, true
	}
	return "", false
}

// jump is the offset of a double-array unit to its children.
func jump(unit uint32) uint32 { return (unit >> 10) << (unit & (1 << 9) >> 6) }

// normalize replaces grapheme clusters shorter than 6 bytes as a whole where the
// table has them, else rune by rune. That odd rule is the Rust library's.
func (c *charsmap) normalize(t text, track bool) text {
	changes := make([]change, 0, len(t.s)+8)
	modified := false
	put := func(old, new string) {
		modified = true
		first := len(changes)
		count := 0
		for _, r := range new {
			changes = append(changes, change{r, 0})
			count++
		}
		extra := count - utf8.RuneCountInString(old)
		for i := len(changes) - 1; i >= first && extra > 0; i, extra = i-1, extra-1 {
			changes[i].by = 1
		}
		if extra < 0 && len(changes) > 0 {
			changes[len(changes)-1].by += extra
		}
	}
	for clusters := graphemes.FromString(t.s); clusters.Next(); {
		g := clusters.Value()
		if len(g) < 6 {
			if word, ok := c.lookup(g); ok {
				put(g, word)
				continue
			}
		}
		for i, r := range g {
			n := utf8.RuneLen(r)
			if word, ok := c.lookup(g[i : i+n]); ok {
				put(g[i:i+n], word)
			} else {
				changes = append(changes, change{r, 0})
			}
		}
	}
	if !modified {
		return t
	}
	return t.rewrite(changes, 0, track)
}
