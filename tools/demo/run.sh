#!/bin/sh
# The demo, behind `make demo`: fine-tunes the bundled model with LoRA and proves
# on held-out rows that it has learned the task. Everything it writes is in
# demo-out/. It fails when the loss did not fall or the proof does.
set -eu
cd "$(dirname "$0")/../.."
GO=${GO:-go}
bin=${BIN:-bin}
model=tools/demo/model
adapters=demo-out/adapters
prompt="Please send 3 kg of apples to Maria in Lisbon."

say() { printf '\n== %s\n' "$1"; }

say "Building ftmetal"
mkdir -p "$bin"
"$GO" build -o "$bin" ./cmd/ftmetal ./tools/demodata
rm -rf $adapters
mkdir -p demo-out

cat <<TEXT

The model in $model knows small tasks in English, such as telling
the customer of an order, but has never seen JSON. The demo teaches it to answer
an order with a JSON record, from $(wc -l <tools/demo/data/train.jsonl | tr -d ' ') examples. No customer, city or item of
the test rows is in the examples.
TEXT

say "Before: $prompt"
"$bin"/ftmetal generate --model $model --prompt "$prompt" 2>demo-out/before.txt || { cat demo-out/before.txt >&2; exit 1; }

say "Training: ftmetal train -c tools/demo/demo.yaml"
"$bin"/ftmetal train -c tools/demo/demo.yaml

say "After: $prompt"
"$bin"/ftmetal generate --model $model --adapter-path $adapters --prompt "$prompt" 2>demo-out/after.txt || { cat demo-out/after.txt >&2; exit 1; }

say "Proof on held-out rows (tools/demo/data/test.jsonl)"
"$bin"/demodata score -model $model -adapter $adapters -data tools/demo/data/test.jsonl -log demo-out/log.jsonl -n 40 -min 80
cat <<TEXT

The adapter is $adapters/adapters.safetensors. Try it:

  bin/ftmetal generate --model $model --adapter-path $adapters --prompt "To Oslo: 12 bottles of milk for Paul."
TEXT
