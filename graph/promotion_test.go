package graph_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/stretchr/testify/require"
)

// promotionTable is MLX's result dtypes, by op and operand dtypes.
type promotionTable struct {
	ArrayArray      map[string]map[string]map[string]string `json:"array_array"`
	ArrayWeakScalar map[string]map[string]map[string]string `json:"array_weak_scalar"`
	WhereWeak       map[string]map[string]string            `json:"where_weak"`
	Unary           map[string]map[string]string            `json:"unary"`
}

func loadPromotion(t *testing.T) promotionTable {
	t.Helper()
	dir := goldenDir()
	raw, err := os.ReadFile(filepath.Join(dir, "promotion.json"))
	if err != nil { // FTMETAL_GOLDEN may name the folder of the families
		raw, err = os.ReadFile(filepath.Join(filepath.Dir(dir), "promotion.json"))
	}
	require.NoError(t, err)
	var table promotionTable
	require.NoError(t, json.Unmarshal(raw, &table))
	return table
}

func ofType(t *testing.T, name string, shape ...int) *graph.Array {
	t.Helper()
	dt, err := metal.ParseDType(name)
	require.NoError(t, err)
	return graph.Ones(shape, dt)
}

// TestPromotionOfArrays holds Promote and the ops that round to floats against
// MLX's table.
func TestPromotionOfArrays(t *testing.T) {
	binary := map[string]func(a, b any) *graph.Array{
		"add": graph.Add, "divide": graph.Divide, "power": graph.Power, "floor_divide": graph.FloorDivide, "less": graph.Less,
		"matmul": func(a, b any) *graph.Array { return graph.Matmul(a.(*graph.Array), b.(*graph.Array)) },
	}
	checked := 0
	for op, rows := range loadPromotion(t).ArrayArray {
		require.Contains(t, binary, op)
		for left, row := range rows {
			for right, want := range row {
				a, b := ofType(t, left, 1, 1), ofType(t, right, 1, 1)
				var got string
				err := graph.Catch(func() { got = binary[op](a, b).DType().String() })
				if strings.HasPrefix(want, "error") {
					require.Error(t, err, "%s(%s, %s)", op, left, right)
				} else {
					require.NoError(t, err)
					require.Equal(t, want, got, "%s(%s, %s)", op, left, right)
				}
				if op == "add" {
					require.Equal(t, want, graph.Promote(a.DType(), b.DType()).String())
				}
				checked++
			}
		}
	}
	require.Greater(t, checked, 800)
}

// goScalar is a Python literal as this engine's operand; ok is false for what Go
// callers cannot pass.
func goScalar(s string) (v any, ok bool) {
	switch {
	case s == "True":
		return true, true
	case strings.HasSuffix(s, "j"):
		c, err := strconv.ParseComplex(strings.TrimSuffix(s, "j")+"i", 128)
		return c, err == nil
	case strings.Contains(s, "."):
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// TestPromotionOfScalars checks that a number adopts the dtype of the array it
// meets, unless its kind is higher. MLX refuses integers that do not fit; here
// they wrap.
func TestPromotionOfScalars(t *testing.T) {
	table := loadPromotion(t)
	binary := map[string]func(a, b any) *graph.Array{
		"add": graph.Add, "divide": graph.Divide, "power": graph.Power, "floor_divide": graph.FloorDivide, "less": graph.Less,
		"where": func(a, b any) *graph.Array { return graph.Where(graph.FromSlice([]bool{true}), a, b) },
	}
	table.ArrayWeakScalar["where"] = table.WhereWeak
	for op, rows := range table.ArrayWeakScalar {
		require.Contains(t, binary, op)
		for left, row := range rows {
			for literal, want := range row {
				v, ok := goScalar(literal)
				if !ok || strings.HasPrefix(want, "error") {
					continue
				}
				require.Equal(t, want, binary[op](ofType(t, left, 1), v).DType().String(), "%s(%s, %s)", op, left, literal)
			}
		}
	}
}

func TestPromotionOfUnaryFunctions(t *testing.T) {
	all := []int(nil)
	unary := map[string]func(a *graph.Array) *graph.Array{
		"abs": func(a *graph.Array) *graph.Array { return graph.Abs(a) }, "exp": func(a *graph.Array) *graph.Array { return graph.Exp(a) },
		"sqrt": func(a *graph.Array) *graph.Array { return graph.Sqrt(a) }, "sign": func(a *graph.Array) *graph.Array { return graph.Sign(a) },
		"sum": func(a *graph.Array) *graph.Array { return graph.Sum(a, all, false) }, "prod": func(a *graph.Array) *graph.Array { return graph.Prod(a, all, false) },
		"mean": func(a *graph.Array) *graph.Array { return graph.Mean(a, all, false) }, "var": func(a *graph.Array) *graph.Array { return graph.Var(a, all, false, 0) },
		"max": func(a *graph.Array) *graph.Array { return graph.Max(a, all, false) }, "argmax": func(a *graph.Array) *graph.Array { return graph.ArgMax(a, 0, false) },
		"all": func(a *graph.Array) *graph.Array { return graph.All(a, all, false) }, "softmax": func(a *graph.Array) *graph.Array { return graph.Softmax(a) },
		"logsumexp": func(a *graph.Array) *graph.Array { return graph.LogSumExp(a, all, false) }, "sort": func(a *graph.Array) *graph.Array { return graph.Sort(a, -1) },
		"argsort": func(a *graph.Array) *graph.Array { return graph.ArgSort(a, -1) }, "square": func(a *graph.Array) *graph.Array { return graph.Square(a) },
		"negative": func(a *graph.Array) *graph.Array { return graph.Negative(a) }, "floor": func(a *graph.Array) *graph.Array { return graph.Floor(a) },
		"round": func(a *graph.Array) *graph.Array { return graph.Round(a) }, "sigmoid": func(a *graph.Array) *graph.Array { return graph.Sigmoid(a) },
		"rsqrt": func(a *graph.Array) *graph.Array { return graph.Rsqrt(a) }, "sin": func(a *graph.Array) *graph.Array { return graph.Sin(a) },
		"logical_not": func(a *graph.Array) *graph.Array { return graph.LogicalNot(a) }, "isnan": func(a *graph.Array) *graph.Array { return graph.IsNaN(a) },
		"cumsum":         func(a *graph.Array) *graph.Array { return graph.CumSum(a, 0, graph.ScanOptions{}) },
		"cumprod":        func(a *graph.Array) *graph.Array { return graph.CumProd(a, 0, graph.ScanOptions{}) },
		"bitwise_invert": func(a *graph.Array) *graph.Array { return graph.BitwiseInvert(a) },
	}
	table := loadPromotion(t).Unary
	for op, fn := range unary {
		for name, want := range table[op] {
			var got string
			err := graph.Catch(func() { got = fn(ofType(t, name, 2)).DType().String() })
			if strings.HasPrefix(want, "error") {
				require.Error(t, err, "%s(%s)", op, name)
				continue
			}
			require.NoError(t, err, "%s(%s)", op, name)
			require.Equal(t, want, got, "%s(%s)", op, name)
		}
	}
}
