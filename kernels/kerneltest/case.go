package kerneltest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ftmetal/ftmetal/metal"
)

// Case is a row of the table: one op in some dtypes, sizes and fills.
type Case struct {
	Op     string
	DTypes []metal.DType
	Dims   [][]int
	Fills  []Fill  // nil: Uniform
	Bench  [][]int // further Dims, for Bench only; in the float dtypes if there are any
	Make   func(s *Setup)
}

// Dtypes that many families have in common.
var (
	floats   = []metal.DType{metal.Float32, metal.Float16, metal.BFloat16}
	integers = []metal.DType{metal.Uint8, metal.Uint16, metal.Uint32, metal.Uint64, metal.Int8, metal.Int16, metal.Int32, metal.Int64}
	all      = append(append([]metal.DType{metal.Bool}, integers...), floats...)
)

// table holds the cases that the files of the package add.
var table []Case

func add(cases ...Case) bool {
	table = append(table, cases...)
	return true
}

// Instance is one case of a row.
type Instance struct {
	row   *Case
	dtype metal.DType
	dims  []int
	fill  Fill
}

// Op is the row's.
func (in Instance) Op() string { return in.row.Op }

// DType is the one that the case's name has.
func (in Instance) DType() metal.DType { return in.dtype }

// Name is the case's, such as rms_norm/bf16/2x31/outliers.
func (in Instance) Name() string {
	dims := make([]string, len(in.dims))
	for i, d := range in.dims {
		dims[i] = fmt.Sprint(d)
	}
	size := strings.Join(dims, "x")
	if size == "" {
		size = "scalar"
	}
	return fmt.Sprintf("%s/%s/%s/%s", in.row.Op, in.dtype.Suffix(), size, in.fill)
}

// instances calls visit for every case, or for the benchmarks.
func instances(bench bool, visit func(Instance)) {
	for i := range table {
		row := &table[i]
		dims, fills := row.Dims, row.Fills
		if fills == nil {
			fills = []Fill{Uniform}
		}
		dtypes := row.DTypes
		if bench {
			dims, fills = row.Bench, fills[:1]
			if f := slices.DeleteFunc(slices.Clone(dtypes), func(dt metal.DType) bool { return !dt.IsFloat() }); len(f) > 0 {
				dtypes = f
			}
		}
		for _, dt := range dtypes {
			for _, d := range dims {
				for _, f := range fills {
					visit(Instance{row, dt, d, f})
				}
			}
		}
	}
}

// Instances lists the cases in order.
func Instances() []Instance {
	var list []Instance
	instances(false, func(in Instance) { list = append(list, in) })
	return list
}

// source is the random stream of a case.
func source(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}
