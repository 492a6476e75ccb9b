package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// folder writes a model folder with the miniature tokenizer and the given files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["tokenizer.json"] = miniature
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	return dir
}

func TestLoad(t *testing.T) {
	tok, err := Load(folder(t, map[string]string{
		"special_tokens_map.json": `{"bos_token":"b","unk_token":{"content":"<unk>","lstrip":false},"additional_special_tokens":["a"]}`,
		"tokenizer_config.json": `{"bos_token":{"__type":"AddedToken","content":"a"},"eos_token":"<eot>","pad_token":null,"image_token":"<img>",
			"add_bos_token":true,"chat_template":"{{ bos_token }}","model_max_length":1e30}`,
		"generation_config.json": `{"eos_token_id":[3,4,2]}`,
		"config.json":            `{"eos_token_id":1}`,
	}))
	require.NoError(t, err)
	bos, ok := tok.BOS()
	require.True(t, ok)
	require.Equal(t, int32(1), bos, "tokenizer_config.json wins")
	eos, ok := tok.EOS()
	require.True(t, ok)
	require.Equal(t, int32(4), eos)
	require.Equal(t, []int32{4, 3, 2}, tok.EOSAll())
	_, ok = tok.PAD()
	require.False(t, ok)
	require.Equal(t, "{{ bos_token }}", tok.ChatTemplate())
	require.Equal(t, map[string]string{"bos_token": "a", "eos_token": "<eot>", "unk_token": "<unk>", "image_token": "<img>"}, tok.SpecialTokens())
	tok.SpecialTokens()["bos_token"] = "changed"
	require.Equal(t, "a", tok.SpecialTokens()["bos_token"])
}

func TestLoadChatTemplate(t *testing.T) {
	named := `{"chat_template":[{"name":"rag","template":"R"},{"name":"default","template":"D"}]}`
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{}, ""},
		{map[string]string{"tokenizer_config.json": `{"chat_template":null}`}, ""},
		{map[string]string{"tokenizer_config.json": named}, "D"},
		{map[string]string{"tokenizer_config.json": named, "chat_template.jinja": "J\n"}, "J\n"},
	} {
		tok, err := Load(folder(t, c.files))
		require.NoError(t, err)
		require.Equal(t, c.want, tok.ChatTemplate())
	}
}

func TestLoadEOSFromConfig(t *testing.T) {
	tok, err := Load(folder(t, map[string]string{"generation_config.json": `{}`, "config.json": `{"eos_token_id":2}`}))
	require.NoError(t, err)
	require.Equal(t, []int32{2}, tok.EOSAll())
}

func TestLoadErrors(t *testing.T) {
	_, err := Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "tokenizer.json")
	for _, c := range []struct{ file, content, want string }{
		{"tokenizer_config.json", `{`, "tokenizer_config.json: unexpected end of JSON input"},
		{"tokenizer_config.json", `{"eos_token":"<end>"}`, `tokenizer_config.json: eos_token: token "<end>" is not in the vocabulary of`},
		{"tokenizer_config.json", `{"chat_template":5}`, "tokenizer_config.json: chat_template: want a string or a list of named templates"},
		{"tokenizer_config.json", `{"chat_template":[{"name":"rag","template":"R"}]}`, "tokenizer_config.json: chat_template: the list has no template named default"},
		{"special_tokens_map.json", `[]`, "special_tokens_map.json: json: cannot unmarshal array"},
		{"generation_config.json", `{"eos_token_id":"x"}`, `generation_config.json: eos_token_id: got "x", want an id or a list of ids`},
	} {
		_, err := Load(folder(t, map[string]string{c.file: c.content}))
		require.ErrorContains(t, err, c.want)
	}
}
