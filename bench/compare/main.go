package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ftmetal/ftmetal/graph"
	"github.com/ftmetal/ftmetal/models"
)

// options are the command line.
type options struct {
	peers, scripts, cache, out string
	budget                     time.Duration
}

func main() {
	var opt options
	worker := flag.String("worker", "", "run as the worker of a case, given as JSON")
	pattern := flag.String("case", ".", "which cases, a regular expression")
	flag.StringVar(&opt.peers, "peers", "", "virtual environment of the peers, made by bench/peers/setup.sh")
	flag.StringVar(&opt.scripts, "scripts", "bench/peers", "folder of the peers' workers")
	flag.StringVar(&opt.cache, "cache", "", "folder for models and data, kept for the next run (default: cache below -peers)")
	flag.StringVar(&opt.out, "out", "bench/results", "folder of the results")
	flag.DurationVar(&opt.budget, "budget", 10*time.Second, "time of a kernel's case, about")
	list := flag.Bool("list", false, "list the cases and stop")
	flag.Parse()
	opt.cache = cmp.Or(opt.cache, filepath.Join(opt.peers, "cache"))
	err := func() error {
		if *worker != "" {
			return serve(*worker)
		}
		chosen, err := choose(*pattern)
		if err != nil || *list {
			for _, c := range chosen {
				fmt.Println(c.name)
			}
			return err
		}
		return compare(chosen, opt)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func choose(pattern string) ([]one, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-case: %w", err)
	}
	all := slices.DeleteFunc(cases(), func(c one) bool { return !re.MatchString(c.name) })
	if len(all) == 0 {
		return nil, fmt.Errorf("no case matches %q", pattern)
	}
	return all, nil
}

// compare measures cases and adds them to the results.
func compare(chosen []one, opt options) error {
	if opt.peers == "" {
		return fmt.Errorf("-peers is missing: the folder that bench/peers/setup.sh made")
	}
	res, err := readResults(opt.out)
	if err != nil {
		return err
	}
	for i, c := range chosen {
		fmt.Printf("%d/%d %s\n", i+1, len(chosen), c.name)
		if err := c.prepare(opt.cache); err != nil {
			return err
		}
		m, err := measureCase(c, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for _, s := range m.Sides {
			fmt.Printf("   %s\n", s)
		}
		res.put(m)
		if err := res.write(opt.out); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the model and the data that a case needs.
func (c *one) prepare(cache string) error {
	if c.rows.config == "" {
		return nil
	}
	c.params.Model = filepath.Join(cache, c.rows.config)
	c.params.Adapter = filepath.Join(cache, "adapter.safetensors")
	if _, err := os.Stat(filepath.Join(c.params.Model, "config.json")); err != nil {
		make := exec.Command("go", "run", "./tools/randmodel", "-config", c.rows.config, "-out", c.params.Model)
		make.Stdout, make.Stderr = os.Stdout, os.Stderr
		if err := make.Run(); err != nil {
			return fmt.Errorf("randmodel: %w", err)
		}
	}
	if err := c.quantize(); err != nil {
		return err
	}
	var info struct {
		Vocab int `json:"vocab_size"`
	}
	raw, err := os.ReadFile(filepath.Join(c.params.Model, "config.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return err
	}
	c.params.Data = filepath.Join(cache, "rows.jsonl")
	return writeRows(c.params.Data, c.rows, info.Vocab)
}

// quantize makes the case's model one of few bits.
func (c *one) quantize() error {
	if c.rows.bits == 0 {
		return nil
	}
	from := c.params.Model
	c.params.Model = fmt.Sprintf("%s-%dbit", from, c.rows.bits)
	if _, err := os.Stat(c.params.Model); err == nil {
		return nil
	}
	rt, err := graph.NewRuntime("soft", 0)
	if err != nil {
		return err
	}
	defer rt.Close()
	graph.SetDefault(rt)
	_, err = models.Quantize(context.Background(), rt, models.QuantizeOptions{Model: from, SavePath: c.params.Model, As: graph.Quantization{Bits: c.rows.bits}})
	return err
}

// writeRows writes rows of random tokens of one length, or conversations of skewed
// lengths (log-normal with a mean of 180, up to 1500) whose first third is the prompt.
func writeRows(path string, r rows, vocab int) error {
	rng := rand.New(rand.NewPCG(3, 4))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	row := func(n, prompt int) error {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = rng.IntN(vocab)
		}
		return enc.Encode(map[string]any{"input_ids": ids, "prompt_length": prompt})
	}
	if r.length > 0 {
		for n := 0; err == nil && n < max(r.total, r.length); n += r.length {
			err = row(r.length, 0)
		}
	} else {
		for left, n := r.total, 0; err == nil; n++ {
			k := min(max(int(math.Exp(4.85+0.83*rng.NormFloat64())), 8), 1500)
			if left -= k; left < 0 && n%4 == 0 { // batches of the peers are of four rows
				break
			}
			err = row(k, k/3)
		}
	}
	if err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// measureCase runs the sides of a case in turn.
func measureCase(c one, opt options) (measured, error) {
	m := measured{Case: c.name, Unit: cmp.Or(c.unit, "tokens/s"), Date: time.Now().UTC().Format("2006-01-02 15:04")}
	var together, apart []side
	for _, s := range c.sides {
		if s.once {
			apart = append(apart, s)
		} else {
			together = append(together, s)
		}
	}
	if err := m.measure(c, together, opt); err != nil {
		return m, err
	}
	for _, s := range apart {
		alone := c
		alone.most = 1
		if err := m.measure(alone, []side{s}, opt); err != nil {
			return m, err
		}
	}
	return m, m.check()
}

// measure runs some sides in turn and adds their results.
func (m *measured) measure(c one, sides []side, opt options) error {
	var workers []*process
	defer func() {
		for _, w := range workers {
			w.stop()
		}
	}()
	for _, s := range sides { // ours first: it writes the adapter
		w, err := start(s, c.params, opt.peers, opt.scripts)
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	var gauge *meters
	if c.params.Kind == "generate" {
		var err error
		if gauge, err = startMeters(c.params, opt); err != nil {
			return err
		}
		defer gauge.stop()
	}
	results := make([]result, len(workers))
	began := time.Now()
	for n := 0; n == 0 || c.most > 0 && n < c.most || c.most == 0 && (n < 3 || time.Since(began) < opt.budget) && n < 25; n++ {
		for i, w := range workers {
			a, elsewhere, err := gauge.around(w)
			if err != nil {
				return err
			}
			results[i].add(a, elsewhere)
		}
	}
	for i, w := range workers {
		results[i].finish(c, w)
		m.Sides = append(m.Sides, results[i])
	}
	return nil
}

// check compares the losses of trainings: the same model, adapter and tokens give
// the same first loss, within a thousandth. A side that takes other tokens is
// left out.
func (m *measured) check() error {
	if !strings.HasPrefix(m.Case, "train/") {
		return nil
	}
	for _, s := range m.Sides[1:] {
		if d := math.Abs(s.Loss-m.Sides[0].Loss) / m.Sides[0].Loss; s.Cut == 0 && d > 1e-3 {
			return fmt.Errorf("the first loss of %s is %.5f, ours %.5f", s.Side, s.Loss, m.Sides[0].Loss)
		}
	}
	return nil
}
