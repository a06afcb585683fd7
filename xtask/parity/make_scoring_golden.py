"""Writes crates/lm/tests/fixtures/scoring: what transformers computes for tiny reward models.

Needs torch 2.11, transformers 5.23 and safetensors; run it by hand after a change of the cases:

    python xtask/parity/make_scoring_golden.py crates/lm/tests/fixtures/scoring [CASE ..]

Weights are drawn from a hash of the tensor's name, as in make_lm_golden.py. A case of a decoder
holds, for the texts whose lengths are in the metadata:

- `ids`, one text after the other; some end in the padding id,
- `scores` of the batch padded on the right, [texts, labels]; the script checks that the batch
  padded on the left and each text alone give the same,
- `scores_bf16` of the model in bfloat16, each text alone,
- `gradient_norms` and `gradient_projections` of the sum of scores times their derivative, whose
  row r holds (r + 1) / 8 and, in every other column, its negative.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.numpy import save_file
from transformers import AutoModelForSequenceClassification

sys.dont_write_bytecode = True  # the folder is the repository's
from make_lm_golden import GEMMA2, PROJECTIONS, VOCABULARY, config_of, hashed, weight

LENGTHS = (40, 9, 23, 31)
PADDING = 0

DECODERS = {
    "llama": ("llama", dict(num_labels=1)),
    "mistral": ("mistral", dict(num_labels=1, sliding_window=16)),
    "qwen2": ("qwen2", dict(num_labels=3)),
    "qwen3": ("qwen3", dict(num_labels=1, tie_word_embeddings=True, head_dim=32)),
    "gemma2": ("gemma2", GEMMA2 | dict(num_labels=1)),
    "gemma3": ("gemma3_text", dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24, num_labels=1)),
    "phi3": ("phi3", dict(num_labels=2, sliding_window=None)),
    "smollm3": ("smollm3", dict(num_labels=1, num_hidden_layers=5, no_rope_layer_interval=4)),
    "llama_unpadded": ("llama", dict(num_labels=1, pad_token_id=None)),
}


def texts_of(name):
    texts = []
    for row, length in enumerate(LENGTHS):
        ids = ((hashed(f"ids.scoring.{name}.{row}", length).astype(numpy.float64) + 0.5) * (VOCABULARY - 1)).astype(numpy.int64) + 1
        # One text ends in the padding id, one has it inside.
        if row == 1:
            ids[-2:] = PADDING
        if row == 2:
            ids[5] = PADDING
        texts.append(torch.from_numpy(ids))
    return texts


def model_of(config):
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape), config.model_type.startswith("gemma")))
    return model


def padded(texts, left):
    longest = max(len(text) for text in texts)
    ids = torch.full((len(texts), longest), PADDING)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        places = slice(longest - len(text), None) if left else slice(None, len(text))
        ids[row, places] = text
        mask[row, places] = 1
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    return dict(input_ids=ids, attention_mask=mask, position_ids=positions)


def bf16(values):
    """bfloat16 stored by its upper half."""
    return (values.numpy().view(numpy.uint32) >> 16).astype(numpy.uint16)


def reloaded(model, dtype):
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return type(model).from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def decoder(folder, name, kind, settings):
    config = config_of(kind, settings)
    model = model_of(config)
    texts = texts_of(name)
    with torch.no_grad():
        alone = torch.cat([model(text[None]).logits for text in texts])
        rounded = reloaded(model, torch.bfloat16)
        scores_bf16 = torch.cat([rounded(text[None]).logits for text in texts]).float()
        scores = alone
        if config.pad_token_id is not None:
            for left in (False, True):
                scores = model(**padded(texts, left)).logits
                assert (scores - alone).abs().max() < 1e-4, (name, left)
    model.zero_grad()
    scored = torch.cat([model(text[None]).logits for text in texts])
    derivative = torch.arange(1, len(texts) + 1)[:, None] / 8 * torch.tensor([1.0, -1.0] * 2)[: scored.shape[1]]
    (scored * derivative).sum().backward()
    gradients = dict(sorted((n, p.grad.double().numpy()) for n, p in model.named_parameters()))
    rows = [[float(g.ravel() @ hashed(f"project.{k}.{n}", g.size)) for k in range(PROJECTIONS)] for n, g in gradients.items()]
    tensors = {
        "ids": torch.cat(texts).numpy().astype(numpy.int32),
        "scores": scores.numpy(),
        "scores_bf16": bf16(scores_bf16),
        "gradient_norms": numpy.array([numpy.linalg.norm(g) for g in gradients.values()]),
        "gradient_projections": numpy.array(rows),
    }
    write(folder / name, model, tensors, {"tensors": json.dumps(list(gradients)), "lengths": json.dumps(LENGTHS)})
    print(f"{name}: scores {scores.flatten().tolist()}")


def write(target, model, tensors, metadata):
    target.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.dtype = "float32"
    model.config.save_pretrained(target)
    save_file(tensors, target / "expected.safetensors", metadata=metadata)


if __name__ == "__main__":
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for name in sys.argv[2:] or DECODERS:
        decoder(out, name, *DECODERS[name])
