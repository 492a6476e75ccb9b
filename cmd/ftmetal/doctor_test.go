package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftmetal/ftmetal/internal/doctor"
	"github.com/stretchr/testify/require"
)

func TestDoctorExaminesAndReports(t *testing.T) {
	out := filepath.Join(t.TempDir(), "report.json")
	f := newFake("")
	require.Zero(t, f.line("doctor --device soft --only softmax,sort/f32 --out "+out), f.err.String())
	require.Contains(t, f.out.String(), "softmax_vjp")
	require.NotContains(t, f.out.String(), "rms_norm")
	require.Contains(t, f.out.String(), "The report is in "+out)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	var r doctor.Report
	require.NoError(t, json.Unmarshal(data, &r))
	require.True(t, r.Complete)
	require.Equal(t, "doctor", r.Command[1])

	t.Chdir(t.TempDir())
	f = newFake("")
	require.Zero(t, f.line("doctor --device exact --quick --only scan --json"), f.err.String())
	require.NoError(t, json.Unmarshal([]byte(f.out.String()), &r))
	require.True(t, r.Complete)
	require.FileExists(t, "ftmetal-doctor.json")
}

func TestDoctorRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"doctor --only gem,nothing", 2, `no case begins with "nothing"; the kernels are `},
		{"doctor --device gpu --only sort", 1, `unknown device "gpu" (there are: `},
		{"doctor --device null --only sort", 1, "device null holds no memory"},
		{"doctor --only sort --out missing/report.json", 1, "write missing/report.json: no such file or directory"},
		{"doctor --only sort --out .", 1, "is a directory"},
		{"doctor soft", 2, `unexpected argument "soft"`},
		{"doctor --qiuck", 2, "did you mean"},
	} {
		f := newFake("")
		require.Equal(t, c.code, f.line(c.line), c.line)
		require.Contains(t, f.err.String(), c.want)
	}
}

// A variable with a value that it cannot have stops every command.
func TestNonsenseInTheEnvironment(t *testing.T) {
	t.Setenv("FTMETAL_BATCH", "all")
	f := newFake("")
	require.Equal(t, 2, f.line("devices"))
	require.Equal(t, "ftmetal: the environment variable FTMETAL_BATCH is \"all\", want a whole number from 1 to 1048576\n", f.err.String())
}
