"""`concord finetune` on a file of preferences against the same updates written out in PyTorch.

The tiny Llama and the rows of alignment/tests/golden/update; every loss with another optimiser, packed and padded,
two updates of two passes each. Compares the loss of each update and the weights of the saved folder.
Prints `N passed, M failed`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

GOLDEN = Path(__file__).resolve().parents[2] / "alignment/tests/golden/update"
ROWS, PASS, UPDATES = 4, 2, 2

# The loss of pairs, from log-ratios of chosen and rejected, the policy's own sums, and lengths.
LOSSES = {
    "sppo": (dict(kind="sppo", form="hard", step_size=1000.0),
             lambda w, l, *_: (w - 500) ** 2 + (l + 500) ** 2),
    "dpo": (dict(kind="dpo", preference_strength=0.1),
            lambda w, l, *_: -F.logsigmoid(0.1 * (w - l))),
    "ipo": (dict(kind="ipo", regularisation=0.1),
            lambda w, l, *_: (w - l - 1 / 0.2) ** 2),
    "ipo_per_token": (dict(kind="ipo", regularisation=0.1, per_token=True),
                      lambda w, l, sums, tokens: (w / tokens[0] - l / tokens[1] - 1 / 0.2) ** 2),
    "simpo": (dict(kind="simpo", preference_strength=2.0, target_margin=0.5),
              lambda w, l, sums, tokens: -F.logsigmoid(2.0 * (sums[0] / tokens[0] - sums[1] / tokens[1]) - 0.5)),
}
OPTIMISERS = {
    "adamw": (1e-3, lambda weights: torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)),
    "rmsprop": (1e-4, lambda weights: torch.optim.RMSprop(weights, lr=1e-4)),
    "sgd": (0.1, lambda weights: torch.optim.SGD(weights, lr=0.1)),
}
CASES = [
    ("sppo", "rmsprop", True), ("sppo", "adamw", False), ("sppo", "sgd", True), ("dpo", "adamw", True),
    ("dpo", "sgd", False), ("ipo", "rmsprop", True), ("ipo_per_token", "sgd", True), ("simpo", "adamw", True),
]


def model():
    return AutoModelForCausalLM.from_pretrained(GOLDEN / "model", dtype=torch.float32, attn_implementation="eager")


def encoded():
    tokenizer = AutoTokenizer.from_pretrained(GOLDEN / "model")
    rows = [json.loads(line) for line in (GOLDEN / "preferences.jsonl").read_text().splitlines()]
    ids = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]
    end = [tokenizer.eos_token_id]
    return [(ids(row["prompt"]), [ids(row["chosen"]) + end, ids(row["rejected"]) + end]) for row in rows[:ROWS * UPDATES]]


def sum_of(policy, prompt, response):
    ids = torch.tensor([prompt + response])
    logs = policy(ids).logits[0, len(prompt) - 1:-1].log_softmax(-1)
    return logs.gather(1, torch.tensor(response)[:, None]).sum()


def reference_run(loss, optimiser):
    """Losses of the updates and the weights after them; one row at a time, nothing batched."""
    policy, frozen = model(), model()
    step = OPTIMISERS[optimiser][1](list(policy.parameters()))
    rows, losses = encoded(), []
    for start in range(0, len(rows), ROWS):
        total = 0.0
        for prompt, responses in rows[start:start + ROWS]:
            sums = [sum_of(policy, prompt, response) for response in responses]
            with torch.no_grad():
                before = [sum_of(frozen, prompt, response) for response in responses]
            tokens = [len(response) for response in responses]
            row = LOSSES[loss][1](sums[0] - before[0], sums[1] - before[1], sums, tokens) / ROWS
            row.backward()
            total += row.item()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        step.step()
        step.zero_grad()
        losses.append(total)
    return losses, {name: weight.detach() for name, weight in policy.named_parameters()}


def toml(value):
    return json.dumps(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else repr(value)


def our_run(concord, folder, loss, optimiser, pack):
    settings = {
        "algorithm": LOSSES[loss][0],
        "model": dict(name=str(GOLDEN / "model"), dtype="f32"),
        "data": dict(path=str(GOLDEN / "preferences.jsonl"), rows=ROWS * UPDATES, shuffle=False),
        "iterations": dict(count=0),
        "optimiser": dict(kind=optimiser, learning_rate=OPTIMISERS[optimiser][0], decay="constant", warm_up_ratio=0.0,
                          rows_per_update=ROWS, rows_per_pass=PASS),
        "memory": dict(pack=pack),
        "logging": dict(interval_updates=1),
        "runtime": dict(device="cpu", threads=1),
    }
    text = "version = 1\njob = \"finetune\"\n"
    for section, values in settings.items():
        text += f"[{section}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in values.items())
    file = Path(folder) / "job.toml"
    file.write_text(text)
    out = subprocess.run([concord, "finetune", str(file), "--ui", "none", "--run-dir", str(Path(folder) / "runs")],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    run = next(path.parent for path in (Path(folder) / "runs").glob("*/events.jsonl"))
    losses = {}
    for line in (run / "events.jsonl").read_text().splitlines():
        found = told_loss(json.loads(line))
        if found:
            losses[found[0]] = found[1]
    return [losses[update] for update in sorted(losses)], run / "model"


def told_loss(event):
    """Update and loss, where an event tells them."""
    if event.get("name") == "finetune/loss":
        return event["step"], event["value"]
    return None


class Parity:
    def __init__(self, concord):
        self.concord, self.passed, self.failed = concord, 0, 0

    def check(self, what, right):
        self.passed += bool(right)
        self.failed += not right
        if not right:
            print(f"FAILED {what}")

    def compare(self, loss, optimiser, pack):
        case = f"{loss}, {optimiser}, {'packed' if pack else 'padded'}"
        theirs, weights = reference_run(loss, optimiser)
        with tempfile.TemporaryDirectory() as folder:
            ours, saved = our_run(self.concord, folder, loss, optimiser, pack)
            trained = dict(AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32).named_parameters())
        self.check(f"{case}: {len(ours)} updates", len(ours) == len(theirs))
        for number, (a, b) in enumerate(zip(ours, theirs)):
            self.check(f"{case}: loss {a} of update {number}, {b} there", abs(a - b) <= 1e-5 * abs(b))
        rate = OPTIMISERS[optimiser][0]
        for name, weight in weights.items():
            off = (trained[name] - weight).abs().max().item() / rate
            # Either divides a gradient by its own size, so that the rounding of one that is nearly
            # nothing moves a weight; ten times as much means another rule or another gradient.
            self.check(f"{case}: {name} off by {off} learning rates", off <= 1e-1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    torch.set_num_threads(1)
    parity = Parity(parser.parse_args().concord)
    for case in CASES:
        parity.compare(*case)
    print(f"{parity.passed} passed, {parity.failed} failed")
    sys.exit(parity.failed > 0)
