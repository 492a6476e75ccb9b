package debug

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A value that a variable cannot have is an error of Check, and counts as none.
func TestNonsense(t *testing.T) {
	t.Setenv("FTMETAL_BATCH", "")
	require.Equal(t, 256, Batch(), "empty is not set")
	for name, values := range map[string][]string{
		"FTMETAL_BATCH":       {"many", "0", "-1", "1e3", "256 ", "99999999999999999999", "\x01", "١"},
		"FTMETAL_WIRED":       {"-1", "8GiB", "9223372036854775807"},
		"FTMETAL_WORKERS":     {"two", "-2", "1000000"},
		"FTMETAL_NATIVE":      {"false", "no", "2"},
		"FTMETAL_FUSE":        {"off"},
		"FTMETAL_SHUFFLE":     {"-7", "0x10"},
		"FTMETAL_DEBUG":       {"verbose", "3"},
		"FTMETAL_CAPTURE":     {"trace", "trace.gputrace/"},
		"FTMETAL_CAPTURE_RUN": {"0", "first"},
	} {
		for _, v := range values {
			t.Run(name, func(t *testing.T) {
				t.Setenv(name, v)
				require.ErrorContains(t, Check(), "the environment variable "+name+" is ")
				require.Equal(t, []any{256, int64(0), 0, true, true, uint64(0), 0, "", 1},
					[]any{Batch(), Wired(), Workers(), Native(), Fuse(), Shuffle(), Level(), Capture(), CaptureRun()})
			})
		}
	}
	t.Setenv("FTMETAL_WIRED", "3")
	t.Setenv("FTMETAL_WORKERS", "4")
	t.Setenv("FTMETAL_NATIVE", "0")
	t.Setenv("FTMETAL_CAPTURE", "a b.gputrace")
	require.NoError(t, Check())
	require.Equal(t, []any{int64(3 << 30), 4, false, "a b.gputrace"}, []any{Wired(), Workers(), Native(), Capture()})
	require.Contains(t, Given(), "FTMETAL_WORKERS=4")
}

func TestCheckSaysWhatIsWanted(t *testing.T) {
	t.Setenv("FTMETAL_WORKERS", "1.5")
	require.EqualError(t, Check(), `the environment variable FTMETAL_WORKERS is "1.5", want a whole number from 0 to 1024`)
	t.Setenv("FTMETAL_WORKERS", "")
	t.Setenv("FTMETAL_SHUFFLE", "-1")
	require.EqualError(t, Check(), `the environment variable FTMETAL_SHUFFLE is "-1", want a whole number from 0 on`)
}
