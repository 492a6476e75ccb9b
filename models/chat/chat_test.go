package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesSayWhatIsWrong(t *testing.T) {
	for src, want := range map[string]string{
		``:                           "messages: JSON: unexpected EOF",
		`[`:                          "messages: JSON: unexpected EOF",
		`null`:                       "messages: expected a list of objects, got null",
		`{"role":"user"}`:            "messages: expected a list of objects, got an object",
		`"hi"`:                       "messages: expected a list of objects, got a string",
		`[]`:                         "messages: the list is empty",
		`[{"role":"user"}, 5]`:       "messages[1]: expected an object, got a number",
		`[{"content":"x"}]`:          `messages[0]: no "role"`,
		`[{"role":null}]`:            "messages[0].role: expected a string, got null",
		`[{"role":["user"]}]`:        "messages[0].role: expected a string, got a list",
		`[{"role":true}]`:            "messages[0].role: expected a string, got a boolean",
		`[{"role":"user"}] []`:       "messages: JSON goes on after its value",
		`[{"role":"user","n":1e999}`: "messages: JSON",
		`[{"role":"user",}]`:         "messages: JSON",
	} {
		_, err := Messages(json.RawMessage(src))
		require.ErrorContains(t, err, want, "%s", src)
	}
	list, err := Messages(json.RawMessage(`[{"role":"user","content":null}]`))
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func TestFromJSONLimits(t *testing.T) {
	deep := ""
	for range 300 {
		deep += "["
	}
	_, err := FromJSON(json.RawMessage(deep))
	require.ErrorContains(t, err, "nested more than 200 deep")
	digits := "1"
	for range 10000 {
		digits += "0"
	}
	_, err = FromJSON(json.RawMessage(digits))
	require.ErrorContains(t, err, "an integer of 10001 digits is too large")
}

// TestErrorsSayWhere checks name, line and text of errors.
func TestErrorsSayWhere(t *testing.T) {
	for src, want := range map[string]string{
		"a\n{{ 1 | nofilter }}":                      "t.jinja:2: no filter named 'nofilter'",
		"a\n\n{{ 1 is notest }}":                     "t.jinja:3: no test named 'notest'",
		"{% if true %}\n{{ 1|nofilter }}{% endif %}": "t.jinja:2: no filter named 'nofilter'",
		"{{ [1]|map('nofilter')|list }}":             "t.jinja:1: no filter named 'nofilter'",
		"{{ nofunction() }}":                         "t.jinja:1: 'nofunction' is undefined",
		"\n{% notag %}":                              "t.jinja:2: unknown tag 'notag'",
		"{% if 1 %}\n{% notag %}":                    "t.jinja:2: unknown tag 'notag'; the innermost open tag is 'if'",
		"{% if 1 %}\n":                               "t.jinja:1: unexpected end of template: 'if' is open, looking for 'elif' or 'else' or 'endif'",
		"{% if 1 %}{% for i in x %}{% endif %}":      "t.jinja:1: unknown tag 'endif'; the innermost open tag is 'for'",
		"{{ 1 + }}":                                  "t.jinja:1: unexpected end of print statement",
		"{{ a b }}":                                  "t.jinja:1: expected end of print statement, got 'b'",
		"{{ 'a }}":                                   "t.jinja:1: unexpected character",
		"\n{{ a ? b }}":                              "t.jinja:2: unexpected character '?'",
		"{# a":                                       "t.jinja:1: missing end of comment tag",
		"{% raw %}a":                                 "t.jinja:1: missing end of raw directive",
		"{% include 'x' %}":                          "t.jinja:1: unknown tag 'include'",
		"{{ messages[0].content.foo }}":              "t.jinja:1: 'None' has no attribute 'content'",
		"\n\n{{ x.y }}":                              "t.jinja:3: 'x' is undefined",
		"{{ 1 + 'a' }}":                              "t.jinja:1: unsupported operand types for +: 'int' and 'str'",
		"{{ 1 < 'a' }}":                              "t.jinja:1: '<' not supported between instances of 'int' and 'str'",
		"{{ none|length }}":                          "t.jinja:1: length: object of type 'NoneType' has no length",
		"{{ 'a'.replace('b') }}":                     "t.jinja:1: str.replace needs the argument 'new'",
		"{{ 'a'|trim('b', 'c') }}":                   "t.jinja:1: trim takes at most 1 arguments, got 2",
		"{{ 'a'|indent(depth=1) }}":                  "t.jinja:1: indent has no argument 'depth'",
		"{{ [].append(1) }}":                         "t.jinja:1: access to attribute 'append' of 'list' object is unsafe",
		"{{ {}.update({}) }}":                        "t.jinja:1: access to attribute 'update' of 'dict' object is unsafe",
		"{{ ''.__class__() }}":                       "t.jinja:1: access to attribute '__class__' of 'str' object is unsafe",
		"a\n{{ raise_exception('no ' ~ 'tools') }}":  "t.jinja:2: no tools",
		"{% macro f() %}\n{{ 1/0 }}{% endmacro %}\n{{ f() }}": "t.jinja:2: float division or modulo by zero",
		"{{ strftime_now('%Q') }}":                            `t.jinja:1: strftime_now: unknown code %Q in "%Q"`,
		"{{ 'a'.encode('utf-8') }}":                           "t.jinja:1: str.encode is not supported",
		"{{ 'a'.upper }}":                                     "t.jinja:1: a function has no text",
		"{{ lipsum() }}":                                      "t.jinja:1: lipsum is not supported",
		"{{ (-8) ** 0.5 }}":                                   "t.jinja:1: a negative number to a fractional power is complex",
		"{{ [1]|xmlattr }}":                                   "t.jinja:1: no filter named 'xmlattr'",
	} {
		tmpl, err := Parse("t.jinja", src)
		if err == nil {
			_, _, err = tmpl.Render(Input{Messages: make([]Value, 1)})
		}
		require.ErrorContains(t, err, want, "%s", src)
	}
}

func TestVariables(t *testing.T) {
	tmpl, err := Parse("t", "{{ bos_token }}{{ tools is none }}{{ documents is none }}{{ flag }}{{ messages|length }}{{ add_generation_prompt }}")
	require.NoError(t, err)
	text, spans, err := tmpl.Render(Input{
		Messages: []Value{String("x")}, AddGenerationPrompt: true,
		Vars: map[string]Value{"bos_token": String("<s>"), "flag": Bool(true), "messages": String("hidden")},
	})
	require.NoError(t, err)
	require.Empty(t, spans)
	require.Equal(t, "<s>TrueTrueTrue1True", text)
	text, _, err = tmpl.Render(Input{Vars: map[string]Value{"documents": String("d")}})
	require.NoError(t, err)
	require.Equal(t, "TrueFalse0False", text)
}

// TestRendersAtOnce has many goroutines share a template; run with -race.
func TestRendersAtOnce(t *testing.T) {
	g := readGolden(t)
	src, err := os.ReadFile(filepath.Join("testdata", "templates", "qwen3.jinja"))
	require.NoError(t, err)
	tmpl, err := Parse("qwen3", string(src))
	require.NoError(t, err)
	in := g.input(t, "call_result", true)
	want := g.Templates["qwen3"]["call_result prompt"].Text
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() { got[i], _, _ = tmpl.Render(in) })
	}
	wg.Wait()
	for _, text := range got {
		require.Equal(t, want, text)
	}
}

// TestLargeConversation is within the budget of one render.
func TestLargeConversation(t *testing.T) {
	g := readGolden(t)
	src, err := os.ReadFile(filepath.Join("testdata", "templates", "qwen3.jinja"))
	require.NoError(t, err)
	tmpl, err := Parse("qwen3", string(src))
	require.NoError(t, err)
	in := g.input(t, "call_result", true)
	turns := in.Messages
	content := String(string(make([]byte, 4000)))
	for range 250 {
		user := newDict()
		user.set("role", "user")
		user.set("content", content.v)
		in.Messages = append(in.Messages, Value{user})
		in.Messages = append(in.Messages, turns[1:]...)
	}
	text, _, err := tmpl.Render(in)
	require.NoError(t, err)
	require.Greater(t, len(text), 1<<20)
	_, s, err := tmpl.render(in, goldenTime)
	require.NoError(t, err)
	require.Less(t, s.steps, maxSteps/20)
	require.Less(t, s.bytes, maxAlloc/20)
}
