"""What the peers' workers have in common. A worker measures one case:

    python torch_worker.py '{"kind": "gemm", "m": 1024, ...}'

It prints a line of JSON when the case is ready, and for each line that it reads
it runs the case once and prints what that took. bench/compare/worker.go is our
side of the same protocol.
"""

import json
import sys
import time

# Kernels of less than this are repeated in one run.
SHORTEST = 0.05


def case():
    return json.loads(sys.argv[1])


def say(**fields):
    print(json.dumps(fields), flush=True)


def repeated(call):
    """A run that calls often enough to be timed, and returns seconds a call."""
    call()
    began = time.perf_counter()
    call()
    times = max(1, round(SHORTEST / max(time.perf_counter() - began, 1e-6)))

    def run():
        began = time.perf_counter()
        for _ in range(times):
            call()
        return {"seconds": (time.perf_counter() - began) / times}

    return run


def serve(run, **about):
    """Answers each line with what run returns."""
    say(ready=True, **about)
    for _ in sys.stdin:
        say(**run())


def rows_of(path):
    with open(path) as f:
        return [json.loads(line) for line in f]
