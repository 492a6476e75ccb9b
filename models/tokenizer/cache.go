package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync"
)

// Natural text repeats its words, so models remember how they split short ones.
const (
	cacheShards   = 64   // a power of two; keeps goroutines off each other's locks
	shardEntries  = 1024 // a full shard is emptied; 65,536 words in all, some 10 MB
	maxCachedWord = 64   // bytes
)

// wordCache maps words to their tokens. It is safe for concurrent use.
type wordCache struct {
	seed   maphash.Seed
	shards [cacheShards]struct {
		sync.RWMutex
		words map[string][]token
	}
}

func newWordCache() *wordCache {
	c := &wordCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].words = make(map[string][]token)
	}
	return c
}

// encode returns dst with the tokens of word, from the cache or from compute.
func (c *wordCache) encode(word string, dst []token, compute func(string, []token) []token) []token {
	if len(word) > maxCachedWord {
		return compute(word, dst)
	}
	s := &c.shards[maphash.String(c.seed, word)%cacheShards]
	s.RLock()
	known, ok := s.words[word]
	s.RUnlock()
	if ok {
		return append(dst, known...)
	}
	start := len(dst)
	dst = compute(word, dst)
	fresh := make([]token, len(dst)-start)
	copy(fresh, dst[start:])
	s.Lock()
	if len(s.words) >= shardEntries {
		clear(s.words)
	}
	s.words[strings.Clone(word)] = fresh
	s.Unlock()
	return dst
}
