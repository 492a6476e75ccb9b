#!/usr/bin/env bash
# trymetal.sh FILE.metal…: does each file compile as C++ through the software
# device's shim? Seconds instead of a build of metal/soft.
set -euo pipefail
for f in "$@"; do
  "${CXX:-g++}" -x c++ -std=c++17 -O1 -fsyntax-only -Wall -Wno-attributes -Wno-unknown-pragmas \
    -Werror=double-promotion -Werror=return-type -Werror=uninitialized "$f"
done
