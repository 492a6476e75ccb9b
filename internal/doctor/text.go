package doctor

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ftmetal/ftmetal/metal"
)

// text writes what a user reads. Lines fit 80 columns where their values do; on
// a wider terminal, and in a file, the table has one column more.
type text struct {
	w     io.Writer
	width int // columns; 0: as many as there are
	color bool
	twin  bool // whether the table compares with the software device
}

// wideTable is the least width for the column with the closest case.
const wideTable = 110

// ANSI styles.
const red, bold, plain = "\x1b[31m", "\x1b[1m", "\x1b[0m"

func (t *text) style(s, style string) string {
	if !t.color {
		return s
	}
	return style + s + plain
}

// line writes a line; what goes past the edge of a terminal goes on below, with
// the given indentation.
func (t *text) line(s string, indent int) {
	for t.width > indent+20 && utf8.RuneCountInString(s) > t.width {
		runes := []rune(s)
		cut := t.width
		for i := cut; i > indent+20; i-- {
			if runes[i] == ' ' {
				cut = i
				break
			}
		}
		fmt.Fprintln(t.w, string(runes[:cut]))
		s = strings.Repeat(" ", indent) + strings.TrimPrefix(string(runes[cut:]), " ")
	}
	fmt.Fprintln(t.w, s)
}

func (t *text) section(title string) {
	fmt.Fprintln(t.w)
	fmt.Fprintln(t.w, t.style(title, bold))
}

// head writes the facts.
func (t *text) head(r *Report) {
	facts := slices.Concat([]Fact{{"ftmetal", strings.TrimPrefix(r.Version, "ftmetal ")}}, r.Machine, r.Device)
	for _, e := range r.Environment {
		facts = append(facts, Fact{"environment", e})
	}
	const column = 24
	for _, f := range facts {
		t.line(fmt.Sprintf("%-*s%s", column, f.Name, f.Value), column)
	}
}

func (t *text) tableHead(twin bool) {
	t.twin = twin
	t.section("Kernels against float64 references")
	t.row("kernel", "dtype", "cases", "error", "allowed", "time", "device", "as soft", "result", "closest to its bound")
}

// row writes a line of the table.
func (t *text) row(kernel, dtype, cases, err, allowed, took, device, soft, result, closest string) {
	s := fmt.Sprintf("%-19s %-5s %5s %7s %7s %7s %7s", kernel, dtype, cases, err, allowed, took, device)
	if t.twin {
		s += fmt.Sprintf(" %7s", soft)
	}
	s += " " + result
	if t.width == 0 || t.width >= wideTable {
		if n := utf8.RuneCountInString(s); n < 80 {
			s += strings.Repeat(" ", 80-n)
		}
		s += " " + closest
		if t.width > 0 {
			s = string([]rune(s)[:min(t.width, utf8.RuneCountInString(s))])
		}
	}
	s = strings.TrimRight(s, " ")
	if strings.Contains(result, "FAIL") {
		s = t.style(s, red)
	}
	fmt.Fprintln(t.w, s)
}

// rows writes the rows of a family: a line for each float type, and one for the
// others, which are exact.
func (t *text) rows(family string, rows []Row) {
	lines := map[string]*Row{}
	var order []string
	for _, r := range rows {
		name := r.DType
		if !strings.Contains(name, "f") {
			name = "int"
		}
		sum := lines[name]
		if sum == nil {
			sum = &Row{DType: name}
			lines[name], order = sum, append(order, name)
		}
		sum.Cases, sum.Failed, sum.Seconds, sum.Device = sum.Cases+r.Cases, sum.Failed+r.Failed, sum.Seconds+r.Seconds, sum.Device+r.Device
		if r.Share > sum.Share || math.IsNaN(float64(r.Share)) {
			sum.Error, sum.Allowed, sum.Share, sum.Closest = r.Error, r.Allowed, r.Share, r.Closest
		}
		if r.SameBits != nil {
			if sum.SameBits == nil {
				sum.SameBits = new(int)
			}
			*sum.SameBits += *r.SameBits
		}
	}
	for _, name := range order {
		r := lines[name]
		err, allowed, result, soft := "exact", "exact", "ok", ""
		if r.Allowed != 0 {
			err, allowed = fmt.Sprintf("%.1e", r.Error), fmt.Sprintf("%.1e", r.Allowed)
		}
		if r.Failed > 0 {
			result = fmt.Sprintf("%d FAIL", r.Failed)
			if r.Allowed == 0 {
				err, allowed = "wrong", "" // another kind of value, or no result
			}
		}
		if r.SameBits != nil {
			soft = percent(float64(*r.SameBits) / float64(r.Cases))
		}
		t.row(family, name, fmt.Sprint(r.Cases), err, allowed, seconds(r.Seconds), seconds(r.Device), soft, result, r.Closest)
	}
}

// percent is a part of a whole; only a whole is 100 %.
func percent(part float64) string {
	n := int(math.Round(100 * part))
	if part < 1 {
		n = min(n, 99)
	}
	return fmt.Sprintf("%d %%", n)
}

// seconds writes a duration with three digits.
func seconds(s float64) string {
	switch {
	case s >= 0.9995:
		return digits(s) + " s"
	case s >= 0.9995e-3:
		return digits(1e3*s) + " ms"
	}
	return fmt.Sprintf("%.0f µs", 1e6*s)
}

// digits writes a number with three of them, or all those before the point.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// count is a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// failures writes the first few; the others are in the report.
func (t *text) failures(all []Failure) {
	const most = 3
	for _, f := range all[:min(most, len(all))] {
		t.failure(f)
	}
	if more := len(all) - most; more > 0 {
		t.line(fmt.Sprintf("  … and %d more", more), 4)
	}
}

func (t *text) failure(f Failure) {
	others := make([]string, 0, len(f.Others))
	for _, name := range slices.Sorted(maps.Keys(f.Others)) {
		others = append(others, fmt.Sprintf("on %s: %s", name, f.Others[name]))
	}
	t.line("  "+f.Case+": "+f.Error, 4)
	t.line("    kernels: "+strings.Join(f.Kernels, ", ")+"; "+strings.Join(others, "; "), 4)
}

func (t *text) barrier(b Barrier) {
	result := "right each time"
	if b.Error != "" {
		result = "FAIL: " + b.Error
	}
	s := fmt.Sprintf("%-48s %4d runs  %s", b.What, b.Runs, result)
	if b.Error != "" {
		s = t.style(s, red)
	}
	t.line(s, 4)
}

// speedHead says what the rates are compared with.
func (t *text) speedHead(r *Report) {
	if r.chip == "" {
		t.section("Speed: this machine's own figures; no roofline of it is known")
		return
	}
	t.section(fmt.Sprintf("Speed, against %s's roofline with the largest GPU: %.1f TFLOPS, %.0f GB/s", r.chip, r.roof.tflops, r.roof.bandwidth))
}

func (t *text) speed(s Speed) {
	value, unit := s.Value, s.Unit
	if unit == "TFLOPS" && value < 1 {
		value, unit = 1000*value, "GFLOPS"
	}
	line := fmt.Sprintf("%-44s %6s %s", s.What, digits(value), unit)
	if s.Roof > 0 {
		line += fmt.Sprintf("  %s of the roofline", percent(s.Value/s.Roof))
	}
	t.line(line, 4)
}

// verdict is the last word.
func (t *text) verdict(r *Report, out string) {
	cases, ops := 0, map[string]bool{}
	for _, row := range r.Kernels {
		cases += row.Cases
		ops[row.Op] = true
	}
	fmt.Fprintln(t.w)
	result := fmt.Sprintf("%s of %s: every kernel is right.", count(cases, "case"), count(len(ops), "op"))
	if err := r.failed(); err != nil {
		result = fmt.Sprintf("%d of %s fail", len(r.Failures), count(cases, "case"))
		if len(r.Barriers) > 0 {
			result += fmt.Sprintf(", and %d of %s", r.brokenBarriers(), count(len(r.Barriers), "repetition"))
		}
		result = t.style(result+".", red)
	}
	t.line(result, 0)
	if out != "" {
		t.line("The report is in "+out+": attach it to a bug report. It has paths and variables of this machine in it.", 0)
	}
}

// size writes a number of bytes.
func size(n uint64) string { return metal.FormatBytes(int64(min(n, math.MaxInt64))) }
