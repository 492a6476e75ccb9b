package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzTemplate has any template and any messages end in a text or in an error.
func FuzzTemplate(f *testing.F) {
	g := readGolden(f)
	for _, c := range g.Expressions {
		f.Add("{{ "+c.Source+" }}", `[{"role":"user","content":"a"}]`)
	}
	for _, c := range g.Snippets {
		f.Add(c.Source, `[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]`)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "templates", "*.jinja"))
	require.NoError(f, err)
	for _, file := range files {
		src, err := os.ReadFile(file)
		require.NoError(f, err)
		for _, name := range []string{"multi", "call_result", "reasoning"} {
			f.Add(string(src), string(g.Conversations[name].Messages))
		}
	}
	f.Fuzz(func(t *testing.T, src, messages string) {
		tmpl, err := Parse("fuzz", src)
		if err != nil {
			checkError(t, err)
			return
		}
		tmpl.steps = 1 << 16
		list, err := Messages(json.RawMessage(messages))
		if err != nil {
			return
		}
		in := Input{Messages: list, Vars: map[string]Value{"bos_token": String("<s>")}}
		text, s, err := tmpl.render(in, goldenTime)
		if err != nil {
			checkError(t, err)
			return
		}
		again, _, err := tmpl.render(in, goldenTime)
		require.NoError(t, err)
		require.Equal(t, text, again)
		if utf8.ValidString(src) && utf8.ValidString(messages) {
			require.True(t, utf8.ValidString(text), "%q", text)
		}
		checkSpans(t, text, s.spans)
		marked, spans, err := tmpl.AssistantSpans(in)
		if err == nil {
			checkSpans(t, marked, spans)
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	require.True(t, errors.As(err, &e) || strings.HasPrefix(err.Error(), "fuzz: "), "%v", err)
	if e != nil {
		require.Equal(t, "fuzz", e.Template)
		require.Positive(t, e.Line)
	}
}

// checkSpans: spans are in order, not empty and within the text.
func checkSpans(t *testing.T, text string, spans []Span) {
	t.Helper()
	at := 0
	for _, s := range spans {
		require.LessOrEqual(t, at, s.Start)
		require.Less(t, s.Start, s.End)
		at = s.End
	}
	require.LessOrEqual(t, at, len(text))
}
