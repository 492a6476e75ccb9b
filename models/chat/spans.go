package chat

import (
	"fmt"
	"strings"
	"time"
)

// AssistantSpans renders a conversation and says which bytes of the text the
// assistant wrote: for each of its messages one span, from where the generation
// prompt ends to where the message does, the template's end-of-turn token included.
//
// A template that marks these with {% generation %} blocks is believed. For any
// other, the conversation up to a message is rendered twice: without the message, but
// with the generation prompt, and with it. Where the first text starts the second and
// the second the whole, the difference is the span. Some templates change what came
// before, for example drop the reasoning of earlier turns; then the message's texts
// are replaced by marks and looked for in the whole. A message that cannot be found
// is an error.
func (t *Template) AssistantSpans(in Input) (text string, spans []Span, err error) {
	now := time.Now()
	text, s, err := t.render(in, now)
	if err != nil {
		return "", nil, err
	}
	if t.generation && !s.lost {
		return text, s.spans, nil
	}
	f := &spanFinder{t: t, in: in, now: now, text: text}
	for i, m := range in.Messages {
		if role(m) != "assistant" {
			continue
		}
		span, ok := f.byPrefix(i)
		if !ok {
			span, err = f.byMarks(i)
		}
		if err != nil {
			return "", nil, err
		}
		if n := len(spans); n > 0 && spans[n-1].End > span.Start {
			return "", nil, f.fail(i, "it overlaps the one before")
		}
		spans = append(spans, span)
	}
	return text, spans, nil
}

func role(m Value) any {
	if d, ok := m.v.(*dict); ok {
		v, _ := d.get("role")
		return v
	}
	return nil
}

// spanFinder finds the assistant's messages in a rendered conversation.
type spanFinder struct {
	t    *Template
	in   Input
	now  time.Time
	text string // the whole conversation
}

func (f *spanFinder) fail(i int, why string) error {
	return fmt.Errorf("%s: cannot tell which part of the text messages[%d] of the assistant is: %s; "+
		"add {%% generation %%} around what the template writes for an assistant", f.t.name, i, why)
}

// render renders other messages; ok is false if the template rejects them.
func (f *spanFinder) render(messages []Value, prompt bool) (text string, ok bool) {
	in := f.in
	in.Messages, in.AddGenerationPrompt = messages, prompt
	text, _, err := f.t.render(in, f.now)
	return text, err == nil
}

// byPrefix compares the conversation before message i with the one after it.
func (f *spanFinder) byPrefix(i int) (Span, bool) {
	before, ok := f.render(f.in.Messages[:i], true)
	if !ok || !strings.HasPrefix(f.text, before) {
		return Span{}, false
	}
	after, ok := f.render(f.in.Messages[:i+1], false)
	if !ok || len(after) <= len(before) || !strings.HasPrefix(f.text, after) {
		return Span{}, false
	}
	return Span{len(before), len(after)}, true
}

// byMarks replaces the texts of message i by marks and looks for them: what is before
// the first mark and after the last is not the message's.
func (f *spanFinder) byMarks(i int) (Span, error) {
	mark := f.unusedMark()
	messages := append([]Value{}, f.in.Messages...)
	messages[i] = Value{marked(f.in.Messages[i].v, mark, 0)}
	whole, ok := f.render(messages, f.in.AddGenerationPrompt)
	if !ok {
		return Span{}, f.fail(i, "the template rejects other texts in its place")
	}
	first, last := strings.Index(whole, mark), strings.LastIndex(whole, mark)
	if first < 0 {
		return Span{}, f.fail(i, "the template does not write it")
	}
	tail := whole[last+len(mark):]
	if !strings.HasPrefix(f.text, whole[:first]) || !strings.HasSuffix(f.text, tail) || first+len(tail) > len(f.text) {
		return Span{}, f.fail(i, "the text around it depends on it")
	}
	span := Span{first, len(f.text) - len(tail)}
	// The turn ends with what the template writes after the last text of a
	// conversation that ends here, and starts after the generation prompt.
	if part, ok := f.render(messages[:i+1], false); ok {
		if at := strings.LastIndex(part, mark); at >= 0 {
			end := part[at+len(mark):]
			for _, e := range []string{end, strings.TrimRightFunc(end, isSpace)} {
				if strings.HasPrefix(f.text[span.End:], e) {
					span.End += len(e)
					break
				}
			}
		}
	}
	span.Start = f.turnStart(i, span.Start, messages, mark)
	return span, nil
}

// turnStart moves the start of message i's first text back to the end of the
// generation prompt, if that stands between the message before and this one. What is
// between the two opens a tool call or the reasoning.
func (f *spanFinder) turnStart(i, start int, messages []Value, mark string) int {
	with, ok := f.render(f.in.Messages[:i], true)
	if !ok {
		return start
	}
	without, ok := f.render(f.in.Messages[:i], false)
	prompt := strings.TrimPrefix(with, without)
	if !ok || prompt == with || prompt == "" {
		return start
	}
	between := f.text[:start]
	if i > 0 {
		previous := mark + "before"
		messages[i-1] = Value{marked(f.in.Messages[i-1].v, previous, 0)}
		whole, _ := f.render(messages, f.in.AddGenerationPrompt)
		whole = strings.ReplaceAll(whole, previous, "\x00")
		first := strings.Index(whole, mark)
		if first < 0 {
			return start
		}
		at := strings.LastIndexByte(whole[:first], 0)
		if between = whole[at+1 : first]; at < 0 || !strings.HasSuffix(f.text[:start], between) {
			return start
		}
	}
	if at := strings.LastIndex(between, prompt); at >= 0 {
		return start - len(between) + at + len(prompt)
	}
	return start
}

// unusedMark is a word that is not in the text.
func (f *spanFinder) unusedMark() string {
	for n := 0; ; n++ {
		if mark := fmt.Sprintf("ftmetalmark%dx", n); !strings.Contains(f.text, mark) {
			return mark
		}
	}
}

// marked is a message with a mark for each of its texts; what a template tells
// messages and tool calls apart by, or checks the form of, stays.
func marked(v any, mark string, depth int) any {
	switch v := v.(type) {
	case string:
		if v != "" {
			return mark
		}
	case *list:
		out := &list{}
		for _, item := range v.items {
			out.items = append(out.items, marked(item, mark, depth+1))
		}
		return out
	case *dict:
		out := newDict()
		for i, k := range v.keys {
			if k == "role" && depth == 0 || k == "type" || k == "id" || k == "tool_call_id" {
				out.set(k, v.vals[i])
				continue
			}
			out.set(k, marked(v.vals[i], mark, depth+1))
		}
		return out
	}
	return v
}
