package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestScore asks the bundled model two things it was trained on, and two whose
// right answer is not the expected one, but begins with it or is its beginning.
func TestScore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	ask := func(question, answer string) row { return row{[]message{{"user", question}, {"assistant", answer}}} }
	require.NoError(t, writeRows(path, []row{ask("What is the capital of France?", "Paris"), ask("Put quotes around: Maria, apples", `"Maria", "apples"`),
		ask("Tell a story about Anna and a fox.", "One day"), ask("What is the capital of Italy?", "Rome, of course")}))
	adapter, log, rows, least := "", "", 2, 0.0
	model := "../demo/model"
	scored := func() string {
		var out bytes.Buffer
		require.NoError(t, score(t.Context(), scoring{&model, &adapter, &path, &log, &rows, &least}, &out))
		return out.String()
	}
	require.Equal(t, "exact match on 2 rows: 100 %\n", scored())
	rows = 4
	require.Equal(t, "exact match on 4 rows: 50 %\n", scored())
}

// TestModelDoesNotKnowTheTask: the demo would prove nothing otherwise.
func TestModelDoesNotKnowTheTask(t *testing.T) {
	model, adapter, data, log, rows, least := "../demo/model", "", "../demo/data/test.jsonl", "", 40, 0.0
	var out bytes.Buffer
	require.NoError(t, score(t.Context(), scoring{&model, &adapter, &data, &log, &rows, &least}, &out))
	require.Equal(t, "exact match on 40 rows: 0 %\n", out.String())
}
