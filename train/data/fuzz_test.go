package data

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Any line is an example that obeys the rules of Example, or an error of one line.
func FuzzRow(f *testing.F) {
	for _, line := range []string{
		`{"text":"a"}`, `{"prompt":"a","completion":"b","tools":[]}`, `{"messages":[{"role":"assistant","content":"x"}]}`,
		`{"input_ids":[1,2,3],"labels":[-100,2,3]}`, `{"input_ids":[1,2,3],"prompt_length":1}`, `{"input_ids":[ 1 , 2 ]}`,
		`{"input_ids":[1,{"a":[2,3]}]}`, `{"input_ids":[-2147483649]}`, `{"text":null}`, `null`, `[]`, "{\"text\":\"\xff\"}",
	} {
		for mask := range uint8(3) {
			f.Add([]byte(line), mask, mask == 0)
		}
	}
	f.Fuzz(func(t *testing.T, line []byte, mask uint8, template bool) {
		opt := Options{Features: Features{}.withDefaults(), Mask: Mask(mask % 3), VocabSize: 266}
		e := &rowEncoder{enc: byteEncoder{template: template}, opt: opt}
		ex, keys, err := e.example(line)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.Positive(t, keys)
		require.NotEmpty(t, ex.IDs)
		for _, id := range ex.IDs {
			require.True(t, id >= 0 && id < 266)
		}
		end := int32(0)
		for _, s := range ex.Spans {
			require.True(t, s.Start >= 1 && s.Start > end-1 && s.Start < s.End && int(s.End) <= len(ex.IDs), "%v", ex.Spans)
			end = s.End + 1
		}
		short := ex.truncate((len(ex.IDs) + 1) / 2)
		require.LessOrEqual(t, short.Supervised(), ex.Supervised())
		c := &Corpus{}
		c.add(ex, 1, keys)
		require.Equal(t, ex.Supervised(), c.Example(0).Supervised())
	})
}

// Any text is a cursor that works, or an error of one line.
func FuzzCursor(f *testing.F) {
	c := lognormal(30, 20, 60, 1)
	for i := range c.records { // masks that Compat accepts
		ex := suffix(c.Example(i).IDs, 1)
		c.records[i].spans, c.records[i].spanCount, c.records[i].offset = int32(len(c.spans)), int32(len(ex.Spans)), 1
		c.spans = append(c.spans, ex.Spans...)
	}
	fresh := func(t testing.TB) []Iterator {
		packed, err := NewPacked(c, PackedConfig{Rows: 2, SeqLen: 64, Seed: 1, Epochs: 3})
		require.NoError(t, err)
		padded, err := NewPadded(c, PaddedConfig{Rows: 2, MaxSeqLen: 64, Seed: 1, Epochs: 3})
		require.NoError(t, err)
		compat, err := NewCompat(c, NewRandomState(1), CompatConfig{Rows: 2, MaxSeqLen: 64, Loop: true})
		require.NoError(t, err)
		return []Iterator{packed, padded, compat}
	}
	for _, it := range fresh(f) {
		for range 3 {
			text, err := json.Marshal(it.Cursor())
			require.NoError(f, err)
			f.Add(text)
			f.Add([]byte(strings.Replace(string(text), `"position":`, `"position":1`, 1)))
			_, err = it.Next(context.Background())
			require.NoError(f, err)
		}
	}
	f.Add([]byte(`{"kind":"packed","pending":[-1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		cursor, err := ParseCursor(text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		for _, it := range fresh(t) {
			if err := it.Restore(cursor); err != nil {
				require.NotContains(t, err.Error(), "\n")
				continue
			}
			collect(t, it, 20)
		}
	})
}
