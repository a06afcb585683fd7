"""Greedy generation side by side: `lm` against transformers, the same model, prompts and threads.

    cargo build -p lm --example speed
    python xtask/parity/lm_speed.py target/debug/examples/speed [THREADS]

The model has 5 M parameters: hidden 256, 4 layers, 4 heads over 2, vocabulary 4096. The two
take turns, five rounds; the best of each counts, since other load only ever slows one down.
"""

import json
import subprocess
import sys
import tempfile
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

NEW, ROUNDS = 256, 5


def of_transformers(model, rows):
    ids = torch.tensor([[3 + (row * 31 + at * 7) % 97 for at in range(16)] for row in range(rows)])
    started = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW, pad_token_id=0)
    assert out.shape[1] == 16 + NEW
    return rows * NEW / (time.perf_counter() - started)


def of_ours(program, folder, threads, rows):
    out = subprocess.run([program, folder, str(threads), str(rows), str(NEW)], capture_output=True, text=True, check=True)
    return json.loads(out.stdout)["tokens_per_second"]


if __name__ == "__main__":
    program, threads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1,
    )).eval()
    model.generation_config.eos_token_id = None
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for rows in (1, 8):
            pairs = [(of_transformers(model, rows), of_ours(program, folder, threads, rows)) for _ in range(ROUNDS)]
            theirs, ours = (max(values) for values in zip(*pairs))
            print(f"{rows} rows, {threads} thread(s): transformers {theirs:.0f}, lm {ours:.0f} tokens/s: {ours / theirs:.1f} times")
