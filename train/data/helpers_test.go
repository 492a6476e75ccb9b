package data

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	testBOS  = 1
	testEOS  = 2
	testUser = 3 // a turn of anyone but the assistant
	testBot  = 4 // an assistant turn
	testByte = 10
)

// byteEncoder maps byte b to id b+10. Its chat template writes a role token,
// the content and EOS for each message.
type byteEncoder struct{ template bool }

func (byteEncoder) Encode(text string, addSpecial bool) []int32 {
	var ids []int32
	if addSpecial {
		ids = append(ids, testBOS)
	}
	for _, b := range []byte(text) {
		ids = append(ids, int32(b)+testByte)
	}
	return ids
}

func (byteEncoder) EOS() (int32, bool) { return testEOS, true }

func (e byteEncoder) EncodeChat(messages, tools json.RawMessage) (ids []int32, assistant []bool, promptLen int, err error) {
	if !e.template {
		return nil, nil, 0, ErrNoChatTemplate
	}
	var list []struct{ Role, Content string }
	if err := json.Unmarshal(messages, &list); err != nil {
		return nil, nil, 0, errors.New("content is not a string")
	}
	ids = append(ids, testBOS)
	ids = append(ids, e.Encode(string(tools), false)...)
	assistant = make([]bool, len(ids))
	for i, m := range list {
		if i == len(list)-1 {
			promptLen = len(ids) + 1 // the generation prompt is one role token
		}
		role, bot := int32(testUser), m.Role == "assistant"
		if bot {
			role = testBot
		}
		ids, assistant = append(ids, role), append(assistant, false)
		for _, id := range append(e.Encode(m.Content, false), testEOS) {
			ids, assistant = append(ids, id), append(assistant, bot)
		}
	}
	return ids, assistant, promptLen, nil
}

// writeFile writes lines to a file of a fresh folder and returns its path.
func writeFile(t testing.TB, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// loadRows loads rows of token ids.
func loadRows(t testing.TB, opt Options, lines ...string) *Corpus {
	t.Helper()
	c, err := Load(context.Background(), writeFile(t, "train.jsonl", lines...), nil, opt)
	require.NoError(t, err)
	return c
}

// lognormal makes n examples with lengths of the given mean, at most longest.
// Every id is unique over the corpus, and about half of the tokens count.
func lognormal(n int, mean float64, longest int, seed uint64) *Corpus {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &Corpus{name: "synthetic"}
	const sigma = 0.9
	mu := math.Log(mean) - sigma*sigma/2
	id := int32(0)
	for i := range n {
		tokens := min(max(int(math.Exp(mu+sigma*rng.NormFloat64())), 1), longest)
		ids := make([]int32, tokens)
		for j := range ids {
			id++
			ids[j] = id
		}
		third := tokens / 3
		c.add(masked(ids, func(j int) bool { return j >= third && j < 2*third || j%5 == 0 }), i+1, 1)
	}
	return c
}

// collect takes n batches, or all when n < 0.
func collect(t testing.TB, it Iterator, n int) []*Batch {
	t.Helper()
	var out []*Batch
	for n < 0 || len(out) < n {
		b, err := it.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		out = append(out, b)
	}
	return out
}

// checkBatch verifies a batch against the corpus without using the spans'
// placement code: each segment must be a whole example, with its own targets.
// It returns the example numbers, found by their first id.
func checkBatch(t testing.TB, c *Corpus, byFirstID map[int32]int, b *Batch) []int {
	t.Helper()
	n := b.Rows * b.SeqLen
	require.Equal(t, n, b.Processed)
	for _, s := range [][]int32{b.Tokens, b.Targets, b.Positions, b.Segments} {
		require.Len(t, s, n)
	}
	var used []int
	real, supervised := 0, 0
	for row := range b.Rows {
		at, end, segment := row*b.SeqLen, (row+1)*b.SeqLen, int32(1)
		for at < end && b.Segments[at] != 0 {
			i, ok := byFirstID[b.Tokens[at]]
			require.True(t, ok, "no example begins with %d", b.Tokens[at])
			used = append(used, i)
			ex := c.Example(i)
			require.LessOrEqual(t, at+len(ex.IDs), end)
			counts := make([]bool, len(ex.IDs)+1)
			for _, s := range ex.Spans {
				for j := s.Start; j < s.End; j++ {
					counts[j] = true
				}
			}
			for j, id := range ex.IDs {
				require.Equal(t, id, b.Tokens[at+j])
				require.Equal(t, int32(j), b.Positions[at+j])
				require.Equal(t, segment, b.Segments[at+j])
				want := int32(-1)
				if counts[j+1] {
					want = ex.IDs[j+1]
					supervised++
				}
				require.Equal(t, want, b.Targets[at+j])
			}
			real += len(ex.IDs)
			at += len(ex.IDs)
			segment++
		}
		for ; at < end; at++ {
			require.Equal(t, [4]int32{0, -1, 0, 0}, [4]int32{b.Tokens[at], b.Targets[at], b.Positions[at], b.Segments[at]})
		}
	}
	require.Equal(t, real, b.RealTokens)
	require.Equal(t, supervised, b.SupervisedTokens)
	require.Equal(t, len(used), b.Examples)
	return used
}

func firstIDs(c *Corpus) map[int32]int {
	m := map[int32]int{}
	for i := range c.Len() {
		m[c.Example(i).IDs[0]] = i
	}
	return m
}

// requireResume takes steps batches of a fresh iterator; a second one, restored
// at each step from JSON, must yield the same.
func requireResume(t *testing.T, steps int, fresh func() Iterator) {
	t.Helper()
	it := fresh()
	var cursors []Cursor
	var want []*Batch
	for {
		text, err := json.Marshal(it.Cursor())
		require.NoError(t, err)
		cursor, err := ParseCursor(text)
		require.NoError(t, err)
		cursors = append(cursors, cursor)
		if len(want) == steps {
			break
		}
		got := collect(t, it, 1)
		if len(got) == 0 {
			break
		}
		want = append(want, got...)
	}
	require.Greater(t, len(want), 2)
	for i, cursor := range cursors {
		resumed := fresh()
		require.NoError(t, resumed.Restore(cursor), "step %d", i)
		require.Equal(t, fmt.Sprintf("%+v", cursor), fmt.Sprintf("%+v", resumed.Cursor()), "step %d", i)
		got := collect(t, resumed, len(want)-i)
		require.Equal(t, len(want)-i, len(got), "step %d", i)
		for j := range got {
			require.Equal(t, want[i+j], got[j], "resumed at %d, step %d", i, i+j)
		}
	}
}
