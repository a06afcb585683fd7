"""One forward pass of a DeBERTa encoder side by side: `lm` against transformers, in f32.

    cargo build -p lm --example encoder_speed
    python xtask/parity/encoder_speed.py target/debug/examples/encoder_speed [THREADS] [--large]

The model has random weights and the shape of DeBERTa-v3-small's layers (hidden 768, 6 layers,
12 heads), or of DeBERTa-v3-large (1024, 24, 16), which PairRM stands on. The two take turns,
three rounds; the best of each counts, since other load only ever slows one down. The last column
is the peak of memory of a process of each that loads the model and runs the pass.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import DebertaV2Config, DebertaV2Model

ROUNDS = 3
SMALL = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=6, num_attention_heads=12, vocab_size=8192)
LARGE = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, vocab_size=128100)
V3 = dict(
    relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p",
    max_position_embeddings=512, type_vocab_size=0, position_biased_input=False,
)
CASES = {
    "a text of 128": (128,),
    "a text of 512": (512,),
    "a text of 2048": (2048,),
    "eight texts of 40 to 320": (40, 80, 120, 160, 200, 240, 280, 320),
}


def theirs(model, lengths):
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = 3 + (torch.arange(length) * 7) % 997
        mask[row, :length] = 1
    started = time.perf_counter()
    with torch.inference_mode():
        model(input_ids=ids, attention_mask=mask)
    return time.perf_counter() - started


def answer_of(command):
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def peak_kibibytes():
    """The most memory that this process held, as Linux tells it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    program, *rest = sys.argv[1:]
    numbers = [word for word in rest if word.isdigit()]
    threads = int(numbers[0]) if numbers else 1
    torch.set_num_threads(threads)
    if "--peer" in rest:  # a process of its own, for its memory
        folder, lengths = rest[rest.index("--peer") + 1], map(int, rest[rest.index("--peer") + 2].split(","))
        model = DebertaV2Model.from_pretrained(folder, dtype=torch.float32).eval()
        print(json.dumps({"seconds": theirs(model, tuple(lengths)), "peak_kibibytes": peak_kibibytes()}))
        sys.exit()
    torch.manual_seed(0)
    model = DebertaV2Model(DebertaV2Config(**(LARGE if "--large" in rest else SMALL), **V3)).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for name, lengths in CASES.items():
            words = [str(length) for length in lengths]
            pairs = []
            for _ in range(ROUNDS):
                ours = answer_of([program, folder, str(threads), "1", *words])
                pairs.append((theirs(model, lengths), ours["seconds"]))
            peer = answer_of([sys.executable, sys.argv[0], program, str(threads), "--peer", folder, ",".join(words)])
            them, us = (min(values) for values in zip(*pairs))
            print(
                f"{name}, {threads} thread(s): transformers {them:.3f} s, lm {us:.3f} s: {them / us:.2f} times; "
                f"peak {peer['peak_kibibytes'] // 1024} against {ours['peak_kibibytes'] // 1024} MiB"
            )
