package llama

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/graph"
)

// Config holds the keys of a Hugging Face config.json that the architecture
// reads, with their spelling there.
type Config struct {
	ModelType             string       `json:"model_type"`
	HiddenSize            int          `json:"hidden_size"`
	NumHiddenLayers       int          `json:"num_hidden_layers"`
	IntermediateSize      int          `json:"intermediate_size"`
	NumAttentionHeads     int          `json:"num_attention_heads"`
	NumKeyValueHeads      int          `json:"num_key_value_heads"` // default: num_attention_heads
	HeadDim               int          `json:"head_dim"`            // default: hidden_size / num_attention_heads
	RMSNormEps            float64      `json:"rms_norm_eps"`
	VocabSize             int          `json:"vocab_size"`
	RopeTheta             float64      `json:"rope_theta"`
	RopeScaling           *RopeScaling `json:"rope_scaling"`
	RopeParameters        *RopeScaling `json:"rope_parameters"` // transformers 5 puts rope_theta in here
	TieWordEmbeddings     bool         `json:"tie_word_embeddings"`
	AttentionBias         bool         `json:"attention_bias"`
	MLPBias               bool         `json:"mlp_bias"`
	HiddenAct             string       `json:"hidden_act"`
	MaxPositionEmbeddings int          `json:"max_position_embeddings"`
	SlidingWindow         *int         `json:"sliding_window"`
	UseSlidingWindow      *bool        `json:"use_sliding_window"`
}

// RopeScaling stretches the rotary positions.
type RopeScaling struct {
	RopeType                      string  `json:"rope_type"`
	Type                          string  `json:"type"` // older name of rope_type
	Factor                        float64 `json:"factor"`
	LowFreqFactor                 float64 `json:"low_freq_factor"`
	HighFreqFactor                float64 `json:"high_freq_factor"`
	OriginalMaxPositionEmbeddings float64 `json:"original_max_position_embeddings"`
	RopeTheta                     float64 `json:"rope_theta"`
}

// ParseConfig reads a config.json and checks what the architecture needs.
func ParseConfig(raw []byte) (*Config, error) {
	// mlx-lm's ModelArgs ties embeddings by default for llama, as HF does not:
	// files written by either state it, so the default only matters for hand-made ones.
	c := &Config{RMSNormEps: 1e-6, RopeTheta: 10000}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	if _, stated := keys["tie_word_embeddings"]; !stated {
		c.TieWordEmbeddings = c.ModelType != "llama" && c.ModelType != "mistral"
	}
	if p := c.RopeParameters; p != nil {
		if p.RopeTheta > 0 {
			c.RopeTheta = p.RopeTheta
		}
		if c.RopeScaling == nil {
			c.RopeScaling = p
		}
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	for _, f := range []struct {
		key         string
		value, most int
	}{{"hidden_size", c.HiddenSize, 1 << 24}, {"num_hidden_layers", c.NumHiddenLayers, 1 << 12}, {"intermediate_size", c.IntermediateSize, 1 << 24},
		{"num_attention_heads", c.NumAttentionHeads, 1 << 16}, {"vocab_size", c.VocabSize, 1 << 24}} {
		if f.value <= 0 {
			return fmt.Errorf("config.json: %s is %d, want a positive number", f.key, f.value)
		}
		if f.value > f.most {
			return fmt.Errorf("config.json: %s is %d, want at most %d", f.key, f.value, f.most)
		}
	}
	if c.HeadDim == 0 && c.HiddenSize%c.NumAttentionHeads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of num_attention_heads %d", c.HiddenSize, c.NumAttentionHeads)
	}
	if c.NumKeyValueHeads < 0 || c.NumAttentionHeads%c.kvHeads() != 0 {
		return fmt.Errorf("config.json: num_attention_heads %d is not a multiple of num_key_value_heads %d", c.NumAttentionHeads, c.NumKeyValueHeads)
	}
	if d := c.headDim(); d <= 0 || d%2 != 0 || d > 1<<16 {
		return fmt.Errorf("config.json: head_dim is %d, want an even number up to 65536", d)
	}
	if c.HiddenAct != "" && c.HiddenAct != "silu" {
		return fmt.Errorf("config.json: hidden_act is %q, want \"silu\"", c.HiddenAct)
	}
	if c.RMSNormEps <= 0 || c.RopeTheta <= 0 {
		return fmt.Errorf("config.json: rms_norm_eps is %g and rope_theta %g, want positive numbers", c.RMSNormEps, c.RopeTheta)
	}
	if w := c.SlidingWindow; w != nil && *w > 0 && *w < c.MaxPositionEmbeddings && (c.UseSlidingWindow == nil || *c.UseSlidingWindow) {
		return fmt.Errorf("config.json: sliding_window is %d: windowed attention is not supported", *w)
	}
	return c.validateRope()
}

func (c *Config) validateRope() error {
	s := c.RopeScaling
	if s == nil {
		return nil
	}
	switch s.kind() {
	case "default":
		return nil
	case "linear":
		if s.Factor >= 1 {
			return nil
		}
		return fmt.Errorf("config.json: rope_scaling.factor is %g, want at least 1", s.Factor)
	case "llama3":
		if s.Factor >= 1 && s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.OriginalMaxPositionEmbeddings > 0 {
			return nil
		}
		return fmt.Errorf("config.json: rope_scaling %+v lacks a factor ≥ 1, low_freq_factor < high_freq_factor or original_max_position_embeddings", *s)
	}
	return fmt.Errorf("config.json: rope_scaling type %q is not supported (there are: default, linear, llama3)", s.kind())
}

func (s *RopeScaling) kind() string {
	switch {
	case s.RopeType != "":
		return s.RopeType
	case s.Type != "":
		return s.Type
	}
	return "default"
}

func (c *Config) headDim() int {
	if c.HeadDim > 0 {
		return c.HeadDim
	}
	return c.HiddenSize / c.NumAttentionHeads
}

func (c *Config) kvHeads() int {
	if c.NumKeyValueHeads > 0 {
		return c.NumKeyValueHeads
	}
	return c.NumAttentionHeads
}

// qkvBias: Qwen2 has biases on q, k, v and none on o.
func (c *Config) qkvBias() bool { return c.AttentionBias || c.ModelType == "qwen2" }

// ropeScale multiplies positions: 1/factor for linear scaling.
func (c *Config) ropeScale() float64 {
	if c.RopeScaling != nil && c.RopeScaling.kind() == "linear" {
		return 1 / c.RopeScaling.Factor
	}
	return 1
}

// ropeFreqs are Llama 3's divisors: long waves are stretched by the factor,
// short ones kept, and those between interpolated.
func (c *Config) ropeFreqs() *graph.Array {
	s := c.RopeScaling
	if s == nil || s.kind() != "llama3" {
		return nil
	}
	d := c.headDim()
	freqs := make([]float32, d/2)
	lowWave := s.OriginalMaxPositionEmbeddings / s.LowFreqFactor
	highWave := s.OriginalMaxPositionEmbeddings / s.HighFreqFactor
	for i := range freqs {
		f := math.Pow(c.RopeTheta, float64(2*i)/float64(d))
		wave := 2 * math.Pi * f
		switch {
		case wave > lowWave:
			f *= s.Factor
		case wave > highWave:
			smooth := (s.OriginalMaxPositionEmbeddings/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
			f /= (1-smooth)/s.Factor + smooth
		}
		freqs[i] = float32(f)
	}
	return graph.FromSlice(freqs, d/2)
}
