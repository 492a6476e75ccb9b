package parity

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/ftmetal/ftmetal/internal/half"
	"github.com/ftmetal/ftmetal/metal"
	"github.com/ftmetal/ftmetal/models/weights"
)

// Report is how far a run is from the recording: the largest relative difference
// of a step's loss, and distances of tensors, which are the norm of the
// difference over the norm of the recording.
type Report struct {
	Steps                 int
	Loss                  float64
	Grad                  float64 // of the tensor whose gradient at step 1 differs most
	Final                 float64 // of all final values together
	FinalWorst            float64 // of the tensor whose final value differs most
	GradName, FinalName   string  // the tensors that differ most
	LossStep              int
	Tolerance             float64 // what the dtype of the weights allows
	WantLosses, GotLosses []float64
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d steps: losses differ by at most %.2g (step %d), step-1 gradients by %.2g (%s), final adapters by %.2g together (at most %.2g, %s); allowed %g",
		r.Steps, r.Loss, r.LossStep, r.Grad, r.GradName, r.Final, r.FinalWorst, r.FinalName, r.Tolerance)
}

// OK reports whether every difference is within the tolerance.
func (r Report) OK() bool {
	return r.Loss <= r.Tolerance && r.Grad <= r.Tolerance && r.Final <= r.Tolerance
}

// Compare reads what a replay in out wrote and compares it with the trajectory
// in dir.
func Compare(dir, out string) (Report, error) {
	t, err := readTrajectory(dir)
	if err != nil {
		return Report{}, err
	}
	r := Report{Tolerance: 1e-4}
	if t.DType == "bfloat16" || t.DType == "float16" {
		r.Tolerance = 2e-2
	}
	if r.GotLosses, err = readLosses(filepath.Join(out, "log.jsonl")); err != nil {
		return r, err
	}
	for i, l := range t.Log {
		r.WantLosses = append(r.WantLosses, l.Loss)
		if i >= len(r.GotLosses) {
			return r, fmt.Errorf("%s: the log has %d train losses, the trajectory %d", out, len(r.GotLosses), len(t.Log))
		}
		r.Steps++
		if d := math.Abs(r.GotLosses[i]-l.Loss) / math.Abs(l.Loss); !(d <= r.Loss) {
			r.Loss, r.LossStep = d, i+1
		}
	}
	if _, r.Grad, r.GradName, err = compareFiles(filepath.Join(dir, "grad1.safetensors"), filepath.Join(out, "grad1.safetensors")); err != nil {
		return r, err
	}
	r.Final, r.FinalWorst, r.FinalName, err = compareFiles(filepath.Join(dir, "final.safetensors"), filepath.Join(out, "adapters", "adapters.safetensors"))
	return r, err
}

// readLosses lists the losses of the progress events of a log.
func readLosses(path string) ([]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var losses []float64
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e struct {
			Type string  `json:"type"`
			Loss float64 `json:"loss"`
		}
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if e.Type == "progress" {
			losses = append(losses, e.Loss)
		}
	}
	return losses, s.Err()
}

// compareFiles is the distance of all tensors of two files together, and the
// largest distance of two of one name. The files must name the same tensors.
func compareFiles(wantPath, gotPath string) (all, worst float64, name string, err error) {
	want, err := weights.Open(wantPath)
	if err != nil {
		return 0, 0, "", err
	}
	defer want.Close()
	got, err := weights.Open(gotPath)
	if err != nil {
		return 0, 0, "", err
	}
	defer got.Close()
	if len(want.Tensors()) != len(got.Tensors()) {
		return 0, 0, "", fmt.Errorf("%s has %d tensors, %s %d", gotPath, len(got.Tensors()), wantPath, len(want.Tensors()))
	}
	var diffs, norms float64
	for _, w := range want.Tensors() {
		g, ok := got.Lookup(w.Name)
		if !ok || fmt.Sprint(g.Shape) != fmt.Sprint(w.Shape) {
			return 0, 0, "", fmt.Errorf("%s: tensor %q of shape %v is missing", gotPath, w.Name, w.Shape)
		}
		diff, norm, err := squares(w, g)
		if err != nil {
			return 0, 0, "", err
		}
		diffs, norms = diffs+diff, norms+norm
		if d := distance(diff, norm); !(d <= worst) {
			worst, name = d, w.Name
		}
	}
	return distance(diffs, norms), worst, name, nil
}

// distance is the square root of diff over norm; where the recording is zero,
// of diff alone.
func distance(diff, norm float64) float64 {
	if norm == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / norm)
}

// squares are the sums of the squares of got - want and of want.
func squares(want, got weights.Tensor) (diff, norm float64, err error) {
	w, err := floats(want)
	if err != nil {
		return 0, 0, err
	}
	g, err := floats(got)
	if err != nil {
		return 0, 0, err
	}
	for i := range w {
		diff += (g[i] - w[i]) * (g[i] - w[i])
		norm += w[i] * w[i]
	}
	return diff, norm, nil
}

func floats(t weights.Tensor) ([]float64, error) {
	out := make([]float64, len(t.Data)/t.DType.Size())
	for i := range out {
		switch t.DType {
		case metal.Float32:
			b := t.Data[4*i:]
			out[i] = float64(math.Float32frombits(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24))
		case metal.BFloat16:
			out[i] = float64(half.BF16ToF32(uint16(t.Data[2*i]) | uint16(t.Data[2*i+1])<<8))
		case metal.Float16:
			out[i] = float64(half.F16ToF32(uint16(t.Data[2*i]) | uint16(t.Data[2*i+1])<<8))
		default:
			return nil, fmt.Errorf("tensor %q is %s", t.Name, t.DType)
		}
	}
	return out, nil
}
