package doctor

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal"
)

// mostFailures ends an examination: a device that is gone fails every case.
const mostFailures = 200

// goodSize is the traffic of a good case for quick, in bytes; largeSize that of
// one which takes its time.
const goodSize, largeSize = 16 << 10, 1 << 20

// Select returns the cases whose names begin with one of the given texts, all of
// them for none. quick keeps as few cases of each op and dtype as launch all its
// kernels.
func Select(only []string, quick bool) ([]kerneltest.Instance, error) {
	all := kerneltest.Instances()
	used := make([]bool, len(only))
	chosen := all[:0:0]
	for _, in := range all {
		keep := len(only) == 0
		for i, o := range only {
			if strings.HasPrefix(in.Name(), o) {
				keep, used[i] = true, true
			}
		}
		if keep {
			chosen = append(chosen, in)
		}
	}
	for i, o := range only {
		if o == "" || !used[i] {
			return nil, fmt.Errorf("no case begins with %q; the kernels are %s", o, strings.Join(families(all), ", "))
		}
	}
	if quick {
		chosen = covering(chosen)
	}
	return chosen, nil
}

// covering keeps of each op and dtype the cases nearest to a size that is long
// enough for every loop and quick, as many as launch all kernels. A large case is
// kept only for a kernel that no other op launches.
func covering(cases []kerneltest.Instance) []kerneltest.Instance {
	type key struct {
		op string
		dt metal.DType
	}
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	far := make([]float64, len(cases)) // from that size
	kernels, traffic := make([][]string, len(cases)), make([]int64, len(cases))
	for i, in := range cases {
		kernels[i], traffic[i] = in.Launches()
		far[i] = math.Abs(math.Log(float64(max(traffic[i], 1)) / goodSize))
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(far[a], far[b]) })
	launched, anywhere, keep := map[key]map[string]bool{}, map[string]bool{}, make([]bool, len(cases))
	for _, i := range order {
		k := key{cases[i].Op(), cases[i].DType()}
		if launched[k] == nil {
			launched[k] = map[string]bool{}
		}
		for _, name := range kernels[i] {
			keep[i] = keep[i] || !anywhere[name] || !launched[k][name] && traffic[i] < largeSize
			launched[k][name], anywhere[name] = true, true
		}
	}
	var out []kerneltest.Instance
	for i, in := range cases {
		if keep[i] {
			out = append(out, in)
		}
	}
	return out
}

// family is the kernel file's part of an op: what stands before the slash.
func family(op string) string {
	name, _, _ := strings.Cut(op, "/")
	return name
}

// families lists them in the order of the table.
func families(cases []kerneltest.Instance) []string {
	var names []string
	for _, in := range cases {
		if f := family(in.Op()); !slices.Contains(names, f) {
			names = append(names, f)
		}
	}
	return names
}

// kernels runs the table, family by family.
func (r *run) kernels(ctx context.Context) error {
	cases := map[string][]kerneltest.Instance{}
	for _, in := range r.opt.Cases {
		cases[family(in.Op())] = append(cases[family(in.Op())], in)
	}
	r.text.tableHead(r.twin() != nil)
	for _, name := range families(r.opt.Cases) {
		if err := r.save("kernels: " + name); err != nil {
			return err
		}
		begin, failed := len(r.report.Kernels), len(r.report.Failures)
		for _, in := range cases[name] {
			if err := r.check(ctx, in, begin); err != nil {
				return err
			}
		}
		r.text.rows(name, r.report.Kernels[begin:])
		r.text.failures(r.report.Failures[failed:])
	}
	return nil
}

// check runs a case and enters it into the rows from begin on. Its error is the
// end of the examination.
func (r *run) check(ctx context.Context, in kerneltest.Instance, begin int) error {
	row := r.row(in, begin)
	row.Cases++
	o, err := in.Check(ctx, r.pool)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	row.Seconds += o.Took.Seconds()
	for _, k := range o.Kernels {
		if !slices.Contains(row.Kernels, k) {
			row.Kernels = append(row.Kernels, k)
		}
	}
	if w := o.Worst; w.Worst > float64(row.Share) || math.IsNaN(w.Worst) {
		row.Error, row.Allowed, row.Share, row.Closest = number(w.Error), number(w.Allowed), number(w.Worst), in.Name()
	}
	if err == nil {
		var took time.Duration
		if took, err = in.Profile(ctx, r.pool); err != nil {
			err = fmt.Errorf("timing it: %w", err)
		}
		row.Device += took.Seconds()
	}
	if err != nil {
		row.Failed++
		r.report.Failures = append(r.report.Failures, Failure{in.Name(), o.Kernels, err.Error(), r.elsewhere(ctx, in)})
		if len(r.report.Failures) == mostFailures {
			return fmt.Errorf("%d cases failed, the last one is %s: %w", mostFailures, in.Name(), err)
		}
		return ctx.Err()
	}
	if t := r.twin(); t != nil {
		sum, err := in.Sum(ctx, t.pool)
		if err != nil {
			return fmt.Errorf("%s on the device %s: %w", in.Name(), t.name, err)
		}
		if row.SameBits == nil {
			row.SameBits = new(int)
		}
		if sum == o.Sum {
			*row.SameBits++
		}
	}
	return nil
}

// row is the case's, among those from begin on.
func (r *run) row(in kerneltest.Instance, begin int) *Row {
	op, dt := in.Op(), in.DType().Suffix()
	rows := r.report.Kernels[begin:]
	for i := range rows {
		if rows[i].Op == op && rows[i].DType == dt {
			return &rows[i]
		}
	}
	r.report.Kernels = append(r.report.Kernels, Row{Op: op, DType: dt})
	return &r.report.Kernels[len(r.report.Kernels)-1]
}

// elsewhere says what a case that failed does on the other devices: where it
// passes, the kernel's text is right.
func (r *run) elsewhere(ctx context.Context, in kerneltest.Instance) map[string]string {
	results := map[string]string{}
	for _, o := range r.others {
		results[o.name] = "passes"
		if _, err := in.Check(ctx, o.pool); err != nil {
			results[o.name] = err.Error()
		}
	}
	return results
}
