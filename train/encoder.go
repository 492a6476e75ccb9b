package train

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/ftmetal/ftmetal/models/chat"
	"github.com/ftmetal/ftmetal/models/tokenizer"
	"github.com/ftmetal/ftmetal/train/data"
)

// encoder is a model folder's tokenizer and chat template, as data sees them.
type encoder struct {
	tok      *tokenizer.Tokenizer
	template *chat.Template
}

// newEncoder loads the tokenizer of a folder; a folder without one gives nil,
// which is enough for rows of token ids.
func newEncoder(dir string) (data.Encoder, error) {
	if !exists(filepath.Join(dir, "tokenizer.json")) {
		return nil, nil
	}
	return NewEncoder(dir)
}

// Encoder turns text and conversations into token ids.
type Encoder = *encoder

// NewEncoder loads the tokenizer and chat template of a model folder.
func NewEncoder(dir string) (Encoder, error) {
	tok, err := tokenizer.Load(dir)
	if err != nil {
		return nil, err
	}
	e := &encoder{tok: tok}
	if src := tok.ChatTemplate(); src != "" {
		if e.template, err = chat.Parse(filepath.Join(dir, "chat_template"), src); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Tokenizer is the folder's tokenizer.
func (e *encoder) Tokenizer() *tokenizer.Tokenizer { return e.tok }

// Encode implements data.Encoder.
func (e *encoder) Encode(text string, addSpecial bool) []int32 { return e.tok.Encode(text, addSpecial) }

// EOS implements data.Encoder.
func (e *encoder) EOS() (int32, bool) { return e.tok.EOS() }

// input is what the template sees.
func (e *encoder) input(messages []chat.Value, tools json.RawMessage, prompt bool) (chat.Input, error) {
	in := chat.Input{Messages: messages, AddGenerationPrompt: prompt, Vars: map[string]chat.Value{}}
	for name, s := range e.tok.SpecialTokens() {
		in.Vars[name] = chat.String(s)
	}
	if len(tools) > 0 && string(tools) != "null" {
		v, err := chat.FromJSON(tools)
		if err != nil {
			return in, fmt.Errorf("tools: %w", err)
		}
		in.Tools = v
	}
	return in, nil
}

// Prompt renders messages with the generation prompt.
func (e *encoder) Prompt(messages json.RawMessage) (string, error) {
	if e.template == nil {
		return "", data.ErrNoChatTemplate
	}
	list, err := chat.Messages(messages)
	if err != nil {
		return "", err
	}
	in, err := e.input(list, nil, true)
	if err != nil {
		return "", err
	}
	text, _, err := e.template.Render(in)
	return text, err
}

// EncodeChat implements data.Encoder.
func (e *encoder) EncodeChat(messages, tools json.RawMessage) (ids []int32, assistant []bool, promptLen int, err error) {
	if e.template == nil {
		return nil, nil, 0, data.ErrNoChatTemplate
	}
	list, err := chat.Messages(messages)
	if err != nil {
		return nil, nil, 0, err
	}
	in, err := e.input(list, tools, false)
	if err != nil {
		return nil, nil, 0, err
	}
	text, spans, err := e.template.AssistantSpans(in)
	if err != nil {
		return nil, nil, 0, err
	}
	ids, offsets := e.tok.EncodeOffsets(text, false)
	assistant = make([]bool, len(ids))
	k := 0
	for i, o := range offsets {
		for k < len(spans) && spans[k].End <= o[0] {
			k++
		}
		assistant[i] = k < len(spans) && o[0] >= spans[k].Start && o[1] <= spans[k].End && o[1] > o[0]
	}
	in.Messages, in.AddGenerationPrompt = list[:max(len(list)-1, 0)], true
	if len(in.Messages) == 0 {
		return ids, assistant, 0, nil
	}
	prompt, _, err := e.template.Render(in)
	if err != nil {
		return nil, nil, 0, err
	}
	return ids, assistant, len(e.tok.Encode(prompt, false)), nil
}
