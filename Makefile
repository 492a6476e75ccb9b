# make            check, then test
# make check      formatting, go vet, the repository's rules           Go, g++
# make test       all tests, on the null and the software device       Go, g++
# make lint-metal Metal's rules about the kernel files                 Go, clang
# make staticcheck                                                     Go; fetches the tool through the module proxy
# make test-full  the deeper tests: test-exact, test-shuffle,          Go, g++
#                 test-race, test-asan; each is a target of its own
# make test-darwin  the Apple GPU's driver on a fake Metal             Go, clang-16, GNUstep (docs/apple.md)
# make race-darwin, demo-darwin, mutate-darwin  the same with the race
#                 detector; the demo; with faults planted in the driver
# make check-darwin  builds, vets and links for macOS on arm64         Go, clang-16, lld-16
# make golden     every call recorded from MLX, GOLDEN=DIR for a       Go, g++
#                 folder other than the repository's own
# make demo       fine-tunes the bundled model and proves it           Go, g++
# make bench      benchmarks; CASE='Gemm|Kernels/sdpa' picks some      Go, g++
# make bench-peers  the comparison with PyTorch, mlx-lm and OpenBLAS;   Go, g++, Python
#                 CASE='^train/' picks some; results in bench/results
# make fuzz       each fuzz target for FUZZTIME                        Go, g++
# make plans      writes graph/testdata/plans; read the diff           Go, g++
# make generate   writes the generated parts of docs                   Go
#
# The first build of the C++ takes minutes; Go's cache keeps it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

GO ?= go
CLANG ?= clang
GOLDEN ?=
CASE ?= .
COUNT ?= 1
PEERS ?= $(HOME)/.cache/ftmetal-peers
FUZZTIME ?= 30s
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all check test lint-metal staticcheck test-full test-exact test-shuffle test-race test-asan test-darwin race-darwin demo-darwin mutate-darwin check-darwin golden demo bench bench-peers fuzz plans generate

all: check test

check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...
	$(GO) test ./internal/rules ./tools/lintmetal

test:
	$(GO) test ./...

lint-metal:
	$(GO) run ./tools/lintmetal -clang $(CLANG)

staticcheck:
	$(GO) run $(STATICCHECK) ./...

test-full: test-exact test-shuffle test-race test-asan

# The shaders themselves, without their native twins.
test-exact:
	FTMETAL_NATIVE=0 $(GO) test ./graph/... ./models/...

# Threads, simdgroups and threadgroups in random orders and threadgroup memory
# full of NaN; for MLX's values guard bytes round every block too. The kernel
# table is always run like that as well.
test-shuffle:
	FTMETAL_NATIVE=0 FTMETAL_SHUFFLE=20 FTMETAL_NAN_FILL=1 $(GO) test ./graph
	FTMETAL_NATIVE=0 FTMETAL_SHUFFLE=21 FTMETAL_NAN_FILL=1 FTMETAL_GUARD=1 $(GO) test -run Golden ./graph ./models

# Go's race detector, where goroutines meet.
test-race:
	$(GO) test -race ./internal/... ./metal/null ./metal ./models/weights ./models/tokenizer ./train/data

# AddressSanitizer and UndefinedBehaviorSanitizer in every kernel and its twin.
# Go's -asan instruments C alone, so that C++ has to be told; the check for
# overflowing pointers triples the time to compile and finds what ASan does. Only
# the guarded passes of the table forbid what lies outside a dispatch's views:
# they stay. Other instruction sets than this processor's are left out.
test-asan:
	CGO_CXXFLAGS="-g -fsanitize=address,undefined -fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined" \
	  CGO_LDFLAGS="-fsanitize=undefined" ASAN_OPTIONS=detect_leaks=0 $(GO) test -asan -timeout 40m \
	  -skip KernelsNativeElsewhere ./metal/soft

# The fake Metal ends the process on a misuse of Metal. CC links too: Go takes CXX where C++ is among the packages.
FAKE = test-darwin race-darwin demo-darwin mutate-darwin
$(FAKE): export CC = $(abspath metal/darwin/fake/fakecc)
$(FAKE): export GOFLAGS := $(GOFLAGS) -tags=metalfake -ldflags=-extld=$(abspath metal/darwin/fake/fakecc)
test-darwin:
	$(GO) test ./metal/darwin
	FTMETAL_DEVICE=metal $(GO) test -run 'Golden|MetalKernel' ./graph ./models
	FTMETAL_DEVICE=metal $(GO) test ./internal/doctor
	FTMETAL_DEVICE=metal $(GO) test -run 'Metal|Resume|Killed|Interrupt|Parity' ./cmd/ftmetal

race-darwin:
	$(GO) test -race -skip 'TestKernels|CostOfADispatch' ./metal/darwin
	$(GO) test -race -run Metal ./cmd/ftmetal

# The demo on the fake GPU learns what it learns on the software device, to the bit.
demo-darwin:
	GO=$(GO) BIN=bin/fake FTMETAL_DEVICE=metal FTMETAL_CACHE=off tools/demo/run.sh
	bin/fake/ftmetal train -c tools/demo/demo.yaml --device soft --adapter-path demo-out/soft --log-json demo-out/soft.jsonl >/dev/null
	cmp demo-out/adapters/adapters.safetensors demo-out/soft/adapters.safetensors

# Faults planted in the driver, one at a time; each is to be caught.
mutate-darwin:
	$(GO) test -count=1 -timeout 40m ./metal/darwin/mutants

# Go does not see headers outside a package: their sum makes it compile again.
check-darwin: export GOOS = darwin
check-darwin: export GOARCH = arm64
check-darwin: export CGO_ENABLED = 1
check-darwin: export CC = $(abspath metal/darwin/sdk/cc)
check-darwin: export CXX = $(abspath metal/darwin/sdk/c++)
check-darwin: export CGO_CPPFLAGS = -DSDK=$(shell find metal/darwin/sdk metal/darwin/fake/include -type f | sort | xargs cat | cksum | cut -d' ' -f1)
check-darwin:
	$(GO) vet ./...
	$(GO) build -ldflags=-w -o bin/darwin-arm64/ ./cmd/ftmetal

golden:
	FTMETAL_GOLDEN=$(abspath $(GOLDEN)) $(GO) test -count=1 -v -run 'Golden|Parity' ./graph ./models ./cmd/ftmetal | grep -v '^=== \|^ *--- PASS'

demo:
	GO=$(GO) tools/demo/run.sh

bench:
	$(GO) test -run '^$$' -bench '$(CASE)' -count $(COUNT) ./bench ./metal/soft

bench-peers:
	bench/peers/setup.sh $(PEERS)
	$(GO) run ./bench/compare -peers $(PEERS) -case '$(CASE)'

fuzz:
	@for f in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
	    echo "== $$(dirname $$f) $$t"; \
	    $(GO) test $$(dirname $$f) -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) || exit 1; \
	  done; \
	done

plans:
	$(GO) test ./graph -run Plan -update

generate:
	$(GO) test ./internal/rules -run 'Debugging|ParityDocument|RooflinesOf' -update
