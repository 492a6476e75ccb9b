package main

// meters measure what generations are held against, in processes of their own: how
// fast memory is read, before and after each run, and how fast a large product is.
type meters struct{ read, gemm *process }

// What one run of a meter does.
const meterElements, meterProduct = 64 << 20, 1024

// startMeters starts both for the dtype and threads of a case.
func startMeters(p params, opt options) (*meters, error) {
	read, err := start(ours, params{Kind: "read", DType: "f32", N: meterElements, Threads: p.Threads}, opt.peers, opt.scripts)
	if err != nil {
		return nil, err
	}
	gemm, err := start(ours, params{Kind: "gemm", DType: p.DType, M: meterProduct, N: meterProduct, K: meterProduct, Threads: p.Threads}, opt.peers, opt.scripts)
	if err != nil {
		read.stop()
		return nil, err
	}
	return &meters{read, gemm}, nil
}

func (m *meters) stop() {
	m.read.stop()
	m.gemm.stop()
}

// around runs a worker, between measurements if it is a generation of ours: without
// meters, and for peers, it only runs it.
func (m *meters) around(w *process) (answer, float64, error) {
	if m == nil || w.side.name != ours.name {
		return w.run()
	}
	before, _, err := m.read.run()
	if err != nil {
		return answer{}, 0, err
	}
	product, _, err := m.gemm.run()
	if err != nil {
		return answer{}, 0, err
	}
	a, elsewhere, err := w.run()
	if err != nil {
		return a, 0, err
	}
	after, _, err := m.read.run()
	if err != nil {
		return a, 0, err
	}
	a.relate(4*meterElements/((before.Seconds+after.Seconds)/2), 2*meterProduct*meterProduct*meterProduct/product.Seconds)
	return a, elsewhere, nil
}

// relate sets what a generation reached of a bandwidth and of FLOP/s.
func (a *answer) relate(bandwidth, flops float64) {
	a.bandwidth = a.Bytes / a.Seconds / bandwidth
	a.GFLOPS, a.MFU = a.FLOPs/a.Prefill/1e9, a.FLOPs/a.Prefill/flops
}
