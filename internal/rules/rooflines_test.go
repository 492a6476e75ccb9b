package rules

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/internal/ui"
	"github.com/ftmetal/ftmetal/metal/darwin"
	_ "github.com/ftmetal/ftmetal/metal/null"
	"github.com/ftmetal/ftmetal/models"
	"github.com/ftmetal/ftmetal/models/nn"
	"github.com/ftmetal/ftmetal/train"
	"github.com/stretchr/testify/require"
)

// rooflineModels are the columns of the tables of rooflines.
var rooflineModels = []struct{ name, config string }{
	{"SmolLM2-135M", "smollm2-135m"}, {"Qwen2.5-0.5B", "qwen2.5-0.5b"}, {"Llama-3.2-1B", "llama-3.2-1b"},
}

// emptyModel is a folder with a model of a configuration, whose weights are a file
// of holes.
func emptyModel(t *testing.T, config string) string {
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(root, "tools/randmodel/configs", config+".json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644))
	model, _, err := models.New(text)
	require.NoError(t, err)
	at, header := int64(0), map[string]any{}
	for _, p := range nn.Params(model) {
		n := int64(2)
		for _, d := range p.Shape {
			n *= int64(d)
		}
		header[p.Name] = map[string]any{"dtype": "BF16", "shape": p.Shape, "data_offsets": []int64{at, at + n}}
		at += n
	}
	data, err := json.Marshal(header)
	require.NoError(t, err)
	file := filepath.Join(dir, "model.safetensors")
	require.NoError(t, os.WriteFile(file, append(binary.LittleEndian.AppendUint64(nil, uint64(len(data))), data...), 0o644))
	require.NoError(t, os.Truncate(file, 8+int64(len(data))+at))
	return dir
}

// planned is the LoRA step of a model on one row of tokens, on the device that
// runs nothing.
func planned(t *testing.T, config string, tokens int) train.PlanReport {
	cfg := train.DefaultConfig("")
	cfg.Model, cfg.Device = emptyModel(t, config), "null"
	cfg.BatchSize, cfg.MaxSeqLength, cfg.Rank = 1, tokens, 16
	plan, err := train.Predict(t.Context(), cfg)
	require.NoError(t, err)
	return plan
}

// tokensPerSecond is what a chip's roofline allows a plan.
func tokensPerSecond(plan train.PlanReport, c darwin.Chip) float64 {
	return float64(plan.Tokens) / plan.Roofline(c.TFLOPS*1e12, c.Bandwidth*1e9).Seconds()
}

// rooflineTable is a table of the chips that chosen takes.
func rooflineTable(plans []train.PlanReport, chosen func(name string) bool) string {
	var b strings.Builder
	b.WriteString("Tokens/s that the roofline allows; not measured on Apple hardware.\n\n| GPU, the largest of its kind | TFLOPS | GB/s |")
	for _, m := range rooflineModels {
		fmt.Fprintf(&b, " %s |", m.name)
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(rooflineModels)) + "\n")
	for _, c := range darwin.Chips() {
		if !chosen(c.Name) {
			continue
		}
		fmt.Fprintf(&b, "| %s | %.1f | %.0f |", c.Name, c.TFLOPS, c.Bandwidth)
		for _, p := range plans {
			fmt.Fprintf(&b, " %s |", ui.Grouped(int64(math.Round(tokensPerSecond(p, c)/10)*10)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// The tables of rooflines are what the chips' rates and the steps' plans give.
func TestRooflinesOfTheDocuments(t *testing.T) {
	var plans []train.PlanReport
	for _, m := range rooflineModels {
		plans = append(plans, planned(t, m.config, 2048))
	}
	generated(t, "docs/apple.md", rooflineTable(plans, func(string) bool { return true }))
	generated(t, "README.md", rooflineTable(plans, func(name string) bool {
		return name == "Apple M1" || strings.HasPrefix(name, "Apple M4") || name == "Apple M5 Max"
	}))
}

// The step's plan, on the rates alone, comes to what arithmetic on the model's
// shape gives: 2 FLOPs a weight forward and backward, head included, and causal
// attention once forward and twice backward. Kernels that wait for memory, launches
// and LoRA's own products take the rest.
func TestRooflineFollowsFromTheShape(t *testing.T) {
	const layers, d, q, kv, ff, vocab, tokens = 16, 2048, 2048, 512, 8192, 128256, 512
	weights := float64(layers)*(d*(2*q+2*kv)+3*d*ff) + d*vocab
	attention := 4.0 * q * (tokens / 2) * layers
	perToken := 4*weights + 3*attention
	plan := planned(t, "llama-3.2-1b", tokens)
	for name, want := range map[string]float64{"Apple M1": 519, "Apple M4 Max": 3212} { // of a survey, by hand
		chip, known := darwin.ChipOf(name)
		require.True(t, known)
		bound := chip.TFLOPS * 1e12 / perToken
		require.InEpsilon(t, want, bound, 0.01)
		got := tokensPerSecond(plan, chip)
		require.Less(t, got, bound)
		require.Greater(t, got, 0.8*bound)
	}
}
