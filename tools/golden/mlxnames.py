"""Lists the public names of MLX, for docs/mlx-parity.md.

    python3 tools/golden/mlxnames.py > internal/rules/testdata/mlx_names.txt

Needs mlx (the list in the repository is of 0.32.2). A section is a line in
brackets; a name is spelled as users write it, with mx for mlx.core, nn for
mlx.nn, array for mlx.core.array, and optimizers and utils for mlx's packages.
"""
import importlib.metadata
import inspect
import types

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optimizers
import mlx.utils as utils


def public(owner, keep):
    """The public names of owner whose values keep accepts."""
    return sorted(n for n in vars(owner) if not n.startswith("_") and keep(getattr(owner, n)))


def function(x):
    return callable(x) and not inspect.isclass(x)


def own(module):
    """Functions and classes that module defines itself."""
    return lambda x: callable(x) and getattr(x, "__module__", "") == module.__name__


def layer(x):
    return inspect.isclass(x) and issubclass(x, nn.Module)


def section(title, prefix, names):
    print(f"\n[{title}]")
    for n in names:
        print(prefix + n)


def main():
    print(f"# The public names of MLX {importlib.metadata.version('mlx')}; written by tools/golden/mlxnames.py.")
    section("mlx.core", "mx.", public(mx, function))
    section("mlx.core types and constants", "mx.", public(mx, lambda x: not function(x) and not isinstance(x, types.ModuleType)))
    section("mlx.core.fast", "mx.fast.", public(mx.fast, function))
    section("mlx.core.random", "mx.random.", public(mx.random, function))
    section("mlx.core.linalg", "mx.linalg.", public(mx.linalg, function))
    section("mlx.core.fft", "mx.fft.", public(mx.fft, function))
    section("mlx.core.metal", "mx.metal.", public(mx.metal, function))
    section("mlx.core.array", "array.", public(mx.array, lambda x: True) + ["__getitem__", "__setitem__"])
    section("mlx.core.array.at", "array.at[].", public(mx.ArrayAt, function))
    section("mlx.nn layers", "nn.", public(nn, layer))
    section("mlx.nn.Module", "nn.Module.", public(nn.Module, lambda x: True))
    section("mlx.nn functions", "nn.", public(nn, function))
    section("mlx.nn.losses", "nn.losses.", public(nn.losses, own(nn.losses)))
    section("mlx.nn.init", "nn.init.", public(nn.init, own(nn.init)))
    section("mlx.nn.utils", "nn.utils.", public(nn.utils, own(nn.utils)))
    section("mlx.optimizers", "optimizers.", public(optimizers, own(optimizers.optimizers)))
    section("mlx.optimizers.schedulers", "optimizers.", public(optimizers, own(optimizers.schedulers)))
    section("mlx.utils", "utils.", public(utils, own(utils)))


if __name__ == "__main__":
    main()
