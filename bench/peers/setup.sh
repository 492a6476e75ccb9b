#!/usr/bin/env bash
# Makes the virtual environment of the peers that bench/compare measures against:
#
#	bench/peers/setup.sh DIR
#
# MLX is compared over the system's OpenBLAS if there is one (Debian:
# libopenblas0-pthread). The environment takes some 4 GB, since PyTorch's wheel
# brings CUDA along, and minutes.
# Nothing of it belongs to the repository.
set -euo pipefail
dir=${1:?the folder to make}
here=$(cd "$(dirname "$0")" && pwd)
if [ -e "$dir/complete" ] && cmp -s "$here/requirements.txt" "$dir/complete"; then
  exit 0
fi
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --no-cache-dir -r "$here/requirements.txt"
cp "$here/requirements.txt" "$dir/complete"
