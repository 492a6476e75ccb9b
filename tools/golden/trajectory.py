"""Records trainings of mlx-lm for cmd/ftmetal's TestParity: python trajectory.py DIR-OF-GEN_LM OUT

gen_lm.py made the other trajectories; this one runs its train() with Muon. logits1.safetensors is not needed by the test.
"""
import sys

sys.path[0] = sys.argv[1]
sys.argv = ["gen_lm.py", sys.argv[2], ""]
import gen_lm

config = {**gen_lm.SMALL, "model_type": "llama", "tie_word_embeddings": True}
lora = {"rank": 4, "scale": 10.0, "dropout": 0.0}
gen_lm.train("llama_fp32_lora_muon", config, "float32", lora, "Muon", {"learning_rate": 2e-3, "momentum": 0.9, "weight_decay": 0.05, "ns_steps": 4}, True, 9)
