"""Writes crates/lm/tests/fixtures: what transformers computes for tiny models of every family.

Needs torch 2.11, transformers 5.23 and safetensors; run it by hand after a change of the cases:

    python xtask/parity/make_lm_golden.py crates/lm/tests/fixtures [CASE ..]

The weights are not stored: both sides draw them from a hash of the tensor's name
(`hashed` here, `golden.rs` of the tests there), so a case is a `config.json` and what came out:

- `ids` [80], `logits` [80, vocab] in f32, `logits_bf16` of the model cast to bfloat16,
- `greedy` [24]: the continuation of the first `prompt` ids, equal with and without cache,
- `gradient_norms` and `gradient_projections` of the mean negative log-likelihood, a row per
  tensor in the order of their names, and for some cases each whole gradient.

`saved/` is a checkpoint that `save_pretrained` wrote in shards.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

LENGTH, PROMPT, NEW, VOCABULARY, PROJECTIONS = 80, 20, 24, 131, 16
WHOLE_GRADIENTS = ("llama", "gemma2")

COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=32)
GEMMA3_ROPE = dict(sliding_attention=dict(rope_type="default", rope_theta=10000.0), full_attention=dict(rope_type="default", rope_theta=1000000.0))
GEMMA3_LINEAR = GEMMA3_ROPE | dict(full_attention=dict(rope_type="linear", rope_theta=1000000.0, factor=8.0))
LONGROPE = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0 + 0.03 * i for i in range(8)], long_factor=[1.0 + 0.5 * i for i in range(8)])
GEMMA2 = dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24, attn_implementation="eager")

CASES = {
    "llama": ("llama", {}),
    "llama_tied_biased": ("llama", dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=24)),
    "llama_llama3": ("llama", dict(rope_parameters=LLAMA3)),
    "llama_linear": ("llama", dict(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0))),
    "llama_yarn": ("llama", dict(rope_parameters=YARN)),
    "llama_yarn_mscale": ("llama", dict(rope_parameters=YARN | dict(mscale=0.8, mscale_all_dim=0.5, truncate=False, beta_fast=16.0))),
    "mistral": ("mistral", dict(sliding_window=16)),
    "qwen2": ("qwen2", dict(rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "qwen2_sliding": ("qwen2", dict(use_sliding_window=True, sliding_window=16, max_window_layers=1)),
    "qwen3": ("qwen3", dict(tie_word_embeddings=True, head_dim=32)),
    "qwen3_yarn": ("qwen3", dict(head_dim=16, rope_parameters=YARN)),
    "gemma2": ("gemma2", GEMMA2),
    "gemma3": ("gemma3_text", dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24, rope_parameters=GEMMA3_ROPE)),
    "gemma3_full": ("gemma3_text", dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24, num_hidden_layers=7, rope_parameters=GEMMA3_ROPE)),
    "gemma3_full_linear": ("gemma3_text", dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24, num_hidden_layers=7, rope_parameters=GEMMA3_LINEAR)),
    "phi3": ("phi3", dict(sliding_window=None)),
    "phi3_partial": ("phi3", dict(sliding_window=48, rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75))),
    "phi3_longrope_short": ("phi3", dict(original_max_position_embeddings=128, rope_parameters=LONGROPE | dict(original_max_position_embeddings=128))),
    "phi3_longrope_long": ("phi3", dict(original_max_position_embeddings=32, rope_parameters=LONGROPE | dict(original_max_position_embeddings=32))),
    "smollm3": ("smollm3", dict(num_hidden_layers=5, no_rope_layer_interval=4)),
}


def mixed(state):
    """The finaliser of splitmix64, on arrays of 64-bit words."""
    state = (state ^ (state >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return state ^ (state >> numpy.uint64(31))


def hashed(name, count):
    """`count` numbers in [-0.5, 0.5), exact in f32, from the FNV-1a hash of `name`."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    index = numpy.arange(1, count + 1, dtype=numpy.uint64)
    words = mixed(numpy.uint64(seed) + index * numpy.uint64(0x9E3779B97F4A7C15))
    return ((words >> numpy.uint64(40)).astype(numpy.int64) - 2**23).astype(numpy.float32) / numpy.float32(2**24)


def weight(name, shape, gemma):
    values = hashed(name, int(numpy.prod(shape))).reshape(shape) * numpy.float32(0.6875)
    if name.endswith("norm.weight") and not gemma:
        values = values + numpy.float32(1)
    return torch.from_numpy(values)


def config_of(kind, settings):
    return AutoConfig.for_model(kind, **(COMMON | settings))


def model_of(config, weight=weight):
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape), config.model_type.startswith("gemma")))
    model.generation_config.eos_token_id = None
    return model


def ids_of(name, attempt):
    return torch.from_numpy(((hashed(f"ids.{name}.{attempt}", LENGTH).astype(numpy.float64) + 0.5) * VOCABULARY).astype(numpy.int64))


def greedy_of(model, prompt):
    """The continuation and its scores, when no choice in it is a near tie."""
    answers = []
    for cache in (True, False):
        out = model.generate(
            prompt[None], max_new_tokens=NEW, do_sample=False, use_cache=cache, pad_token_id=0,
            attention_mask=torch.ones_like(prompt[None]), output_logits=True, return_dict_in_generate=True,
        )
        answers.append(out.sequences[0, len(prompt):])
        scores = torch.stack(out.logits, 1)[0]
        best = scores.topk(2).values
        if (best[:, 0] - best[:, 1]).min() < 5e-3:
            return None
    return (answers[0], scores) if torch.equal(*answers) else None


def gradients_of(model, ids):
    model.zero_grad()
    logits = model(ids[None]).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1].float(), ids[1:])
    loss.backward()
    return loss, dict(sorted((name, p.grad.double().numpy()) for name, p in model.named_parameters()))


def reloaded(model, dtype):
    """The model as `from_pretrained` gives it: `to` would round the rotary frequencies as well."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def case(folder, name, kind, settings):
    config = config_of(kind, settings)
    model = model_of(config)
    for attempt in range(20):
        ids = ids_of(name, attempt)
        found = greedy_of(model, ids[:PROMPT])
        if found is not None:
            break
    assert found is not None, f"{name}: no prompt without a near tie"
    greedy, _ = found
    loss, gradients = gradients_of(model, ids)
    rows = [[float(g.ravel() @ hashed(f"project.{k}.{n}", g.size)) for k in range(PROJECTIONS)] for n, g in gradients.items()]
    with torch.no_grad():
        logits = model(ids[None]).logits[0]
        rounded = reloaded(model, torch.bfloat16)(ids[None]).logits[0].float()
    tensors = {
        "ids": ids.numpy().astype(numpy.int32),
        "logits": logits.numpy(),
        # bfloat16 stored by its upper half.
        "logits_bf16": (rounded.numpy().view(numpy.uint32) >> 16).astype(numpy.uint16),
        "greedy": greedy.numpy().astype(numpy.int32),
        "loss": numpy.array([loss.item()], dtype=numpy.float32),
        "gradient_norms": numpy.array([numpy.linalg.norm(g) for g in gradients.values()]),
        "gradient_projections": numpy.array(rows),
    }
    if name in WHOLE_GRADIENTS:
        tensors |= {f"gradient.{n}": g.astype(numpy.float32) for n, g in gradients.items()}
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    config.architectures = [type(model).__name__]
    config.dtype = "float32"
    config.save_pretrained(target)
    save_file(tensors, target / "expected.safetensors", metadata={"tensors": json.dumps(list(gradients)), "prompt": str(PROMPT)})
    print(f"{name}: mean |logit| {logits.abs().mean():.2f}, loss {loss:.3f}, {len(gradients)} tensors")


def saved(folder):
    """A checkpoint as transformers writes it, in shards and in bfloat16; run in f32."""
    target = folder / "saved"
    shutil.rmtree(target, ignore_errors=True)
    model = model_of(config_of("qwen2", dict(num_hidden_layers=1, tie_word_embeddings=True))).to(torch.bfloat16)
    model.save_pretrained(target, max_shard_size="40KB")
    ids = ids_of("saved", 0)
    with torch.no_grad():
        logits = reloaded(model, torch.float32)(ids[None]).logits[0]
    save_file({"ids": ids.numpy().astype(numpy.int32), "logits": logits.numpy()}, target / "expected.safetensors")


if __name__ == "__main__":
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    wanted = sys.argv[2:] or [*CASES, "saved"]
    for name in wanted:
        if name == "saved":
            saved(out)
        else:
            case(out, name, *CASES[name])
