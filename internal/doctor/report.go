package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/ftmetal/ftmetal/internal/atomicfile"
	"github.com/ftmetal/ftmetal/metal"
)

// Report is the file for a bug report.
type Report struct {
	Format      int       `json:"format"`
	Version     string    `json:"version"`
	Date        string    `json:"date"`
	Command     []string  `json:"command"`
	Complete    bool      `json:"complete"`          // false: the process ended before the examination did
	Running     string    `json:"running,omitempty"` // what was at work when the file was written
	Environment []string  `json:"environment"`       // variables that are set
	Machine     []Fact    `json:"machine"`
	Device      []Fact    `json:"device"`
	Kernels     []Row     `json:"kernels"`
	Failures    []Failure `json:"failures"`
	Barriers    []Barrier `json:"barriers"`
	Speeds      []Speed   `json:"speeds"`

	device, chip string // their names
	roof         roofline
}

// Fact is a line about the machine or the device.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Row is an op in one dtype.
type Row struct {
	Op       string   `json:"op"`
	DType    string   `json:"dtype"`
	Cases    int      `json:"cases"`
	Failed   int      `json:"failed"`
	Error    number   `json:"error"`                 // of the element that came closest to its bound, or beyond
	Allowed  number   `json:"allowed"`               // there; 0: all elements are exact
	Share    number   `json:"share"`                 // Error over Allowed
	Closest  string   `json:"closest"`               // its case; "" where all are exact
	Seconds  float64  `json:"seconds"`               // of the runs, with launching
	Device   float64  `json:"device_seconds"`        // of the dispatches, as the device tells
	SameBits *int     `json:"same_bits,omitempty"`   // cases with the software device's bits
	Kernels  []string `json:"kernel_names,omitzero"` // that ran
}

// Failure is a case that failed.
type Failure struct {
	Case    string            `json:"case"`
	Kernels []string          `json:"kernel_names"`
	Error   string            `json:"error"`
	Others  map[string]string `json:"others"` // what the case does on other devices
}

// Barrier is a repetition that has to give the same result each time.
type Barrier struct {
	What  string `json:"what"`
	Runs  int    `json:"runs"`
	Error string `json:"error,omitempty"`
}

// Speed is a measurement.
type Speed struct {
	What  string  `json:"what"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Roof  float64 `json:"roof,omitempty"` // the chip's; 0: none is known
}

// number is a float64 that may be infinite or NaN in JSON, as a string.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); math.IsInf(f, 0) || math.IsNaN(f) {
		return json.Marshal(fmt.Sprint(f))
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		var f float64
		_, err := fmt.Sscan(s, &f)
		*n = number(f)
		return err
	}
	return json.Unmarshal(data, (*float64)(n))
}

// save writes the report as it is, with what runs next.
func (r *run) save(running string) error {
	r.report.Running = running
	if r.opt.Out == "" {
		return nil
	}
	return atomicfile.Write(r.opt.Out, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(r.report)
	})
}

// failed is a *Failed where something failed.
func (r *Report) failed() error {
	f := &Failed{Device: r.device}
	add := func(name string) {
		if f.Count++; f.Count <= 3 {
			f.What = append(f.What, name)
		}
	}
	for _, c := range r.Failures {
		add(c.Case)
	}
	for _, b := range r.Barriers {
		if b.Error != "" {
			add(b.What)
		}
	}
	if f.Count == 0 {
		return nil
	}
	return f
}

// brokenBarriers counts the repetitions that failed.
func (r *Report) brokenBarriers() int {
	n := 0
	for _, b := range r.Barriers {
		if b.Error != "" {
			n++
		}
	}
	return n
}

// deviceOf are the facts of a device.
func deviceOf(dev metal.Device, choice metal.Choice) []Fact {
	info := dev.Info()
	facts := []Fact{{"device", fmt.Sprintf("%s: %s (%s)", choice.Name, info.Name, choice.Reason)},
		{"memory limits", fmt.Sprintf("%s in all, %s in one buffer", metal.FormatBytes(info.MemoryBytes), metal.FormatBytes(info.MaxBuffer))}}
	if d, ok := dev.(metal.Describer); ok {
		for _, f := range d.Facts() {
			facts = append(facts, Fact(f))
		}
	}
	return facts
}
