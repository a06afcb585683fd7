"""lm-evaluation-harness on a folder that Concord wrote: it loads, and its log-likelihoods are ours.

    pip install 'lm_eval[hf]==0.4.13'
    python xtask/parity/lm_eval_folder.py --program target/debug/concord --folder runs/ID/model

Run by hand: the harness brings scipy, scikit-learn and more. Log-likelihoods of three texts behind a context, the
harness's beside those of `concord model logits`, in f32. Prints "N passed, M failed".
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from lm_eval.models.huggingface import HFLM
from safetensors.torch import load_file

TEXTS = [
    ("What is 2 + 2?", " It is 4."),
    ("Say hello to the user.", " hello, user!"),
    ("The sky is", " blue and the sea is green."),
]


def ours(program, folder, ids, behind):
    """Sum of the log-probabilities of `ids[behind:]`."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "logits.safetensors"
        words = ["--ids", ",".join(map(str, ids)), "--out", out, "--dtype", "f32", "--device", "cpu"]
        subprocess.run([program, "model", "logits", folder, *words], check=True, stdout=subprocess.DEVNULL)
        scores = load_file(out)["logits"].double().log_softmax(-1)
    return sum(scores[place - 1, ids[place]].item() for place in range(behind, len(ids)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", required=True)
    given = parser.parse_args()
    model = HFLM(pretrained=given.folder, device="cpu", dtype="float32", batch_size=1)
    found = model.loglikelihood([SimpleNamespace(args=pair) for pair in TEXTS])
    failed = 0
    for (context, text), (theirs, _) in zip(TEXTS, found, strict=True):
        ids = model.tok_encode(context + text)
        value = ours(given.program, given.folder, ids, len(model.tok_encode(context)))
        good = abs(theirs - value) < 1e-3
        failed += not good
        print(f"{'' if good else 'FAILED '}{context + text!r}: lm_eval {theirs:.6f}, concord {value:.6f}")
    print(f"{len(TEXTS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
