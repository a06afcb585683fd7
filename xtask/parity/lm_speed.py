"""Greedy generation side by side: `lm` against transformers, the same model, prompts and threads.

    cargo build -p lm --example speed
    python xtask/parity/lm_speed.py target/debug/examples/speed [THREADS [ROUNDS]]

The model has 5 M parameters: hidden 256, 4 layers, 4 heads over 2, vocabulary 4096. The two take
turns, generation by generation, ours with its packing of the weights; the median of the ratios
counts, since other load hits both. The floor reads the weights of a token once, at the speed of a
copy that was measured in the same turn; at 8 rows it is the arithmetic of a step.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

NEW = 256


def of_transformers(model, rows):
    ids = torch.tensor([[3 + (row * 31 + at * 7) % 97 for at in range(16)] for row in range(rows)])
    started = time.perf_counter()
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW, pad_token_id=0)
    assert out.shape[1] == 16 + NEW
    return rows * NEW / (time.perf_counter() - started)


def reading(weights):
    """Bytes per second of reading the weights, as a sum does it."""
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        weights.sum()
        best = min(best, time.perf_counter() - started)
    return weights.numel() * 4 / best


if __name__ == "__main__":
    program, threads = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "1"
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    torch.manual_seed(0)
    torch.set_num_threads(int(threads))
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1,
    )).eval()
    model.generation_config.eos_token_id = None
    # Of the embedding a token reads one row.
    scalars = sum(p.numel() for p in model.parameters()) - model.model.embed_tokens.weight.numel()
    weights = torch.ones(scalars)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for rows in (1, 8):
            command = [program, folder, threads, str(rows), str(NEW)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
                def of_ours():
                    child.stdin.write("\n")
                    child.stdin.flush()
                    return json.loads(child.stdout.readline())["tokens_per_second"]
                of_transformers(model, rows), of_ours()
                turns = [(of_transformers(model, rows), of_ours(), reading(weights)) for _ in range(rounds)]
                child.stdin.close()
            theirs, ours, bytes_per_second = (statistics.median(values) for values in zip(*turns))
            print(json.dumps({
                "measure": "generation",
                "rows": rows,
                "threads": int(threads),
                "transformers": round(theirs),
                "ours": round(ours),
                "times": round(statistics.median(o / t for t, o, _ in turns), 2),
                "microseconds_per_step": round(1e6 * rows / ours, 1),
                "microseconds_of_reading_the_weights": round(1e6 * 4 * scalars / bytes_per_second, 1),
                "megaflops_per_step": round(2 * rows * scalars / 1e6, 1),
            }))
