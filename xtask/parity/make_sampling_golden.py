"""Distributions of a next token as the processors of transformers leave them, for
crates/lm/tests/models/sampling.rs:

    python xtask/parity/make_sampling_golden.py crates/lm/tests/fixtures/sampling.json

The processors run in the order in which `generate` puts them. Two scores tie where top-k cuts.
`limits[n]` is the value that chi-squared with n + 1 degrees of freedom passes with
probability 1e-4.
"""

import itertools
import json
import sys

import torch
from transformers import __version__
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCABULARY = 40
TEXT = [2, 7, 7, 31, 12]
TIED = 5  # the k of top-k that cuts between two equal scores


def scores():
    generator = torch.Generator().manual_seed(12)
    drawn = torch.randn(VOCABULARY, generator=generator) * 2
    order = drawn.sort(descending=True).indices
    drawn[order[TIED]] = drawn[order[TIED - 1]]
    # Ties stay ties under a penalty on neither.
    assert not {int(order[TIED]), int(order[TIED - 1])} & set(TEXT)
    return drawn


def processors(case):
    chosen = LogitsProcessorList()
    if case["bias"]:
        chosen.append(SequenceBiasLogitsProcessor([[[id], bias] for id, bias in case["bias"]]))
    if case["repetition_penalty"] != 1.0:
        chosen.append(RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
    if case["temperature"] != 1.0:
        chosen.append(TemperatureLogitsWarper(case["temperature"]))
    if case["top_k"]:
        chosen.append(TopKLogitsWarper(case["top_k"]))
    if case["top_p"] < 1.0:
        chosen.append(TopPLogitsWarper(case["top_p"]))
    if case["min_p"] > 0.0:
        chosen.append(MinPLogitsWarper(case["min_p"]))
    return chosen


def limit(freedom):
    low, high = 0.0, 200.0
    half = torch.tensor(freedom / 2, dtype=torch.float64)
    for _ in range(100):
        middle = (low + high) / 2
        above = torch.special.gammaincc(half, torch.tensor(middle / 2, dtype=torch.float64))
        low, high = (middle, high) if above > 1e-4 else (low, middle)
    return round(high, 4)


def main(path):
    first = scores()
    filters = [
        (0, 1.0, 0.0),
        (TIED, 1.0, 0.0),
        (0, 0.9, 0.0),
        (0, 0.5, 0.0),
        (0, 1.0, 0.1),
        (12, 0.9, 0.02),
    ]
    cases = []
    for temperature, penalty, (top_k, top_p, min_p) in itertools.product(
        [0.6, 1.0, 1.7], [1.0, 1.3], filters
    ):
        cases.append((temperature, top_k, top_p, min_p, penalty, []))
    cases.append((1.0, 0, 0.95, 0.0, 1.2, [(3, 2.5), (31, -1.0), (8, float("-inf"))]))
    described = []
    for temperature, top_k, top_p, min_p, penalty, bias in cases:
        case = {
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": penalty,
            "bias": bias,
        }
        ids = torch.tensor([TEXT])
        left = processors(case)(ids, first.clone().unsqueeze(0))
        case["chances"] = left.squeeze(0).double().softmax(-1).tolist()
        case["bias"] = [[id, None if bias == float("-inf") else bias] for id, bias in bias]
        described.append(case)
    cut = [case for case in described if case["top_k"] == TIED]
    assert all(sum(chance > 0 for chance in case["chances"]) == TIED + 1 for case in cut[:1])
    golden = {
        "made_by": f"xtask/parity/make_sampling_golden.py, transformers {__version__}",
        "scores": first.tolist(),
        "text": TEXT,
        "cases": described,
        "limits": [limit(freedom) for freedom in range(1, VOCABULARY)],
    }
    with open(path, "w") as file:
        file.write(json.dumps(golden).replace('{"temperature"', '\n{"temperature"') + "\n")


main(sys.argv[1])
