"""Records what mlx-lm makes of quantised models, for models' tests: python quantized.py models/testdata

Writes NAME.json, NAME.safetensors and NAME.io.safetensors as gen_lm.py's recordings of models are, and quantized.json: for
conversions of the recordings that are there already, the configuration and the hash of every tensor that convert -q would write.
"""
import hashlib
import importlib
import json
import sys

sys.path.pop(0)  # tokenizers.py beside this file is not the package

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map
from mlx_lm.convert import mixed_quant_predicate_builder
from mlx_lm.models import cache as kvcache
from mlx_lm.utils import quantize_model

OUT = sys.argv[1]
BASE = {"hidden_size": 64, "num_hidden_layers": 2, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": 72}


def model_of(config):
    mod = importlib.import_module("mlx_lm.models." + {"mistral": "llama"}.get(config["model_type"], config["model_type"]))
    return mod.Model(mod.ModelArgs.from_dict(config))


def forward(name, config, seed, default, choose):
    mx.random.seed(seed)
    model = model_of(config)
    model.load_weights([(k, p + 0.1 * mx.random.normal(p.shape)) if p.ndim == 1 else (k, p) for k, p in tree_flatten(model.parameters())])
    config = {**config, "quantization": dict(default)}

    def predicate(path, module):
        entry = choose(path, module)
        if entry is not True:
            config["quantization"][path] = entry
        return hasattr(module, "to_quantized") and entry

    nn.quantize(model, default["group_size"], default["bits"], mode=default.get("mode", "affine"), class_predicate=lambda p, m: hasattr(m, "to_quantized") and predicate(p, m))
    model.eval()
    ids = mx.random.randint(0, config["vocab_size"], (2, 12), key=mx.random.key(seed + 1))
    logits = model(ids)
    cache = kvcache.make_prompt_cache(model)
    parts = [model(ids[:, :9], cache=cache)[:, -1:]] + [model(ids[:, i:i + 1], cache=cache) for i in range(9, 12)]
    mx.save_safetensors(f"{OUT}/{name}.safetensors", dict(tree_flatten(model.parameters())))
    mx.save_safetensors(f"{OUT}/{name}.io.safetensors", {"input_ids": ids, "logits": logits.astype(mx.float32), "logits_cached": mx.concatenate(parts, axis=1).astype(mx.float32)})
    json.dump({"arch": name, "config": config, "cached": {"prefill": 9, "steps": 3}, "mlx": mx.__version__}, open(f"{OUT}/{name}.json", "w"))


def overrides(path, module):
    if path.endswith("k_proj"):
        return {"group_size": 32, "bits": 6}
    if path.endswith("layers.1.mlp.down_proj"):
        return {"group_size": 32, "bits": 8, "mode": "mxfp8"}
    return not path.endswith("layers.0.mlp.up_proj") and True


forward("quant_affine", {**BASE, "model_type": "llama", "tie_word_embeddings": True}, 60, {"group_size": 32, "bits": 4}, overrides)
forward("quant_head", {**BASE, "model_type": "qwen2", "rope_theta": 1e6, "tie_word_embeddings": False}, 61, {"group_size": 64, "bits": 3, "mode": "affine"}, lambda p, m: m.weight.shape[-1] % 64 == 0)
# MLX makes bfloat16 of rows of an embedding in such a mode: here it stays one of floats.
forward("quant_nvfp4", {**BASE, "model_type": "llama", "tie_word_embeddings": False}, 62, {"group_size": 16, "bits": 4, "mode": "nvfp4"}, lambda p, m: not isinstance(m, nn.Embedding))

record = []
for name, dtype, bits, group, mode, recipe in [
    ("llama", None, 4, 32, "affine", None), ("llama", "bfloat16", 3, 32, "affine", None), ("qwen2", "float16", 8, 64, "affine", None), ("qwen2", None, 5, 32, "affine", None),
    ("mistral", "bfloat16", None, 32, "affine", "mixed_3_6"), ("llama", None, None, 32, "affine", "mixed_2_6"), ("mistral", None, None, None, "nvfp4", None), ("llama", "float16", 6, None, "affine", None),
]:
    config = json.load(open(f"{OUT}/{name}.json"))["config"]
    model = model_of(config)
    model.load_weights(f"{OUT}/{name}.safetensors")
    if dtype:
        model.update(tree_map(lambda p: p.astype(getattr(mx, dtype)), model.parameters()))
    choose = mixed_quant_predicate_builder(recipe, model, group) if recipe else None
    model, config = quantize_model(model, config, group, bits, mode=mode, quant_predicate=choose)
    tensors = {}
    for k, v in tree_flatten(model.parameters()):
        raw = np.array(v.view(mx.uint16) if v.dtype == mx.bfloat16 else v).tobytes()
        tensors[k] = [str(v.dtype).split(".")[-1], list(v.shape), hashlib.sha256(raw).hexdigest()[:16]]
    record.append({"model": name, "dtype": dtype or "", "bits": bits or 0, "group_size": group or 0, "mode": mode, "recipe": recipe or "", "quantization": config["quantization"], "tensors": tensors})
json.dump(record, open(f"{OUT}/quantized.json", "w"), indent=0)
