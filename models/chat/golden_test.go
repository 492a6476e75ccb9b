package chat

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goldenFile is what tools/golden/chat.py writes: the answers of Python's jinja2.
type goldenFile struct {
	Vars          map[string]string                 `json:"vars"`
	Context       map[string]json.RawMessage        `json:"context"`
	Conversations map[string]conversation           `json:"conversations"`
	Templates     map[string]map[string]*goldenCase `json:"templates"`
	Expressions   []*goldenCase                     `json:"expressions"`
	Snippets      []*goldenCase                     `json:"snippets"`
	Cases         map[string][3]string              `json:"cases"`
}

type conversation struct {
	Messages json.RawMessage `json:"messages"`
	Tools    json.RawMessage `json:"tools"`
}

type goldenCase struct {
	Source  string   `json:"source"`
	Text    string   `json:"text"`
	Spans   [][2]int `json:"spans"`
	Error   bool     `json:"error"`
	Message string   `json:"message"` // of raise_exception
}

// goldenTime is chat.py's now.
var goldenTime = time.Date(2026, 3, 5, 7, 8, 9, 123456000, time.UTC)

func readGolden(t testing.TB) *goldenFile {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "golden.json.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var g goldenFile
	require.NoError(t, json.NewDecoder(z).Decode(&g))
	return &g
}

func (g *goldenFile) input(t testing.TB, name string, prompt bool) Input {
	t.Helper()
	c := g.Conversations[name]
	messages, err := Messages(c.Messages)
	require.NoError(t, err)
	tools, err := FromJSON(c.Tools)
	require.NoError(t, err)
	in := Input{Messages: messages, Tools: tools, AddGenerationPrompt: prompt, Vars: map[string]Value{}}
	for k, v := range g.Vars {
		in.Vars[k] = String(v)
	}
	return in
}

// contextInput is what expressions and snippets are rendered with.
func (g *goldenFile) contextInput(t testing.TB) Input {
	t.Helper()
	in := Input{AddGenerationPrompt: true, Vars: map[string]Value{}}
	var err error
	for k, raw := range g.Context {
		in.Vars[k], err = FromJSON(raw)
		require.NoError(t, err)
	}
	in.Messages, err = Messages(g.Context["messages"])
	require.NoError(t, err)
	in.Tools = in.Vars["tools"]
	return in
}

// check renders src and compares with what Python gave.
func (c *goldenCase) check(t testing.TB, name, src string, in Input) {
	t.Helper()
	tmpl, err := Parse(name, src)
	text, spans := "", []Span(nil)
	if err == nil {
		var s *state
		if text, s, err = tmpl.render(in, goldenTime); err == nil {
			spans = s.spans
		}
	}
	if c.Error {
		if err == nil {
			t.Errorf("%s: %s\nwant an error, got %q", name, c.Source, text)
		} else if c.Message != "" && err.(*Error).Msg != c.Message {
			t.Errorf("%s: want the error %q, got %v", name, c.Message, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %s\nwant %q, got error %v", name, c.Source, c.Text, err)
		return
	}
	if text != c.Text {
		t.Errorf("%s: %s\nwant %q\ngot  %q", name, c.Source, c.Text, text)
	}
	want := make([]Span, 0, len(c.Spans))
	for _, s := range c.Spans {
		want = append(want, Span{s[0], s[1]})
	}
	require.Equal(t, want, append([]Span{}, spans...), "%s: %s", name, c.Source)
}

func TestTemplatesMatchPython(t *testing.T) {
	g := readGolden(t)
	require.Greater(t, len(g.Templates), 20)
	for name, cases := range g.Templates {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("testdata", "templates", name+".jinja"))
			require.NoError(t, err)
			for conversation := range g.Conversations {
				cases[conversation].check(t, name+" "+conversation, string(src), g.input(t, conversation, false))
				cases[conversation+" prompt"].check(t, name+" "+conversation+" prompt", string(src), g.input(t, conversation, true))
			}
		})
	}
}

func TestExpressionsMatchPython(t *testing.T) {
	g := readGolden(t)
	require.Greater(t, len(g.Expressions), 500)
	in := g.contextInput(t)
	for _, c := range g.Expressions {
		c.check(t, "expression", "{{ "+c.Source+" }}", in)
	}
}

func TestSnippetsMatchPython(t *testing.T) {
	g := readGolden(t)
	require.Greater(t, len(g.Snippets), 100)
	in := g.contextInput(t)
	for _, c := range g.Snippets {
		c.check(t, "snippet", c.Source, in)
	}
}

// TestCaseMappingsMatchPython checks every character that has an upper, lower or title
// case in Python.
func TestCaseMappingsMatchPython(t *testing.T) {
	g := readGolden(t)
	require.Greater(t, len(g.Cases), 2500)
	for c, want := range g.Cases {
		require.Equal(t, want, [3]string{upper(c), lower(c), title(c)}, "%+q", c)
	}
}
