package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBundledFilesAreGenerated makes the tokenizer and the demo's data again.
func TestBundledFilesAreGenerated(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run(t.Context(), []string{"orders", "-out", dir}))
	require.NoError(t, run(t.Context(), []string{"tokenizer", "-out", filepath.Join(dir, "tokenizer.json")}))
	for made, bundled := range map[string]string{"train.jsonl": "data/train.jsonl", "valid.jsonl": "data/valid.jsonl", "test.jsonl": "data/test.jsonl",
		"tokenizer.json": "model/tokenizer.json"} {
		want, err := os.ReadFile(filepath.Join("../demo", bundled))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, made))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "tools/demo/%s is not what demodata makes: run tools/demo/pretrain.sh", bundled)
	}
}

func TestCorpusIsDeterministic(t *testing.T) {
	a, b, other := newCorpus(1, streamTrain), newCorpus(1, streamTrain), newCorpus(1, streamValid)
	differ := false
	for range 2000 {
		x := a.next()
		require.Equal(t, x, b.next())
		differ = differ || len(x.Messages) != len(other.next().Messages)
	}
	require.True(t, differ)
}

// TestCorpusHasNoJSON: the base model must not know the demo's answer.
func TestCorpusHasNoJSON(t *testing.T) {
	c := newCorpus(1, streamTrain)
	for range 50_000 {
		for _, m := range c.next().Messages {
			require.NotEmpty(t, m.Content)
			require.NotContains(t, m.Content, "{0}")
			for _, key := range []string{`{"`, `customer"`, `city"`, `item"`, `amount"`} {
				if key != `{"` { // one of the sequences of signs to repeat
					require.NotContains(t, m.Content, key)
				}
			}
		}
	}
}

func TestEveryTaskIsDrawn(t *testing.T) {
	c, seen := newCorpus(3, streamTrain), map[string]bool{}
	for range 5000 {
		m := c.next().Messages
		seen[m[0].Role+" "+m[len(m)-2].Content] = true
	}
	for _, start := range []string{"Repeat: ", "Put quotes around: ", "Write the sign: ", "Turn round: ", "Put in order: ", "What is the capital of ",
		"What is the opposite of ", "Work out ", "Is ", "Write in figures: ", "Tell a story about ", "Meet ", "To "} {
		found := false
		for k := range seen {
			found = found || strings.HasPrefix(k, "user "+start)
		}
		require.True(t, found, "no question begins with %q", start)
	}
}

// TestOrdersAreHeldOut: what a test row answers with is in its question, and in no
// training row.
func TestOrdersAreHeldOut(t *testing.T) {
	splits := orderSplits(1, 480, 48, 200)
	read := func(r row) (question string, fields [4]string) {
		var o struct{ Customer, City, Item, Amount string }
		require.Len(t, r.Messages, 2)
		require.NoError(t, json.Unmarshal([]byte(r.Messages[1].Content), &o))
		return r.Messages[0].Content, [4]string{o.Customer, o.City, o.Item, o.Amount}
	}
	var known [3]map[string]bool
	for i := range known {
		known[i] = map[string]bool{}
	}
	for _, r := range splits["train"] {
		_, f := read(r)
		for i := range known {
			known[i][f[i]] = true
		}
	}
	questions := map[string]bool{}
	for _, r := range append(splits["valid"], splits["test"]...) {
		q, f := read(r)
		require.False(t, questions[q], "twice: %s", q)
		questions[q] = true
		for i, v := range f {
			require.Contains(t, q, v)
			if i < len(known) {
				require.False(t, known[i][v], "%s is in a training row", v)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "want corpus, tokenizer, orders or score"}, {"corpse", `unknown command "corpse"`}, {"corpus", "corpus: -out is missing"},
		{"orders -out x y", `orders: unexpected argument "y"`}, {"score -data none.jsonl", "none.jsonl"}} {
		require.ErrorContains(t, run(t.Context(), strings.Fields(c.args)), c.want)
	}
}

func TestCheckLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	check := func(text string) (string, error) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		var out bytes.Buffer
		err := checkLog(path, &out)
		return out.String(), err
	}
	const start = `{"type":"validated","loss":4,"test":false}` + "\n" + `{"type":"progress","loss":9}` + "\n"
	out, err := check(start + `{"type":"validated","loss":1.5,"test":false}` + "\n" + `{"type":"validated","loss":7,"test":true}`)
	require.NoError(t, err)
	require.Equal(t, "validation loss: 4.000 before, 1.500 after\n", out)
	_, err = check(start + `{"type":"validated","loss":2,"test":false}`)
	require.ErrorContains(t, err, "from 4.000 to 2.000, want less than half")
	_, err = check(start)
	require.ErrorContains(t, err, "1 validations, want at least 2")
	_, err = check(start + "{")
	require.ErrorContains(t, err, path)
	require.NoError(t, checkLog("", io.Discard))
}
