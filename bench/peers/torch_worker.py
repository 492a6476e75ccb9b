"""PyTorch, with transformers and peft for models."""

import time

import torch
import torch.nn.functional as F

from worker import case, repeated, rows_of, serve

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def gemm(c, dt):
    x, w = torch.randn(c["m"], c["k"], dtype=dt), torch.randn(c["n"], c["k"], dtype=dt)
    return repeated(lambda: F.linear(x, w))


def attention(c, dt):
    h, hk, t, d = c["heads"], c["kv_heads"], c["t"], c["dim"]
    q = torch.randn(1, t, h, d, dtype=dt).transpose(1, 2)
    k, v = (torch.randn(1, t, hk, d, dtype=dt).transpose(1, 2) for _ in range(2))

    def forward():
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=h != hk)

    if not c.get("backward"):
        return repeated(forward)
    torch.set_grad_enabled(True)
    for x in (q, k, v):
        x.requires_grad_()
    g = torch.randn(1, h, t, d, dtype=dt)
    return repeated(lambda: torch.autograd.grad(forward(), (q, k, v), g))


def rms_norm(c, dt):
    x, w = torch.randn(c["rows"], c["n"], dtype=dt), torch.ones(c["n"], dtype=dt)
    return repeated(lambda: F.rms_norm(x, (c["n"],), w, 1e-5))


def layer_norm(c, dt):
    x, w, b = torch.randn(c["rows"], c["n"], dtype=dt), torch.ones(c["n"], dtype=dt), torch.zeros(c["n"], dtype=dt)
    return repeated(lambda: F.layer_norm(x, (c["n"],), w, b, 1e-5))


def softmax(c, dt):
    x = torch.randn(c["rows"], c["n"], dtype=dt)
    return repeated(lambda: torch.softmax(x, -1))


def cross_entropy(c, dt):
    torch.set_grad_enabled(True)
    h = torch.randn(c["t"], c["d"], dtype=dt, requires_grad=True)
    w = torch.randn(c["vocab"], c["d"], dtype=dt) * 0.02
    targets = torch.randint(0, c["vocab"], (c["t"],))
    return repeated(lambda: torch.autograd.grad(F.cross_entropy(F.linear(h, w).float(), targets, reduction="sum"), h))


def quant_matmul(c, dt):
    """Four bits, packed for the processor's kernel."""
    assert c["bits"] == 4
    x = torch.randn(c["m"], c["k"], dtype=dt)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(torch.randint(0, 16, (c["n"], c["k"]), dtype=torch.int32), 1)
    scales_and_zeros = torch.rand(c["k"] // c["group"], c["n"], 2, dtype=dt)
    return repeated(lambda: torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, c["group"], scales_and_zeros))


def adamw(c, dt):
    p = torch.zeros(c["n"], requires_grad=True)
    p.grad = torch.randn(c["n"])
    return repeated(torch.optim.AdamW([p], lr=1e-4, weight_decay=0.01, fused=True).step)


def read(c, dt):
    x = torch.ones(c["n"])
    return repeated(x.sum)


def model(c, dt):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(c["model"], dtype=dt, attn_implementation="sdpa")


def adapted(c, dt):
    """The model with LoRA on all linear layers, and the adapter that we start with."""
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file

    m = get_peft_model(model(c, dt), LoraConfig(r=c["rank"], lora_alpha=2 * c["rank"], target_modules="all-linear"))
    ours = load_file(c["adapter"])
    params = {n: p for n, p in m.named_parameters() if p.requires_grad}
    for name, p in params.items():
        short = name.removeprefix("base_model.model.").removesuffix(".default.weight")
        key = short.replace("lora_A", "lora_a").replace("lora_B", "lora_b")
        p.data.copy_(ours.pop(key).T)
    assert not ours, f"tensors that peft has no place for: {list(ours)[:3]}"
    m.train()
    return m, list(params.values())


def train(c, dt):
    """Steps over the rows of a file: one whole row a step, or, with pad, batches
    of so many rows padded to the longest, with a loss on what follows the prompt."""
    torch.set_grad_enabled(True)
    m, params = adapted(c, dt)
    if c.get("compile"):
        m = torch.compile(m)
    opt = torch.optim.AdamW(params, lr=2e-4, weight_decay=0.01, fused=True)
    rows = rows_of(c["data"])
    size = c.get("pad", 1)
    batches = []
    for i in range(0, len(rows), size):
        some = rows[i : i + size]
        longest = max(len(r["input_ids"]) for r in some)
        ids, mask = torch.zeros(len(some), longest, dtype=torch.long), torch.zeros(len(some), longest, dtype=torch.long)
        labels = torch.full((len(some), longest), -100)
        for j, r in enumerate(some):
            x, first = torch.tensor(r["input_ids"]), r.get("prompt_length", 0)
            ids[j, : len(x)], mask[j, : len(x)], labels[j, first : len(x)] = x, 1, x[first:]
        batches.append({"input_ids": ids, "labels": labels, **({"attention_mask": mask} if size > 1 else {})})
    tokens = sum(len(r["input_ids"]) for r in rows)

    def run():
        began, losses = time.perf_counter(), []
        for b in batches:
            loss = m(**b).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
            opt.zero_grad(set_to_none=True)
            losses.append(loss.item())
        return {"seconds": time.perf_counter() - began, "tokens": tokens, "loss": losses[0]}

    return run


def generate(c, dt):
    m = model(c, dt).eval()
    prompt = torch.tensor([rows_of(c["data"])[0]["input_ids"][: c["prompt"]]])

    def made(n):
        began = time.perf_counter()
        out = m.generate(prompt, max_new_tokens=n, min_new_tokens=n, do_sample=False, use_cache=True, pad_token_id=0)
        return time.perf_counter() - began, out[0, prompt.shape[1] :].tolist()

    made(2)

    def run():
        first, _ = made(1)
        all_, ids = made(c["new"] + 1)
        return {"seconds": (all_ - first) / c["new"], "prefill": first, "ids": ids[:8]}

    return run


def main():
    c = case()
    torch.set_num_threads(c["threads"])
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    serve(globals()[c["kind"]](c, DTYPES[c["dtype"]]), version=torch.__version__)


main()
