package chat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// toolCall is CALL of chat.py as most templates write it.
const toolCall = `"get_weather", "arguments": {"city": "Zürich 😀 \"Stadt\"", "days": [1, 2], "precise": true, "limit": null, "x": 1.0, "y": 1e-07, "big": 12345678901234567890}`

// TestAssistantSpans says what of each template's text an assistant wrote.
func TestAssistantSpans(t *testing.T) {
	const think = "<think>\nThe user says hi.\n</think>\n\n"
	g := readGolden(t)
	for _, c := range []struct {
		template, conversation string
		want                   []string
	}{
		{"chatml", "one", nil},
		{"chatml", "multi", []string{"Hello, how can I help?<|im_end|>\n", " 1. one\n2. two \n<|im_end|>\n"}},
		{"chatml", "assistant_first", []string{"Hello, how can I help?<|im_end|>\n"}},
		{"chatml", "unicode", []string{"Straße\tÉtat\x00'\"\\<|im_end|>\n"}},
		// The default system message is not there before the first message.
		{"chatml_system", "assistant_first", []string{"Hello, how can I help?<|im_end|>\n"}},
		{"chatml_system", "empty", []string{"<|im_end|>\n"}},
		{"llama2", "system", []string{" Hello, how can I help? </s>"}},
		{"llama3", "multi", []string{"Hello, how can I help?<|eot_id|>", "1. one\n2. two<|eot_id|>"}},
		{"gemma3", "parts", []string{"A cat.<end_of_turn>\n"}},
		{"vicuna", "system", []string{"Hello, how can I help?</s>\n\n"}},
		// The tools are before the last message of a user, wherever that is.
		{"mistral_tools", "call_result", []string{"[TOOL_CALLS] [{\"name\": " + toolCall + ", \"id\": \"abcdef123\"}]</s>", " It is 21.5 °C.</s>"}},
		{"mistral_tools", "multi", []string{" Hello, how can I help?</s>", " 1. one\n2. two</s>"}},
		// What ends a conversation is not what ends a turn.
		{"phi4_tools", "multi", []string{"Hello, how can I help?<|end|>", " 1. one\n2. two \n<|end|></s>"}},
		{"harmony", "multi", []string{"<|channel|>final<|message|>Hello, how can I help?<|end|>", "<|channel|>final<|message|> 1. one\n2. two \n<|return|>"}},
		// Reasoning of earlier turns is dropped, and the prompt may open it.
		{"qwen3", "reasoning", []string{"Hello <b>you</b>.<|im_end|>\n", think + "Hello <b>you</b>.<|im_end|>\n"}},
		{"qwen3", "call_result", []string{"<tool_call>\n{\"name\": " + toolCall + "}\n</tool_call><|im_end|>\n", "<think>\n\n</think>\n\nIt is 21.5 °C.<|im_end|>\n"}},
		{"deepseek_r1", "reasoning", []string{"\n\nHello <b>you</b>.<｜end▁of▁sentence｜>", "\n\nHello <b>you</b>.<｜end▁of▁sentence｜>"}},
		{"qwen25", "two_results", []string{
			"<tool_call>\n{\"name\": " + toolCall + "}\n</tool_call>\n<tool_call>\n{\"name\": " + toolCall + "}\n</tool_call><|im_end|>\n",
			"Hello, how can I help?<|im_end|>\n", "Hello, how can I help?<|im_end|>\n"}},
		{"chatml_generation", "multi", []string{"Hello, how can I help?<|im_end|>", " 1. one\n2. two \n<|im_end|>"}},
		{"smollm3", "turn", []string{"<|im_start|>assistant\nHello, how can I help?<|im_end|>\n"}},
	} {
		t.Run(c.template+" "+c.conversation, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("testdata", "templates", c.template+".jinja"))
			require.NoError(t, err)
			tmpl, err := Parse(c.template, string(src))
			require.NoError(t, err)
			in := g.input(t, c.conversation, false)
			text, spans, err := tmpl.AssistantSpans(in)
			require.NoError(t, err)
			rendered, _, err := tmpl.Render(in)
			require.NoError(t, err)
			require.Equal(t, rendered, text)
			var got []string
			for _, s := range spans {
				got = append(got, text[s.Start:s.End])
			}
			require.Equal(t, c.want, got)
		})
	}
}

// spanTexts renders a conversation and lists what the assistant wrote.
func spanTexts(t *testing.T, src, messages string) ([]string, error) {
	t.Helper()
	tmpl, err := Parse("spans", src)
	require.NoError(t, err)
	list, err := Messages([]byte(messages))
	require.NoError(t, err)
	text, spans, err := tmpl.AssistantSpans(Input{Messages: list})
	var got []string
	for _, s := range spans {
		got = append(got, text[s.Start:s.End])
	}
	return got, err
}

const twoTurns = `[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]`

func TestSpansOfTemplatesThatChangeTheirPast(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		want []string
	}{
		"always prompts": {"{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}<assistant>", []string{"b<end>", "d<end><assistant>"}},
		"counts":         {"{{ messages|length }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}", []string{"<assistant>b<end>", "<assistant>d<end>"}},
		"rejects others": {"{% if messages|length != 4 %}{{ raise_exception('four') }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}", []string{"b", "d<end>"}},
		"in a macro":     {"{% macro f(m) %}{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}{% for m in messages %}<{{ m.role }}>{{ f(m) }}<end>{% endfor %}", []string{"<assistant>b<end>", "<assistant>d<end>"}},
		"writes no turn": {"{% for m in messages if m.role == 'user' or m.content == 'd' %}{{ m.content }}.{% endfor %}", []string{"d."}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := spanTexts(t, c.src, twoTurns)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestSpansThatCannotBeFound(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"hidden": {"{{ messages|length }}{% for m in messages %}{{ m.content|length }}{% endfor %}", "messages[1] of the assistant is: the template does not write it"},
		"mixed":  {"{{ messages|map(attribute='content')|join }}{{ messages|map(attribute='content')|join }}", "messages[1] of the assistant is: the template writes another message inside of it"},
		"checks": {"{{ messages|length }}{% if messages[1].content != 'b' %}{{ raise_exception('b') }}{% endif %}{{ messages[1].content }}", "the template rejects other texts"},
		"counts": {"{{ messages|length }}{% for m in messages %}{{ m.content|length }}{{ m.content }}{% endfor %}", "the text around it depends on it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := spanTexts(t, c.src, twoTurns)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "spans: ")
		})
	}
}

// TestRenderRefusesLostSpans: a generation block's place in a macro's text says nothing
// about its place in the whole.
func TestRenderRefusesLostSpans(t *testing.T) {
	tmpl, err := Parse("lost", "{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}")
	require.NoError(t, err)
	_, _, err = tmpl.Render(Input{})
	require.ErrorContains(t, err, "lost: a generation block inside of a macro")
}
