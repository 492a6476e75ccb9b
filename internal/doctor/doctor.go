package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/internal/debug"
	"github.com/ftmetal/ftmetal/kernels/kerneltest"
	"github.com/ftmetal/ftmetal/metal"
)

// Options says what to examine.
type Options struct {
	Device  string                // "" for the best one
	Cases   []kerneltest.Instance // of the table
	Partial bool                  // they are a choice of the user's: barriers and speeds are left out
	Quick   bool                  // fewer repetitions, smaller measurements
	Out     string                // file of the report; "" for none
	Version string                // of the program
	Command []string              // its command line

	Text  io.Writer // what a user reads
	Width int       // columns of the terminal; 0: not one
	Color bool
}

// run is an examination at work.
type run struct {
	opt    Options
	dev    metal.Device
	pool   *metal.Pool
	others []other // what a case that matters is compared with
	report *Report
	text   *text
}

// other is a device beside the one that is examined.
type other struct {
	name string
	pool *metal.Pool
}

// Run examines a device. The report is whole where the error is nil or says that
// kernels or barriers failed (a *Failed); it is what was found so far for every
// other error.
func Run(ctx context.Context, opt Options) (*Report, error) {
	if opt.Text == nil {
		opt.Text = io.Discard
	}
	r := &run{opt: opt, report: &Report{Format: 1, Version: opt.Version, Command: opt.Command, Date: time.Now().UTC().Format(time.RFC3339),
		Environment: debug.Given(), Machine: machine(), Device: []Fact{}, Kernels: []Row{}, Failures: []Failure{}, Barriers: []Barrier{}, Speeds: []Speed{}}}
	r.text = &text{w: opt.Text, width: opt.Width, color: opt.Color}
	// Whether the file can be written shows now, not after minutes.
	if err := r.save("opening the device"); err != nil {
		return r.report, err
	}
	dev, choice, err := metal.Open(opt.Device)
	if err != nil {
		return r.report, err
	}
	defer dev.Close()
	if !dev.Info().HostMemory {
		return r.report, fmt.Errorf("device %s holds no memory: there is nothing to examine", choice.Name)
	}
	r.dev, r.pool = dev, metal.NewPool(dev, metal.PoolOptions{})
	defer r.pool.Close()
	closeOthers, err := r.openOthers(choice.Name)
	if err != nil {
		return r.report, err
	}
	defer closeOthers()
	r.report.Device, r.report.device = deviceOf(dev, choice), choice.Name
	r.text.head(r.report)
	if err := r.examine(ctx); err != nil {
		return r.report, errors.Join(err, r.save(r.report.Running))
	}
	r.report.Complete = true
	if err := r.save(""); err != nil {
		return r.report, err
	}
	r.text.verdict(r.report, opt.Out)
	return r.report, r.report.failed()
}

// examine does the work between opening and the verdict.
func (r *run) examine(ctx context.Context) error {
	if err := r.kernels(ctx); err != nil {
		return err
	}
	if r.opt.Partial {
		return nil
	}
	if err := r.barriers(ctx); err != nil {
		return err
	}
	return r.speeds(ctx)
}

// openOthers opens what a failure is compared with: the software device, with its
// native twins and without.
func (r *run) openOthers(name string) (closing func(), err error) {
	var open []metal.Device
	closing = func() {
		for i, d := range open {
			r.others[i].pool.Close()
			d.Close()
		}
	}
	for _, n := range []string{"soft", "exact"} {
		if n == name {
			continue
		}
		d, _, err := metal.Open(n)
		if err != nil {
			closing()
			return nil, err
		}
		open = append(open, d)
		r.others = append(r.others, other{n, metal.NewPool(d, metal.PoolOptions{})})
	}
	return closing, nil
}

// twin is the device whose results are put beside those of the examined one: the
// software device, for a device that is not that.
func (r *run) twin() *other {
	if len(r.others) == 2 {
		return &r.others[0]
	}
	return nil
}

// Failed says that a device does not do what it should.
type Failed struct {
	Device string
	What   []string // the first few
	Count  int
}

// Error lists what failed.
func (f *Failed) Error() string {
	what := strings.Join(f.What, ", ")
	if n := f.Count - len(f.What); n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("device %s: %d failed: %s", f.Device, f.Count, what)
}
