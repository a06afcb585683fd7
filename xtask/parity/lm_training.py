"""Models that `concord model create` draws, read by transformers: sizes, logits, how they are drawn.

Of every family a tiny one, and the shape smollm2-135m in bf16. Prints `N passed, M failed`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

FIXTURES = Path(__file__).resolve().parents[2] / "crates/lm/tests/fixtures"
FAMILIES = ["llama_tied_biased", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_full", "phi3", "smollm3"]
IDS = [5, 9, 2, 77, 5, 30, 11, 4]


class Parity:
    def __init__(self, concord, folder):
        self.concord, self.folder = concord, Path(folder)
        self.passed = self.failed = 0

    def run(self, *words):
        out = subprocess.run([self.concord, "model", *map(str, words)], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
        return out.stdout

    def check(self, what, right):
        self.passed += bool(right)
        self.failed += not right
        if not right:
            print(f"FAILED {what}")

    def created(self, name, config, dtype):
        target = self.folder / name
        told = json.loads(self.run("create", config, target, "--seed", 7, "--dtype", dtype, "--format", "json"))
        model = AutoModelForCausalLM.from_pretrained(target, attn_implementation="eager", dtype=torch.float32).eval()
        self.check(f"{name}: parameters", told["parameters"] == sum(p.numel() for p in model.parameters()))
        fresh = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32)
        for (tensor, ours), (_, theirs) in zip(model.named_parameters(), fresh.named_parameters()):
            ours, theirs = ours.float(), theirs.float()
            # Deviations of as many numbers as the tensor has; a constant is the same constant.
            near = abs(ours.std() - theirs.std()) <= 0.1 * theirs.std() if ours.dim() > 1 else torch.equal(ours, theirs)
            self.check(f"{name}: {tensor} is drawn otherwise", near)
        out = self.folder / f"{name}.safetensors"
        self.run("logits", "--model", target, "--ids", ",".join(map(str, IDS)), "--out", out, "--dtype", "f32")
        with torch.no_grad():
            theirs = model(torch.tensor([IDS])).logits[0]
        worst = (load_file(out)["logits"] - theirs).abs().max().item()
        self.check(f"{name}: logits differ by {worst}", worst <= 1e-4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parity = Parity(arguments.concord, folder)
        for family in FAMILIES:
            parity.created(family, FIXTURES / family / "config.json", "f32")
        parity.created("smollm2-135m", "smollm2-135m", "bf16")
    print(f"{parity.passed} passed, {parity.failed} failed")
    sys.exit(parity.failed > 0)
