// From a row to token ids and the spans that count in the loss.

package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Encoder turns text into token ids; the model's tokenizer implements it.
type Encoder interface {
	// Encode returns the ids of text; addSpecial adds what the tokenizer puts
	// round a text of its own, such as a beginning-of-sequence token.
	Encode(text string, addSpecial bool) []int32
	// EOS returns the end-of-sequence token, if the tokenizer has one.
	EOS() (int32, bool)
	// EncodeChat renders a conversation (a JSON array of messages, and tools
	// or nil) by the chat template. assistant[i] says that ids[i] is inside an
	// assistant turn. promptLen is the length of the render of messages[:-1]
	// with the generation prompt. A tokenizer without a template returns
	// ErrNoChatTemplate. Errors are one line without a prefix.
	EncodeChat(messages, tools json.RawMessage) (ids []int32, assistant []bool, promptLen int, err error)
}

// ErrNoChatTemplate is what EncodeChat returns when there is no template.
// Prompt and completion are then encoded one after the other; rows of messages
// become an error.
var ErrNoChatTemplate = errors.New("the tokenizer has no chat template")

// Mask says which tokens of a row count in the loss.
type Mask int

const (
	// MaskAuto counts the assistant tokens of all turns of a conversation, the
	// completion after a prompt, every token of a text, and what labels or
	// prompt_length say. The default.
	MaskAuto Mask = iota
	// MaskPrompt counts only the last message or the completion, as mlx-lm's
	// --mask-prompt does. Rows without a prompt are an error.
	MaskPrompt
	// MaskFull counts every token, as mlx-lm does without --mask-prompt.
	// Labels of -100 are still left out.
	MaskFull
)

// LongRows says what happens to a row of more than Options.MaxTokens tokens.
type LongRows int

const (
	// LongError refuses the row. The default.
	LongError LongRows = iota
	// LongTruncate keeps the first MaxTokens tokens and counts the row in
	// Stats.Truncated, which the caller should report.
	LongTruncate
)

// DefaultMaxBytes is the memory limit of a Corpus unless Options says
// otherwise: 4 GiB, about a billion tokens.
const DefaultMaxBytes = 4 << 30

// Options say how rows become examples.
type Options struct {
	Features Features
	Mask     Mask
	// VocabSize is the number of rows of the model's embedding; ids outside
	// are an error. 0 checks only that ids are not negative.
	VocabSize int
	// MaxTokens is the longest allowed row in tokens, 0 for any length.
	// Leave it 0 for Compat, which truncates after sorting by full length.
	MaxTokens int
	Long      LongRows
	// MaxBytes limits the memory of the tokenised rows, 0 for DefaultMaxBytes.
	MaxBytes int64
}

// Span is the token positions [Start, End) of an example.
type Span struct {
	Start, End int32
}

// Example is one tokenised row. Slices may share memory with the Corpus:
// read them only.
type Example struct {
	IDs []int32
	// Spans are the tokens that count in the loss as targets, in ascending
	// order, apart from each other, never position 0 (nothing precedes it).
	Spans []Span
	// Offset is mlx-lm's mask offset: 0 when everything counts, else the first
	// token that counts. Only Compat reads it.
	Offset int
}

// Supervised counts the tokens of ex that are targets.
func (ex Example) Supervised() int {
	n := 0
	for _, s := range ex.Spans {
		n += int(s.End - s.Start)
	}
	return n
}

// rowEncoder makes examples of the rows of one file, all of one kind.
type rowEncoder struct {
	enc  Encoder
	opt  Options
	kind Kind
}

// example encodes one line; keys is the number of JSON keys of its row.
func (e *rowEncoder) example(line []byte) (ex Example, keys int, err error) {
	r, keys, err := parseRow(line)
	if err != nil {
		return Example{}, 0, err
	}
	kind, err := r.kind(e.opt.Features)
	if err != nil {
		return Example{}, 0, err
	}
	if err := e.checkKind(kind); err != nil {
		return Example{}, 0, err
	}
	switch kind {
	case KindText:
		ex, err = e.text(r)
	case KindCompletion:
		ex, err = e.completion(r)
	case KindChat:
		ex, err = e.chat(r)
	case KindLabels:
		ex, err = e.labels(r)
	default:
		ex, err = e.tokens(r, kind)
	}
	if err != nil {
		return Example{}, 0, err
	}
	if err := e.checkIDs(ex.IDs); err != nil {
		return Example{}, 0, err
	}
	return ex, keys, nil
}

// checkKind fixes the kind on the first row and holds the others to it.
func (e *rowEncoder) checkKind(kind Kind) error {
	if e.kind != 0 {
		if kind != e.kind {
			return fmt.Errorf("row is %s, but the file began with %s: one file holds one kind of rows", kind, e.kind)
		}
		return nil
	}
	if e.opt.Mask == MaskPrompt && (kind == KindText || kind == KindTokens) {
		return fmt.Errorf("masking the prompt needs rows with a prompt, got %s", kind)
	}
	if kind <= KindChat && e.enc == nil {
		return fmt.Errorf("rows of %s need a tokenizer", kind)
	}
	e.kind = kind
	return nil
}

func (e *rowEncoder) checkIDs(ids []int32) error {
	if len(ids) == 0 {
		return errors.New("row has no tokens")
	}
	for i, id := range ids {
		if id < 0 || e.opt.VocabSize > 0 && int(id) >= e.opt.VocabSize {
			if e.opt.VocabSize > 0 {
				return fmt.Errorf("token %d has id %d, outside the vocabulary of %d", i, id, e.opt.VocabSize)
			}
			return fmt.Errorf("token %d has the negative id %d", i, id)
		}
	}
	return nil
}

func (e *rowEncoder) text(r row) (Example, error) {
	text, err := r.text(e.opt.Features.Text)
	if err != nil {
		return Example{}, err
	}
	if text == "" {
		return Example{}, fmt.Errorf("%q is empty", e.opt.Features.Text)
	}
	return suffix(e.endWithEOS(e.enc.Encode(text, true)), 0), nil
}

// completion encodes prompt and completion as a conversation of two messages,
// or, without a chat template, one after the other. They are encoded apart, so
// that the tokens of the prompt are the ones seen when generating.
func (e *rowEncoder) completion(r row) (Example, error) {
	f := e.opt.Features
	prompt, err := r.text(f.Prompt)
	if err != nil {
		return Example{}, err
	}
	completion, err := r.text(f.Completion)
	if err != nil {
		return Example{}, err
	}
	if completion == "" {
		return Example{}, fmt.Errorf("%q is empty", f.Completion)
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	messages, err := json.Marshal([]message{{"user", prompt}, {"assistant", completion}})
	if err != nil {
		return Example{}, err
	}
	ex, err := e.conversation(messages, r[keyTools])
	if !errors.Is(err, ErrNoChatTemplate) {
		return ex, err
	}
	ids := slices.Clone(e.enc.Encode(prompt, true))
	start := len(ids)
	if e.opt.Mask == MaskFull {
		start = 0
	}
	return suffix(e.endWithEOS(append(ids, e.enc.Encode(completion, false)...)), start), nil
}

func (e *rowEncoder) chat(r row) (Example, error) {
	messages, err := r.messages(e.opt.Features.Chat)
	if err != nil {
		return Example{}, err
	}
	return e.conversation(messages, r[keyTools])
}

func (e *rowEncoder) conversation(messages, tools json.RawMessage) (Example, error) {
	ids, assistant, promptLen, err := e.enc.EncodeChat(messages, tools)
	if err != nil {
		return Example{}, fmt.Errorf("chat template: %w", err)
	}
	switch e.opt.Mask {
	case MaskFull:
		return suffix(ids, 0), nil
	case MaskPrompt:
		if promptLen < 0 {
			return Example{}, fmt.Errorf("chat template: prompt of %d tokens", promptLen)
		}
		return suffix(ids, promptLen), nil
	}
	if len(assistant) != len(ids) {
		return Example{}, fmt.Errorf("chat template: %d tokens but %d marks of assistant turns", len(ids), len(assistant))
	}
	return masked(ids, func(i int) bool { return assistant[i] }), nil
}

func (e *rowEncoder) labels(r row) (Example, error) {
	ids, err := r.ids(keyIDs)
	if err != nil {
		return Example{}, err
	}
	labels, err := r.ids(keyLabels)
	if err != nil {
		return Example{}, err
	}
	if len(labels) != len(ids) {
		return Example{}, fmt.Errorf("%d labels for %d input_ids", len(labels), len(ids))
	}
	for i, label := range labels {
		if label != ignoreLabel && label != ids[i] {
			return Example{}, fmt.Errorf("labels[%d] is %d, want input_ids[%d] = %d or %d (labels are not shifted)",
				i, label, i, ids[i], ignoreLabel)
		}
	}
	return masked(ids, func(i int) bool { return labels[i] != ignoreLabel }), nil
}

func (e *rowEncoder) tokens(r row, kind Kind) (Example, error) {
	ids, err := r.ids(keyIDs)
	if err != nil {
		return Example{}, err
	}
	start := 0
	if kind == KindPromptLength {
		if start, err = r.promptLength(len(ids)); err != nil {
			return Example{}, err
		}
		if e.opt.Mask == MaskFull {
			start = 0
		}
	}
	return suffix(ids, start), nil
}

// endWithEOS appends the end-of-sequence token unless it is there already.
func (e *rowEncoder) endWithEOS(ids []int32) []int32 {
	eos, ok := e.enc.EOS()
	if !ok || len(ids) > 0 && ids[len(ids)-1] == eos {
		return ids
	}
	return append(slices.Clip(ids), eos)
}

// suffix supervises the tokens from start on.
func suffix(ids []int32, start int) Example {
	ex := Example{IDs: ids, Offset: start}
	if first := max(start, 1); first < len(ids) {
		ex.Spans = []Span{{int32(first), int32(len(ids))}}
	}
	return ex
}

// masked supervises the tokens for which on is true.
func masked(ids []int32, on func(i int) bool) Example {
	ex := Example{IDs: ids, Offset: len(ids)}
	for i := 0; i < len(ids); i++ {
		if !on(i) {
			continue
		}
		start := i
		for i < len(ids) && on(i) {
			i++
		}
		ex.Offset = min(ex.Offset, start)
		if first := max(start, 1); first < i {
			ex.Spans = append(ex.Spans, Span{int32(first), int32(i)})
		}
	}
	return ex
}

// truncate keeps the first n tokens.
func (ex Example) truncate(n int) Example {
	ex.IDs = ex.IDs[:n]
	var spans []Span
	for _, s := range ex.Spans {
		if s.End = min(s.End, int32(n)); s.Start < s.End {
			spans = append(spans, s)
		}
	}
	ex.Spans = spans
	return ex
}
