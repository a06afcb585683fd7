"""Reward models, DeBERTa and PairRM by `concord model score`, beside transformers, live.

    python xtask/parity/lm_scoring.py --concord target/debug/concord

Every model is random, tiny and written by transformers, with a tokenizer and a chat template.
PairRM's head is computed from its definition (pair_ranker.py) on transformers' encoder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers

sys.dont_write_bytecode = True  # the folder is the repository's
import scoring_folders
from scoring_folders import TRIPLES, encoder_model, logits_of, pair_model, records, reward_model, scores_of

CLOSE = 1e-4
REWARDS = {
    "llama": dict(),
    "mistral": dict(sliding_window=16),
    "qwen2": dict(),
    "qwen3": dict(tie_word_embeddings=True),
    "gemma2": dict(sliding_window=16, query_pre_attn_scalar=8),
    "phi3": dict(head_dim=8),
}


def ours(concord, folder, lines, *words):
    command = [concord, "model", "score", str(folder), "-", "--device", "cpu", "--format", "json", *words]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    out = subprocess.run(command, input=text, capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(out.stderr)
    return [json.loads(line) for line in out.stdout.splitlines()]


def flat(value):
    return [number for item in value for number in flat(item)] if isinstance(value, list) else [value]


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def compare(self, name, pairs):
        worst = max(abs(a - b) for found, wanted in pairs for a, b in zip(flat(found), flat(wanted), strict=True))
        fine = worst <= CLOSE
        self.passed += fine
        self.failed += not fine
        print(f"{'ok  ' if fine else 'FAIL'} {name}: {len(pairs)} records, largest difference {worst:.1e}")


def scores(answer):
    return answer["scores"] if "scores" in answer else [answer["score"]]


def texts(count, concord, root, fast):
    made = {kind: (lambda folder, kind=kind, settings=settings: reward_model(folder, fast, kind, **settings)) for kind, settings in REWARDS.items()}
    made["deberta"] = lambda folder: encoder_model(folder, fast, 1)
    for name, make in made.items():
        folder = root / name
        scoring_folders.tokenizer(folder)
        model = make(folder)
        wanted = records(fast, segments=name == "deberta")
        lines = [record for record, _ in wanted]
        theirs = [[row[0] for row in scores_of(model, ids)] for _, ids in wanted]
        for words in ([], ["--max-tokens", "1"]):
            found = ours(concord, folder, lines, *words)
            count.compare(f"{name} {' '.join(words)}".strip(), list(zip(map(scores, found), theirs, strict=True)))
    folder = root / "labels"
    scoring_folders.tokenizer(folder)
    model = reward_model(folder, fast, "qwen2", labels=3)
    wanted = [(record, ids) for record, ids in records(fast, False) if "candidates" not in record]
    found = ours(concord, folder, [record for record, _ in wanted])
    count.compare("three labels", [(scores(answer), scores_of(model, ids)) for answer, (_, ids) in zip(found, wanted, strict=True)])


def pairs(count, concord, root, fast):
    lines = [{"prompt": prompt, "candidates": candidates} for prompt, candidates in TRIPLES]
    for tasks in (1, 2):
        folder = root / f"pair-{tasks}"
        scoring_folders.tokenizer(folder)
        model = pair_model(folder, fast, tasks)
        theirs = [logits_of(model, fast, prompt, candidates) for prompt, candidates in TRIPLES]
        found = ours(concord, folder, lines, "--pair")
        count.compare(f"PairRM, {tasks} task(s)", list(zip((answer["logits"] for answer in found), theirs, strict=True)))
        halves = []
        for answer, logits in zip(found, theirs, strict=True):
            matrix = torch.tensor(logits)
            halves.append((answer["win"], torch.sigmoid((matrix - matrix.T) / 2).tolist()))
        count.compare(f"PairRM, {tasks} task(s), both orders", halves)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    concord = str(Path(parser.parse_args().concord).resolve())
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fast = scoring_folders.tokenizer(root / "tokenizer")
        texts(count, concord, root, fast)
        pairs(count, concord, root, fast)
    print(f"{count.passed} passed, {count.failed} failed")
    sys.exit(count.failed > 0)
