package models_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/stretchr/testify/require"
)

// Any config.json gives a model whose parameters have shapes, or a one-line
// error that says where it comes from.
func FuzzConfig(f *testing.F) {
	all, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, path := range all {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		text := string(raw)
		_, config, found := strings.Cut(text, `"config": `)
		if !found { // quantized.json
			continue
		}
		f.Add([]byte(config[:max(strings.Index(config, `, "input_ids"`), strings.Index(config, `, "cached"`))]))
	}
	for _, s := range []string{"", "null", "[]", `{"model_type":"llama"}`, `{"model_type":"llama","hidden_size":1e99}`,
		`{"model_type":"llama","hidden_size":64,"num_hidden_layers":16000000,"intermediate_size":8,"num_attention_heads":1,"vocab_size":8}`,
		`{"model_type":"llama","hidden_size":64,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":4,"num_key_value_heads":3,"vocab_size":8}`,
		`{"model_type":"llama","hidden_size":64,"num_hidden_layers":1,"intermediate_size":8,"num_attention_heads":1,"vocab_size":8,"rope_scaling":{"rope_type":"yarn"}}`,
		`{"model_type":"llama","quantization":{"bits":4}}`,
		`{"model_type":"llama","quantization":{"bits":4,"group_size":64,"mode":null,"a.b":true,"c":{"bits":3},"d":[1]}}`,
		`{"model_type":"llama","quantization_config":{"quant_method":"fp8"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		m, info, err := models.New(config)
		if err != nil {
			require.Contains(t, err.Error(), "config.json: ")
			require.NotContains(t, err.Error(), "\n")
			return
		}
		if q := info.Quantization; q != nil {
			_, err := q.Resolved()
			require.NoError(t, err)
			for name, l := range q.Layers {
				require.False(t, l.Off && l.As != nil, name)
			}
		}
		for _, p := range nn.Params(m) {
			for _, d := range p.Shape {
				require.Positive(t, d, p.Name)
			}
		}
	})
}
