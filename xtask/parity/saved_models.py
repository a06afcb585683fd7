"""Reads every model folder below ROOT with the transformers that is on the path, and writes what it computes.

    PYTHONPATH=.venv-parity/transformers4 python saved_models.py ROOT [--rewrite SUFFIX]

Each folder NAME with a `config.json` gives ROOT/NAME.VERSION.safetensors: the `logits` of the ids in
ROOT/ids.safetensors under the part of NAME before its first dot. With `--rewrite` this version also
saves the model, in shards, as ROOT/NAME.SUFFIX. `models.py` starts it for the older transformers.
"""

import argparse
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM


def logits_of(folder, ids):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    with torch.no_grad():
        return model, model(ids[None]).logits[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--rewrite")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ids = load_file(arguments.root / "ids.safetensors")
    folders = sorted(file.parent for file in arguments.root.glob("*/config.json"))
    for folder in folders:
        model, logits = logits_of(folder, ids[folder.name.split(".")[0]])
        save_file({"logits": logits}, arguments.root / f"{folder.name}.{transformers.__version__}.safetensors")
        if arguments.rewrite:
            model.save_pretrained(arguments.root / f"{folder.name}.{arguments.rewrite}", max_shard_size="100KB")
    print(f"transformers {transformers.__version__} read {len(folders)} models")


if __name__ == "__main__":
    main()
