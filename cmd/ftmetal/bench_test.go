package main

import (
	"encoding/json"
	"testing"

	"github.com/ftmetal/ftmetal/train"
	"github.com/stretchr/testify/require"
)

func TestBenchPrintsATableOrJSON(t *testing.T) {
	f := newFake("")
	require.Zero(t, f.line("bench --model m --batch-size 2 --runs 5"), f.err.String())
	require.Equal(t, 2, f.cfg.BatchSize)
	require.Contains(t, f.out.String(), "455.5")
	require.Contains(t, f.out.String(), "not known on this machine")

	f = newFake("")
	require.Zero(t, f.line("bench --model m --json"))
	var r train.BenchReport
	require.NoError(t, json.Unmarshal([]byte(f.out.String()), &r))
	require.Equal(t, 3, r.Runs)
	require.Equal(t, 455.5, r.Tokens)

	f = newFake("")
	require.Equal(t, 2, f.line("bench --model m --runs 0"))
	require.Contains(t, f.err.String(), "runs is 0")
	require.Equal(t, 2, newFake("").line("bench"))
}
