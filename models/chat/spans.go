package chat

import (
	"fmt"
	"regexp"
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
		if span.Start == span.End {
			continue // an empty message of which the template writes nothing
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
	after, ok := f.text, true // of the whole conversation
	if i+1 < len(f.in.Messages) || f.in.AddGenerationPrompt {
		after, ok = f.render(f.in.Messages[:i+1], false)
	}
	if !ok || len(after) < len(before) || !strings.HasPrefix(f.text, after) {
		return Span{}, false
	}
	return Span{len(before), len(after)}, true
}

// byMarks replaces the texts of message i by marks and looks for them: what is before
// the first mark and after the last is not the message's. A template may look into a
// text, so there is a second try that leaves tags such as <think> where they are.
func (f *spanFinder) byMarks(i int) (Span, error) {
	mark := f.unusedMark()
	span, err := f.byMarked(i, mark, func(t string) string { return mark })
	if err != nil {
		if second, ok := f.byMarked(i, mark, func(t string) string { return markBetweenTags(t, mark) }); ok == nil {
			return second, nil
		}
	}
	return span, err
}

// byMarked is byMarks with texts replaced by replace.
func (f *spanFinder) byMarked(i int, mark string, replace func(t string) string) (Span, error) {
	messages := append([]Value{}, f.in.Messages...)
	messages[i] = markMessage(f.in.Messages[i], mark, replace)
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
	// The same for all other messages, so that what is between two can be told.
	others := strings.ToUpper(mark)
	all := append([]Value{}, messages...)
	for k := range all {
		if k != i {
			all[k] = markMessage(all[k], others, func(string) string { return others })
		}
	}
	if whole, ok := f.render(all, f.in.AddGenerationPrompt); ok && strings.Contains(whole, mark) {
		first, last := strings.Index(whole, mark), strings.LastIndex(whole, mark)
		if strings.Contains(whole[first:last], others) {
			return Span{}, f.fail(i, "the template writes another message inside of it")
		}
		between := afterLast(whole[:first], others)
		if prompt, ok := f.render(all[:i], true); ok && strings.HasSuffix(f.text[:span.Start], between) {
			span.Start += turnStart(between, afterLast(prompt, others)) - len(between)
		}
	}
	span.End += f.turnEnd(messages[:i+1], mark, f.text[span.End:])
	return span, nil
}

// afterLast is what follows the last mark, or the whole text if there is none.
func afterLast(text, mark string) string {
	if at := strings.LastIndex(text, mark); at >= 0 {
		return text[at+len(mark):]
	}
	return text
}

// turnStart is how much of between, what stands between two messages' texts, comes
// before a turn of the assistant, if prompt is what precedes a text that it is to
// write. The rest opens a tool call or the reasoning. A prompt that itself opens the
// reasoning counts up to the last tag that is there.
func turnStart(between, prompt string) int {
	for prompt != "" {
		if strings.HasPrefix(between, prompt) {
			return len(prompt)
		}
		prompt = prompt[:strings.LastIndexAny(prompt[:len(prompt)-1], ">]")+1]
	}
	return len(between)
}

// turnEnd is how much of rest, what follows the last text of a message, belongs to the
// message: what follows it at the end of a conversation, or before a generation prompt.
func (f *spanFinder) turnEnd(messages []Value, mark, rest string) int {
	last, ok := f.render(messages, false)
	if !ok || !strings.Contains(last, mark) {
		return 0
	}
	last = afterLast(last, mark)
	ends := []string{last, strings.TrimRightFunc(last, isSpace)}
	with, ok := f.render(messages[:len(messages)-1], true)
	without, same := f.render(messages[:len(messages)-1], false)
	if prompt, cut := strings.CutPrefix(with, without); ok && same && cut && prompt != "" {
		if next, ok := f.render(messages, true); ok {
			if end, cut := strings.CutSuffix(afterLast(next, mark), prompt); cut {
				ends = append(ends, end)
			}
		}
	}
	for _, end := range ends {
		if end != "" && strings.HasPrefix(rest, end) {
			return len(end)
		}
	}
	// The template adds something at the end of a conversation: what is common to both
	// belongs to the message, but for half a tag.
	n := 0
	for n < min(len(last), len(rest)) && last[n] == rest[n] {
		n++
	}
	return strings.LastIndexAny(rest[:n], ">]\n") + 1
}

// unusedMark is a word that is not in the text.
func (f *spanFinder) unusedMark() string {
	for n := 0; ; n++ {
		if mark := fmt.Sprintf("ftmetalmark%dx", n); !strings.Contains(strings.ToLower(f.text), mark) {
			return mark
		}
	}
}

// markMessage is a message with its texts replaced, or with a mark for content if it
// has none.
func markMessage(m Value, mark string, replace func(t string) string) Value {
	found := false
	d := marked(m.v, func(t string) string {
		found = true
		return replace(t)
	}, 0).(*dict)
	if !found {
		d.set("content", mark)
	}
	return Value{d}
}

// marked replaces the texts of v; what a template tells messages and tool calls apart
// by, or checks the form of, stays.
func marked(v any, replace func(t string) string, depth int) any {
	switch v := v.(type) {
	case string:
		if strings.TrimFunc(v, isSpace) != "" {
			return replace(v)
		}
	case *list:
		out := &list{}
		for _, item := range v.items {
			out.items = append(out.items, marked(item, replace, depth+1))
		}
		return out
	case *dict:
		out := newDict()
		for i, k := range v.keys {
			if k == "role" && depth == 0 || k == "type" || k == "id" || k == "tool_call_id" {
				out.set(k, v.vals[i])
				continue
			}
			out.set(k, marked(v.vals[i], replace, depth+1))
		}
		return out
	}
	return v
}

var tag = regexp.MustCompile(`<[^<>\s][^<>]*>`)

// markBetweenTags replaces what is between tags and space by marks.
func markBetweenTags(t, mark string) string {
	var b strings.Builder
	replace := func(part string) {
		core := strings.TrimFunc(part, isSpace)
		if core == "" {
			b.WriteString(part)
			return
		}
		at := strings.Index(part, core)
		b.WriteString(part[:at] + mark + part[at+len(core):])
	}
	at := 0
	for _, m := range tag.FindAllStringIndex(t, -1) {
		replace(t[at:m[0]])
		b.WriteString(t[m[0]:m[1]])
		at = m[1]
	}
	replace(t[at:])
	return b.String()
}
