"""Language models of every family through `concord model`, beside transformers, live.

    python models.py --concord target/debug/concord [CASE ..]

The cases are those of the fixtures (make_lm_golden.py) with other weights, drawn anew and saved by
transformers: logits, greedy text of a left-padded batch with and without a cache, log-probabilities
of its tokens, bf16 beside bf16, sampling by chi-squared, and `concord model save` read back by both
versions of transformers. The older one runs as a process of its own (saved_models.py).
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

sys.dont_write_bytecode = True  # the folder is the repository's
from make_lm_golden import CASES, LENGTH, VOCABULARY, config_of, greedy_of, model_of, reloaded
from saved_models import logits_of

OLDER = "4.57.3"
# Prompts of one call: unequal lengths are padded on the left.
PROMPTS = (20, 7, 13)
# In f32, transformers itself is up to 5e-5 away from its log-probabilities in double precision.
LOGITS, LOG_PROBABILITIES = 1e-4, 2e-5
# Rounding alone moves a few near ties and this much divergence.
SAME_FIRST, DIVERGENCE = 0.85, 3e-3

SAMPLES, SMALLEST_P = 40_000, 1e-4
GRID = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.6},
    {"top_k": 1},
    {"top_k": 12},
    {"top_p": 0.5},
    {"top_p": 0.9},
    {"min_p": 0.05},
    {"repetition_penalty": 1.4},
    {"temperature": 1.3, "top_k": 20},
    {"temperature": 0.8, "top_p": 0.8},
    {"temperature": 1.5, "min_p": 0.1},
    {"top_k": 30, "top_p": 0.7},
    {"temperature": 1.2, "top_k": 40, "top_p": 0.95, "min_p": 0.02, "repetition_penalty": 1.2},
]


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, holds, what):
        self.passed += bool(holds)
        self.failed += not holds
        if not holds:
            print(f"differs: {what}")


class Concord:
    """`concord model` on one thread, as the references run."""

    def __init__(self, path):
        self.path = str(Path(path).resolve())

    def run(self, *arguments):
        command = [self.path, "model", *map(str, arguments)]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {answer.returncode}: {answer.stderr}")
        return answer.stdout

    def logits(self, folder, ids, *options):
        out = folder.parent / "ours.safetensors"
        self.run("logits", "--model", folder, "--ids", ",".join(map(str, ids.tolist())), "--out", out, "--threads", 1, *options)
        # The file is mapped, and the next call writes it anew.
        return load_file(out)["logits"].clone()

    def generate(self, folder, prompts, *options):
        given = [part for prompt in prompts for part in ("--prompt-ids", ",".join(map(str, prompt.tolist())))]
        answer = self.run("generate", "--model", folder, *given, "--ignore-eos", "--format", "json", "--threads", 1, *options)
        return json.loads(answer)["continuations"]


def drawn(seed):
    """Weights of the size that the fixtures have, so that logits are about 1.3 on average."""
    generator = torch.Generator().manual_seed(seed)

    def weight(name, shape, gemma):
        values = torch.randn(shape, generator=generator) * 0.2
        return values + 1 if name.endswith("norm.weight") and not gemma else values

    return weight


def prompts_of(model, seed):
    """Prompts without a near tie in their greedy continuation, the continuations and their scores."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for length in PROMPTS:
        for _ in range(40):
            prompt = torch.randint(3, VOCABULARY, (length,), generator=generator)
            if (greedy := greedy_of(model, prompt)) is not None:
                found.append((prompt, *greedy))
                break
        else:
            raise SystemExit("no prompt without a near tie")
    return found, torch.randint(3, VOCABULARY, (LENGTH,), generator=generator)


def logits_alone(model, ids):
    with torch.no_grad():
        return model(ids[None]).logits[0].float()


def compare(concord, tally, root, name, seed, ids_of):
    """Everything of one case but what needs the older transformers; saves it for that."""
    kind, settings = CASES[name]
    model = model_of(config_of(kind, settings), drawn(seed))
    folder = root / "saved" / name
    # Every other case in shards.
    model.save_pretrained(folder, max_shard_size="100KB" if seed % 2 else "5GB")
    texts, filler = prompts_of(model, seed)
    prompt, greedy, _ = texts[0]
    ids = torch.cat([prompt, greedy, filler])[:LENGTH]
    ids_of[name] = ids
    theirs = logits_alone(model, ids)
    ours = concord.logits(folder, ids)
    apart = (ours - theirs).abs().max().item()
    tally.check(apart <= LOGITS, f"{name}: logits by {apart:.1e}")
    # A text on the other side of the switch of a long rotation has other frequencies.
    switch = settings.get("original_max_position_embeddings", 0) if name.endswith("_long") else 0
    behind = max(len(prompt), switch + 1)
    uncached = ours[behind - 1 : len(prompt) + len(greedy) - 1].argmax(-1)
    tally.check(torch.equal(uncached, ids[behind : len(prompt) + len(greedy)]), f"{name}: greedy ids without a cache")

    answers = concord.generate(folder, [prompt for prompt, *_ in texts], "--greedy", "--max-new", len(greedy), "--log-probabilities")
    worst = 0.0
    for (prompt, greedy, scores), answer in zip(texts, answers, strict=True):
        tally.check(answer["ids"] == greedy.tolist(), f"{name}: greedy ids behind {len(prompt)} ids in a batch")
        wanted = scores.log_softmax(-1).gather(1, greedy[:, None])[:, 0]
        worst = max(worst, (torch.tensor(answer["log_probabilities"]) - wanted).abs().max().item())
    tally.check(worst <= LOG_PROBABILITIES, f"{name}: log-probabilities by {worst:.1e}")
    alone = concord.generate(folder, [texts[1][0]], "--greedy", "--max-new", len(greedy))[0]["ids"]
    tally.check(alone == texts[1][1].tolist(), f"{name}: greedy ids of one prompt alone")

    theirs_bf16 = logits_alone(reloaded(model, torch.bfloat16), ids)
    ours_bf16 = concord.logits(folder, ids, "--dtype", "bf16")
    same = (ours_bf16.argmax(-1) == theirs_bf16.argmax(-1)).float().mean().item()
    left, right = theirs_bf16.log_softmax(-1), ours_bf16.log_softmax(-1)
    divergence = (left.exp() * (left - right)).sum(-1).mean().item()
    tally.check(same >= SAME_FIRST and divergence <= DIVERGENCE, f"{name}: bf16, same first choice {same:.3f}, divergence {divergence:.1e}")
    print(f"{name:22} {apart:.1e}   {worst:.1e}   {same:.3f}   {divergence:.1e}", flush=True)
    return theirs, ours


def older_transformers(root, *options):
    """Runs saved_models.py with the older transformers, which lies beside this environment's."""
    older = Path(sys.prefix) / "transformers4"
    environment = {**os.environ, "PYTHONPATH": os.environ.get("TRANSFORMERS4", str(older)), "PYTHONDONTWRITEBYTECODE": "1"}
    script = Path(__file__).with_name("saved_models.py")
    answer = subprocess.run([sys.executable, script, root, *options], env=environment, capture_output=True, text=True)
    if answer.returncode != 0 or OLDER not in answer.stdout:
        raise SystemExit(f"saved_models.py with transformers {OLDER} from {older}: {answer.stdout}{answer.stderr}")


def round_trips(concord, tally, root, results, ids_of):
    """What we save, read by both versions; what the older one saves, read by us."""
    ours = root / "ours"
    ours.mkdir()
    for number, name in enumerate(results):
        options = ("--shard-size", "100KB") if number % 2 else ()
        concord.run("save", root / "saved" / name, ours / name, *options)
    save_file(ids_of, ours / "ids.safetensors")
    older_transformers(ours, "--rewrite", "older")
    for name, (theirs, logits) in results.items():
        _, newer = logits_of(ours / name, ids_of[name])
        tally.check(torch.equal(newer, theirs), f"{name}: saved by us, in transformers {transformers.__version__}")
        older = load_file(ours / f"{name}.{OLDER}.safetensors")["logits"]
        tally.check(torch.equal(older, theirs), f"{name}: saved by us, in transformers {OLDER}")
        again = concord.logits(ours / f"{name}.older", ids_of[name])
        tally.check(torch.equal(again, logits), f"{name}: saved by transformers {OLDER}")


def at_least(statistic, freedom):
    """The probability of a chi-squared value this large."""
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return torch.special.gammaincc(half[0], half[1]).item()


def chi_squared(counts, probabilities):
    """The p-value; rare values are counted as one, impossible ones must not occur."""
    expected = probabilities.double() / probabilities.double().sum() * counts.sum()
    if counts[expected == 0].sum() > 0:
        return 0.0
    common = expected >= 5
    observed, wanted = counts[common].double(), expected[common]
    if (rest := expected[~common].sum()) > 0:
        observed = torch.cat([observed, counts[~common].sum().double()[None]])
        wanted = torch.cat([wanted, rest[None]])
    freedom = len(wanted) - 1
    return 1.0 if freedom == 0 else at_least(((observed - wanted) ** 2 / wanted).sum().item(), freedom)


def sampling(concord, tally, root):
    model = model_of(config_of("llama", {}), drawn(7))
    folder = root / "sampling"
    model.save_pretrained(folder)
    prompt = torch.tensor([5, 9, 5, 30, 77, 9, 101])
    smallest = 1.0
    for seed, settings in enumerate(GRID):
        options = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
        answers = concord.generate(folder, [prompt], "--max-new", 1, "--samples", SAMPLES, "--seed", seed, *options)
        counts = torch.bincount(torch.tensor([answer["ids"][0] for answer in answers]), minlength=VOCABULARY)
        # Without top_k, transformers takes 50.
        out = model.generate(
            prompt[None], max_new_tokens=1, do_sample=True, output_scores=True, return_dict_in_generate=True,
            pad_token_id=0, attention_mask=torch.ones_like(prompt[None]), **({"top_k": 0} | settings),
        )
        p = chi_squared(counts, out.scores[0][0].softmax(-1))
        smallest = min(smallest, p)
        tally.check(len(answers) == SAMPLES and p > SMALLEST_P, f"sampling {settings}: p = {p:.1e}")
    print(f"sampling: {len(GRID)} settings of {SAMPLES} draws, smallest p {smallest:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    arguments = parser.parse_args()
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    concord, tally = Concord(arguments.concord), Tally()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(f"{'case':22} {'logits':9} {'log-prob.':9} {'bf16: same first, divergence'}")
        ids_of = {}
        results = {name: compare(concord, tally, root, name, 1000 + number, ids_of) for number, name in enumerate(arguments.cases)}
        round_trips(concord, tally, root, results, ids_of)
        sampling(concord, tally, root)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
