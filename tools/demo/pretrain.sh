#!/bin/sh
# Makes tools/demo again from nothing but the code of this repository: the
# tokenizer, the demo's data, the corpus, and the weights by pre-training on it.
# Work files go to the folder given as $1 (default demo-out/pretrain).
set -eu
cd "$(dirname "$0")/../.."
GO=${GO:-go}
work=${1:-demo-out/pretrain}
model=tools/demo/model

mkdir -p bin "$work"
"$GO" build -o bin ./cmd/ftmetal ./tools/demodata
bin/demodata tokenizer -out $model/tokenizer.json
bin/demodata orders -out tools/demo/data
bin/demodata corpus -out "$work/corpus"

bin/ftmetal train -c tools/demo/pretrain.yaml --data "$work/corpus" --adapter-path "$work/adapters" --log-json "$work/log.jsonl"

# Full fine-tuning saves every weight in float32; fuse rounds them to bfloat16.
bin/ftmetal fuse --init $model/config.json --adapter-path "$work/adapters" --save-path "$work/fused" --dtype bfloat16
cp "$work/fused/model.safetensors" $model/model.safetensors
