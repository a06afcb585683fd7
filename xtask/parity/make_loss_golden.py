"""Writes alignment/tests/golden/losses.json: losses, gradients and TRL's own arithmetic, in f64.

The arithmetic is TRL 1.16.0's itself: the branches of `DPOTrainer._compute_loss` over `loss_type` and
`CPOTrainer.cpo_loss` are cut out of the installed (or unpacked) package and run on given log-probabilities,
without its imports (datasets, accelerate, a model). Needs torch 2.11; trl as sources in a folder:

    pip download trl==1.16.0 --no-deps && unzip trl-1.16.0-py3-none-any.whl -d trl
    python xtask/parity/make_loss_golden.py trl > alignment/tests/golden/losses.json
"""

import ast
import json
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F

FOLDER = Path(sys.argv[1])


def method(file, name):
    tree = ast.parse((FOLDER / "trl" / file).read_text())
    return next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def compiled(body):
    return compile(ast.fix_missing_locations(ast.Module(body=body, type_ignores=[])), "trl", "exec")


def branches():
    """The `if loss_type == ...` chain of DPOTrainer."""
    loop = next(
        node
        for node in ast.walk(method("trainer/dpo_trainer.py", "_compute_loss"))
        if isinstance(node, ast.For) and "loss_type" in ast.unparse(node.target)
    )
    return compiled([loop.body[0]])


def cpo_loss():
    function = method("experimental/cpo/cpo_trainer.py", "cpo_loss")
    function.returns, function.decorator_list = None, []
    for argument in function.args.args:
        argument.annotation = None
    scope = {"torch": torch, "F": F}
    exec(compiled([function]), scope)
    return scope["cpo_loss"]


BRANCHES, CPO = branches(), cpo_loss()


def dpo_trainer(loss_type, beta, policy, reference, lengths):
    chosen = policy[0] - reference[0]
    rejected = policy[1] - reference[1]
    mask = torch.arange(int(max(map(max, lengths))))[None] < torch.tensor(lengths[0] + lengths[1])[:, None]
    scope = {
        "F": F,
        "torch": torch,
        "self": types.SimpleNamespace(beta=beta, label_smoothing=0.0),
        "loss_type": loss_type,
        "completion_mask": mask.long(),
        "chosen_scores": chosen,
        "rejected_scores": rejected,
        "chosen_logratios": chosen,
        "rejected_logratios": rejected,
        "delta_score": chosen - rejected,
    }
    exec(BRANCHES, scope)
    return scope["per_sequence_loss"]


def cpo_trainer(loss_type, beta, smoothing, gamma, chosen, rejected):
    trainer = types.SimpleNamespace(
        alpha=0.0,
        beta=beta,
        label_smoothing=smoothing,
        loss_type=loss_type,
        simpo_gamma=gamma,
        accelerator=types.SimpleNamespace(device="cpu"),
    )
    return CPO(trainer, chosen, rejected)[0]


def main():
    generator = torch.Generator().manual_seed(6)
    pairs = 6
    lengths = [torch.randint(3, 60, (pairs,), generator=generator).tolist() for _ in range(2)]
    per_token = [torch.tensor(part, dtype=torch.float64) for part in lengths]
    draw = lambda: torch.randn(pairs, generator=generator, dtype=torch.float64)
    policy = [-1.5 * length + draw() for length in per_token]
    reference = [sums + 2 * draw() for sums in policy]
    cases = []

    def case(loss, compute):
        leaves = [sums.clone().requires_grad_(True) for sums in policy]
        losses = compute(*leaves)
        gradients = torch.autograd.grad(losses.mean(), leaves)
        cases.append(
            {
                "loss": loss,
                "losses": losses.tolist(),
                "chosen_gradient": gradients[0].tolist(),
                "rejected_gradient": gradients[1].tolist(),
            }
        )

    for beta in (0.001, 0.1):
        hard = {"name": "sppo", "form": "hard", "step_size": 1 / beta, "baseline_c": 0.5}
        case(hard, lambda *sums: dpo_trainer("sppo_hard", beta, sums, reference, lengths))
    for beta in (0.05, 0.5):
        dpo = {"name": "dpo", "preference_strength": beta, "label_smoothing": 0.0}
        case(dpo, lambda *sums: dpo_trainer("sigmoid", beta, sums, reference, lengths))
        ipo = {"name": "ipo", "regularisation": beta, "per_token": True}
        case(ipo, lambda *sums: dpo_trainer("ipo", beta, sums, reference, lengths))
        # CPO's formula on log-ratios is the paper's IPO, and DPO with smoothed labels.
        ipo = {"name": "ipo", "regularisation": beta, "per_token": False}
        case(ipo, lambda w, l: cpo_trainer("ipo", beta, 0, 0, w - reference[0], l - reference[1]))
        smoothed = {"name": "dpo", "preference_strength": beta, "label_smoothing": 0.1}
        case(smoothed, lambda w, l: cpo_trainer("sigmoid", beta, 0.1, 0, w - reference[0], l - reference[1]))
    for smoothing in (0.0, 0.2):
        simpo = {"name": "simpo", "preference_strength": 2.0, "target_margin": 0.5, "label_smoothing": smoothing}
        case(simpo, lambda w, l: cpo_trainer("simpo", 2.0, smoothing, 0.5, w / per_token[0], l / per_token[1]))
    golden = {
        "trl": "1.16.0",
        "policy": [part.tolist() for part in policy],
        "reference": [part.tolist() for part in reference],
        "tokens": lengths,
        "cases": cases,
    }
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
