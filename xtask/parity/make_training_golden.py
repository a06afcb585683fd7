"""Writes what torch.optim, get_scheduler and bf16 models of transformers give, as fixtures.

Needs torch 2.11, transformers 5.23 and safetensors; run it by hand after a change of the cases:

    python xtask/parity/make_training_golden.py

- crates/nn/tests/fixtures/training.json: 20 steps of each optimiser on the same gradients, and
  learning rates of each schedule,
- crates/lm/tests/fixtures/training/CASE.safetensors: of each tensor's gradient of the mean negative
  log-likelihood 64 numbers, evenly spread, from the model in bf16 and in f32. The models are those
  of make_lm_golden.py.
"""

import json
from pathlib import Path

import numpy
import torch
import transformers
from make_lm_golden import CASES, config_of, gradients_of, model_of, reloaded
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
SIZE, STEPS, SAMPLES = 48, 20, 64
GRADIENT_CASES = ("llama", "qwen3", "gemma2")

OPTIMISERS = {
    "adam": (torch.optim.Adam, dict(lr=1e-2), None),
    "adamw": (torch.optim.AdamW, dict(lr=1e-3), None),
    "adamw_decayed": (torch.optim.AdamW, dict(lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1), None),
    "adamw_clipped": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0.01), 1.0),
    "rmsprop": (torch.optim.RMSprop, dict(), None),
    "rmsprop_decayed": (torch.optim.RMSprop, dict(lr=1e-3, weight_decay=0.1), None),
    "sgd": (torch.optim.SGD, dict(lr=0.1), None),
    "sgd_momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.01), None),
}

SCHEDULES = [
    ("constant", 0, 20), ("constant_with_warmup", 5, 20), ("linear", 0, 20), ("linear", 4, 20),
    ("cosine", 0, 20), ("cosine", 7, 33),
]


def optimised(start, gradients, kind, options, limit):
    weights = torch.nn.Parameter(start.clone())
    optimiser = kind([weights], **options)
    for gradient in gradients:
        weights.grad = gradient.clone()
        if limit is not None:
            torch.nn.utils.clip_grad_norm_([weights], limit)
        optimiser.step()
    return weights.detach().tolist()


def rates(name, warm_up, total):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = transformers.get_scheduler(name, optimiser, num_warmup_steps=warm_up, num_training_steps=total)
    factors = []
    for _ in range(total + 2):
        factors.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    return factors


def write_optimisers():
    generator = torch.Generator().manual_seed(11)
    start = torch.randn(SIZE, generator=generator)
    gradients = [torch.randn(SIZE, generator=generator) for _ in range(STEPS)]
    fixture = {
        "start": start.tolist(),
        "gradients": [gradient.tolist() for gradient in gradients],
        "optimisers": {name: optimised(start, gradients, *case) for name, case in OPTIMISERS.items()},
        "schedules": [
            {"name": name, "warm_up": warm_up, "total": total, "factors": rates(name, warm_up, total)}
            for name, warm_up, total in SCHEDULES
        ],
    }
    target = ROOT / "crates/nn/tests/fixtures/training.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(fixture) + "\n")


def sampled(model, ids):
    _, gradients = gradients_of(model, ids)
    places = lambda size: [place * size // SAMPLES for place in range(SAMPLES)]
    return list(gradients), numpy.stack([g.ravel()[places(g.size)] for g in gradients.values()]).astype(numpy.float32)


def write_gradients():
    for case in GRADIENT_CASES:
        model = model_of(config_of(*CASES[case]))
        fixtures = ROOT / "crates/lm/tests/fixtures"
        ids = torch.from_numpy(load_file(fixtures / case / "expected.safetensors")["ids"].astype(numpy.int64))
        names, exact = sampled(model, ids)
        _, rounded = sampled(reloaded(model, torch.bfloat16), ids)
        (fixtures / "training").mkdir(exist_ok=True)
        save_file(
            {"f32": exact, "bf16": rounded}, fixtures / "training" / f"{case}.safetensors",
            metadata={"tensors": json.dumps(names)},
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_optimisers()
    write_gradients()
