package nn

import (
	"context"
	"fmt"
	"math"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/graph/tree"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/nn/inits"
)

// Init fills every parameter of module by its layer's rule and evaluates them,
// and gives the layers that draw random numbers their keys. Where fields are in
// the order in which an MLX module makes its layers, the values are those that
// MLX draws after mx.random.seed(seed).
func Init(ctx context.Context, module any, seed uint64) error {
	keys := graph.NewKeySequence(seed)
	var err error
	Walk(module, func(p *Param) {
		if err != nil {
			return
		}
		rule := p.Init
		if rule == nil {
			rule = inits.Constant(0, metal.Float32)
		}
		if p.Array, err = rule(ctx, p.Shape, keys); err != nil {
			err = fmt.Errorf("nn: initial value of %q: %w", p.Name, err)
		}
	})
	if err != nil {
		return err
	}
	SetKeys(module, keys)
	return tree.Eval(ctx, Parameters(module))
}

// random is a layer that draws random numbers.
type random interface{ SetKeys(*graph.KeySequence) }

// SetKeys gives the layers that draw random numbers their keys: every part that
// has a method SetKeys(*graph.KeySequence). Init does it; a model whose weights
// were loaded needs it before it trains with dropout.
func SetKeys(module any, keys *graph.KeySequence) {
	tree.Walk(module, func(part tree.Part) bool {
		if r, ok := part.Value.(random); ok {
			r.SetKeys(keys)
		}
		return true
	})
}

// spread is uniform within ±√(1/fan), the rule of most layers.
func spread(fan int) inits.Initializer {
	limit := math.Sqrt(1 / float64(fan))
	return inits.Uniform(-limit, limit, metal.Float32)
}

// ones fills weights of norms.
func ones() inits.Initializer { return inits.Constant(1, metal.Float32) }
