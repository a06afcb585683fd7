"""Reads models that `lm` saved with transformers and compares their logits with the fixtures.

    CONCORD_LM_SAVED=FOLDER cargo test -p lm --test models saved
    python xtask/parity/lm_saved.py FOLDER

Runs with transformers 4.57 as well as 5.23. Logits must be at most 1e-4 from the fixtures,
and those of shards must equal those of one file bit for bit.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

FIXTURES = Path(__file__).resolve().parents[2] / "crates/lm/tests/fixtures"


def logits(folder, ids):
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
    with torch.no_grad():
        return model(ids[None]).logits[0]


if __name__ == "__main__":
    saved = Path(sys.argv[1])
    worst = 0.0
    cases = sorted(path.name.removesuffix("-whole") for path in saved.iterdir() if path.name.endswith("-whole"))
    assert cases, f"nothing saved in {saved}"
    for case in cases:
        expected = load_file(FIXTURES / case / "expected.safetensors")
        ids = expected["ids"].long()
        whole = logits(saved / f"{case}-whole", ids)
        assert torch.equal(whole, logits(saved / f"{case}-shards", ids)), f"{case}: shards differ"
        delta = (whole - expected["logits"]).abs().max().item()
        print(f"{case:22} {delta:.1e}")
        worst = max(worst, delta)
    print(f"transformers {transformers.__version__}: {len(cases)} models, largest difference {worst:.1e}")
    sys.exit(worst > 1e-4)
