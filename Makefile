# Everything here needs Go and g++ only, unless a target says otherwise.

GO ?= go

.PHONY: all check test

all: check test

# Formatting and vet.
check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these files"; exit 1; }
	$(GO) vet ./...

# All tests on the null and the software device.
test:
	$(GO) test ./...
