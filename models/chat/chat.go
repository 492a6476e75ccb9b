package chat

import (
	"encoding/json"
	"fmt"
	"time"
)

// Template is a chat template that was read. It never changes, so any number of
// goroutines may render it.
type Template struct {
	name       string
	body       []stmt
	generation bool // it marks what the assistant writes
	steps      int  // that a render may take
}

// Parse reads a template. The name stands in errors. Nothing of it is run.
func Parse(name, src string) (t *Template, err error) {
	if len(src) > maxSource {
		return nil, fmt.Errorf("%s: a template of %d bytes is over the limit of %d", name, len(src), maxSource)
	}
	defer catch(&err)
	t = &Template{name: name, steps: maxSteps}
	t.body, t.generation = parse(name, lex(name, src))
	return t, nil
}

// Input is what a template is given.
type Input struct {
	Messages []Value // see Messages
	Tools    Value   // a list of tool descriptions, or None
	// AddGenerationPrompt asks for the start of the assistant's next message.
	AddGenerationPrompt bool
	// Vars are further variables, such as the special tokens bos_token and eos_token.
	Vars map[string]Value
}

// Span is a range of bytes, [Start, End), of a rendered text.
type Span struct{ Start, End int }

// Render runs the template. The spans are what its {% generation %} blocks wrote;
// see AssistantSpans for those of any template.
func (t *Template) Render(in Input) (text string, spans []Span, err error) {
	text, s, err := t.render(in, time.Now())
	if err != nil {
		return "", nil, err
	}
	if s.lost {
		return "", nil, fmt.Errorf("%s: a generation block inside of a macro, call or set block", t.name)
	}
	return text, s.spans, nil
}

// render runs the template at a given time.
func (t *Template) render(in Input, now time.Time) (text string, s *state, err error) {
	defer catch(&err)
	messages := make([]any, len(in.Messages))
	for i, m := range in.Messages {
		messages[i] = m.v
	}
	vars := map[string]any{"documents": nil}
	for name, v := range in.Vars {
		vars[name] = v.v
	}
	vars["messages"] = &list{messages}
	vars["tools"] = in.Tools.v
	vars["add_generation_prompt"] = in.AddGenerationPrompt
	s = &state{t: t, vars: vars, scope: &scope{}, out: &output{root: true}, line: 1, now: now}
	s.run(t.body)
	return string(s.out.text), s, nil
}

// Messages reads a conversation: a JSON list of objects that have a role.
func Messages(raw json.RawMessage) ([]Value, error) {
	v, err := FromJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("messages: %w", err)
	}
	l, ok := v.v.(*list)
	if !ok {
		return nil, fmt.Errorf("messages: expected a list of objects, got %s", jsonType(v.v))
	}
	if len(l.items) == 0 {
		return nil, fmt.Errorf("messages: the list is empty")
	}
	out := make([]Value, len(l.items))
	for i, item := range l.items {
		d, ok := item.(*dict)
		if !ok {
			return nil, fmt.Errorf("messages[%d]: expected an object, got %s", i, jsonType(item))
		}
		role, ok := d.get("role")
		if !ok {
			return nil, fmt.Errorf(`messages[%d]: no "role"`, i)
		}
		if _, ok := role.(string); !ok {
			return nil, fmt.Errorf("messages[%d].role: expected a string, got %s", i, jsonType(role))
		}
		out[i] = Value{item}
	}
	return out, nil
}
