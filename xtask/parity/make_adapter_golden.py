"""Writes crates/lm/tests/fixtures/adapters: what peft computes with adapters of tiny models.

Needs torch 2.11, transformers 5.23 and peft 0.21.2; the two BONE cases need peft 0.18.1, the
last that has them, and are skipped without. Run it by hand after a change of the cases:

    python xtask/parity/make_adapter_golden.py crates/lm/tests/fixtures [CASE ..]

A case is the adapter's folder as `save_pretrained` of peft writes it, and `expected.safetensors`:

- `ids` [24] and `logits` [24, vocab] in f32, with the adapter beside the weights,
- `loss`, the mean negative log-likelihood, and for each tensor of the adapter, in the order
  of `tensors`, the norm of its gradient and two projections,
- the same three numbers for each weight that `merge_and_unload` changed, in the order of `merged`.

Base models are those of make_lm_golden.py, with their weights drawn from hashes; values of the
adapters are drawn in the same way.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy
import peft
import torch
import transformers
from make_lm_golden import VOCABULARY, hashed, model_of
from safetensors.numpy import load_file, save_file
from transformers import AutoConfig

LENGTH, PROJECTIONS = 24, 2


def lora(**settings):
    return lambda: peft.LoraConfig(task_type="CAUSAL_LM", **settings)


def miss(**settings):
    return lambda: peft.MissConfig(task_type="CAUSAL_LM", **settings)


def bone(**settings):
    return lambda: peft.BoneConfig(task_type="CAUSAL_LM", **settings)


SEVEN = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# base, adapter, size of the drawn values
CASES = {
    "lora": ("llama", lora(r=4, lora_alpha=8, target_modules="all-linear"), 0.25),
    "rslora": ("qwen2", lora(r=4, lora_alpha=6, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"], layers_to_transform=[0, 2], lora_dropout=0.1), 0.25),
    "lora_fused": ("phi3", lora(r=3, lora_alpha=5, target_modules=["qkv_proj", "o_proj", "gate_up_proj"]), 0.25),
    "lora_irregular": ("llama", lora(r=2, target_modules=["model.layers.0.self_attn.v_proj", "model.layers.2.mlp.down_proj"]), 0.25),
    "miss": ("llama", miss(r=8, target_modules=["q_proj", "v_proj", "gate_proj", "down_proj"], exclude_modules=["layers.1.mlp.gate_proj"]), 0.2),
    "miss_remainder": ("qwen2", miss(r=7, target_modules=["q_proj", "k_proj", "up_proj", "down_proj"], layers_to_transform=1), 0.2),
    "miss_mini": ("qwen2", miss(r=8, mini_r=16, init_weights="mini", target_modules=SEVEN), 0.1),
    "miss_fused": ("phi3", miss(r=16, target_modules=["qkv_proj", "down_proj"], layers_to_transform=[2]), 0.2),
    "bat": ("llama", miss(r=16, init_weights="bat", target_modules=["k_proj", "o_proj", "up_proj", "down_proj"], layers_to_transform=[0, 2]), 0.3),
    "bat_fused": ("phi3", miss(r=16, init_weights="bat", target_modules=["qkv_proj", "gate_up_proj"], layers_to_transform=[1]), 0.3),
    "bone": ("qwen2", bone(r=8, target_modules=["v_proj", "up_proj"]), 0.2),
    "bone_bat": ("llama", bone(r=16, init_weights="bat", target_modules=["q_proj"]), 0.3),
}


def numbers(name, values):
    """The norm and the projections of an array."""
    flat = values.astype(numpy.float64).ravel()
    return [float(numpy.linalg.norm(flat)), *(float(flat @ hashed(f"project.{k}.{name}", flat.size)) for k in range(PROJECTIONS))]


def case(fixtures, name, base, make, size):
    config = AutoConfig.from_pretrained(fixtures / base)
    model = peft.get_peft_model(model_of(config), make()).eval()
    target = fixtures / "adapters" / name
    shutil.rmtree(target, ignore_errors=True)
    trained = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for n, p in trained.items():
            p.copy_(torch.from_numpy(hashed(n, p.numel()).reshape(tuple(p.shape)) * numpy.float32(size)))
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(target, save_embedding_layers=False)
    (target / "README.md").unlink()
    assert set(load_file(target / "adapter_model.safetensors")) == set(trained), name
    ids = torch.from_numpy(((hashed(f"ids.{name}", LENGTH).astype(numpy.float64) + 0.5) * VOCABULARY).astype(numpy.int64))
    logits = model(ids[None]).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1].float(), ids[1:])
    loss.backward()
    order = sorted(trained)
    gradients = [numbers(n, trained[n].grad.numpy()) for n in order]
    before = {n: p.detach().clone() for n, p in model_of(config).named_parameters()}
    after = {n: p.detach() for n, p in model.merge_and_unload().named_parameters()}
    changed = sorted(n for n in before if not torch.equal(before[n], after[n]))
    merged = [numbers(n, after[n].numpy()) for n in changed]
    tensors = {
        "ids": ids.numpy().astype(numpy.int32),
        "logits": logits.detach().numpy(),
        "loss": numpy.array([loss.item()], dtype=numpy.float32),
        "gradients": numpy.array(gradients),
        "merged_weights": numpy.array(merged),
    }
    metadata = {"base": base, "tensors": json.dumps(order), "merged": json.dumps(changed)}
    save_file(tensors, target / "expected.safetensors", metadata=metadata)
    with torch.no_grad():
        shift = (logits - model_of(config)(ids[None]).logits[0]).abs().mean()
    print(f"{name:15} {base:6} loss {loss:.3f}, logits moved by {shift:.2f}, {len(order)} tensors, {len(changed)} weights")


if __name__ == "__main__":
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    old = hasattr(peft, "BoneConfig")
    for name in sys.argv[2:] or [name for name in CASES if name.startswith("bone") == old]:
        case(out, name, *CASES[name])
