"""Many samples of unequal lengths: `lm` with a batch that stays full and with one batch after
another, and transformers with one batch after another, the same model, prompts and threads.

    cargo build -p lm --example batches
    python xtask/parity/lm_batches.py target/debug/examples/batches [ROUNDS]

64 prompts of 8 to 72 tokens, five samples of each, whose lengths are exponential (mean 64, 4 to
256). The model has 5 M parameters (`lm_speed.py`), one thread, 40 rows. The three take turns;
the best of each counts, since other load only ever slows one down.
"""

import json
import random
import subprocess
import sys
import tempfile
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

ROWS, PROMPTS, SAMPLES = 40, 64, 5


def make_work():
    draw = random.Random(5)
    return {
        "prompts": [[draw.randrange(3, 4096) for _ in range(draw.randrange(8, 73))] for _ in range(PROMPTS)],
        "lengths": [
            [min(256, max(4, round(draw.expovariate(1 / 64)))) for _ in range(SAMPLES)] for _ in range(PROMPTS)
        ],
    }


def of_transformers(model, work):
    """Every batch runs until its longest sample ends, as rows that end early do in `generate`."""
    size = ROWS // SAMPLES
    tokens, started = 0, time.perf_counter()
    for first in range(0, PROMPTS, size):
        prompts, lengths = work["prompts"][first:first + size], work["lengths"][first:first + size]
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        new = max(map(max, lengths))
        with torch.inference_mode():
            model.generate(
                ids, attention_mask=mask, do_sample=True, top_k=0, temperature=1.0, num_return_sequences=SAMPLES,
                max_new_tokens=new, pad_token_id=0,
            )
        tokens += sum(map(sum, lengths))
    return tokens / (time.perf_counter() - started)


def of_ours(program, folder, file, form):
    words = [program, folder, file, "1", str(ROWS), form]
    out = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


if __name__ == "__main__":
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, initializer_range=0.1,
    )).eval()
    model.generation_config.eos_token_id = None
    work = make_work()
    print(sum(map(sum, work["lengths"])), "tokens")
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        file = f"{folder}/work.json"
        with open(file, "w") as out:
            json.dump(work, out)
        for _ in range(rounds):
            speeds = {"transformers": of_transformers(model, work)}
            for form in ("full", "static"):
                told = of_ours(program, folder, file, form)
                speeds[form] = told.pop("tokens_per_second")
                print(form, told)
            print(speeds)
            best = {name: max(speed, best.get(name, 0)) for name, speed in speeds.items()}
    print("best:", {name: round(speed) for name, speed in best.items()})
