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

A case of an encoder holds, for texts of other lengths, `ids` and `vectors`, every STRIDE-th of
the vectors of the last layer of all texts, [rows, hidden], and as `vectors_bf16` those of the
model in bfloat16; with a head also its `scores`, or `logits` with the places of the `markers`.
The script checks that the padded batch gives the same.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import transformers
from safetensors.numpy import save_file
from transformers import AutoModelForSequenceClassification, DebertaV2Config, DebertaV2ForSequenceClassification, DebertaV2Model

sys.dont_write_bytecode = True  # the folder is the repository's
from make_lm_golden import GEMMA2, PROJECTIONS, VOCABULARY, config_of, hashed, weight
from pair_ranker import PairRanker

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

# The longest text is beyond the last bucket's border and beyond the furthest distance.
ENCODER_LENGTHS = (340, 20, 97, 97, 20)
STRIDE = 11
DEBERTA = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    max_position_embeddings=256, type_vocab_size=0, position_biased_input=False, layer_norm_eps=1e-7, pad_token_id=PADDING,
)
V3 = DEBERTA | dict(
    relative_attention=True, position_buckets=32, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p",
)
MARKERS = dict(source_prefix_id=128, cand1_prefix_id=129, cand2_prefix_id=130, cand_prefix_id=127, sep_token_id=2, drop_out=0.05)

ENCODERS = {
    "v3": (DebertaV2Model, V3),
    "v2_xlarge": (DebertaV2Model, V3 | dict(conv_kernel_size=3, conv_act="gelu", attention_head_size=8)),
    "grouped_convolution": (DebertaV2Model, V3 | dict(conv_kernel_size=5, conv_groups=2)),
    "own_products": (DebertaV2Model, V3 | dict(share_att_key=False, norm_rel_ebd="none")),
    "c2p": (DebertaV2Model, V3 | dict(share_att_key=False, pos_att_type=["c2p"])),
    "p2c": (DebertaV2Model, V3 | dict(pos_att_type=["p2c"], hidden_act="gelu_new")),
    "every_distance": (DebertaV2Model, V3 | dict(position_buckets=-1, max_relative_positions=50)),
    "furthest": (DebertaV2Model, V3 | dict(position_buckets=48, max_relative_positions=300)),
    "no_terms": (DebertaV2Model, V3 | dict(pos_att_type=None)),
    "absolute": (DebertaV2Model, DEBERTA | dict(position_biased_input=True, max_position_embeddings=340, type_vocab_size=2, pos_att_type="c2p|p2c")),
    "small_embedding": (DebertaV2Model, V3 | dict(embedding_size=20, position_biased_input=True, max_position_embeddings=400, type_vocab_size=2)),
    "one_score": (DebertaV2ForSequenceClassification, V3 | dict(num_labels=1)),
    "three_scores": (DebertaV2ForSequenceClassification, V3 | dict(num_labels=3, pooler_hidden_act="tanh", hidden_act="relu")),
    "pair": (PairRanker, V3 | MARKERS | dict(n_tasks=1)),
    "pair_two_tasks": (PairRanker, V3 | MARKERS | dict(n_tasks=2)),
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


def of_encoder(name, shape):
    values = hashed(name, int(numpy.prod(shape))).reshape(shape) * numpy.float32(0.6875)
    return torch.from_numpy(values + numpy.float32(name.endswith("LayerNorm.weight")))


def encoder(folder, name, kind, settings):
    model = kind(DebertaV2Config(**settings)).eval()
    with torch.no_grad():
        for tensor, parameter in model.named_parameters():
            parameter.copy_(of_encoder(tensor, tuple(parameter.shape)))
    texts, markers = [], []
    for row, length in enumerate(ENCODER_LENGTHS):
        values = hashed(f"ids.scoring.{name}.{row}", length).astype(numpy.float64) + 0.5
        # The padding id and the markers are not drawn.
        ids = (values * (VOCABULARY - 5)).astype(numpy.int64) + 1
        markers.append([1, length // 2, 3 * length // 4])
        if kind is PairRanker:
            ids[markers[-1]] = [settings[key] for key in ("source_prefix_id", "cand1_prefix_id", "cand2_prefix_id")]
        texts.append(torch.from_numpy(ids))
    trunk = {DebertaV2Model: "", PairRanker: "pretrained_model"}.get(kind, "deberta")
    trunk = model.get_submodule(trunk)
    batch = padded(texts, False)
    mask = dict(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])

    def vectors(trunk):
        return torch.cat([trunk(text[None]).last_hidden_state[0] for text in texts])

    with torch.no_grad():
        alone = vectors(trunk)
        together = trunk(**mask).last_hidden_state
        together = torch.cat([together[row, : len(text)] for row, text in enumerate(texts)])
        assert (together - alone).abs().max() < 1e-4, (name, (together - alone).abs().max())
        tensors = {"ids": torch.cat(texts).numpy().astype(numpy.int32), "vectors": alone[::STRIDE].contiguous().numpy()}
        if kind is not DebertaV2Model:
            head = "logits" if kind is PairRanker else "scores"
            scores = torch.cat([model(input_ids=text[None], attention_mask=torch.ones_like(text[None])).logits for text in texts])
            assert (scores - model(**mask).logits).abs().max() < 1e-4, name
            tensors[head] = scores.contiguous().numpy()
        if kind is PairRanker:
            tensors["markers"] = numpy.array(markers, dtype=numpy.int32)
        tensors["vectors_bf16"] = bf16(vectors(trunk.to(torch.bfloat16)).float()[::STRIDE].contiguous())
    write(folder / name, model, tensors, {"lengths": json.dumps(ENCODER_LENGTHS), "stride": str(STRIDE)})
    print(f"{name}: mean |vector| {alone.abs().mean():.2f}, {tensors.get('logits', tensors.get('scores', numpy.zeros(0))).ravel()}")


def write(target, model, tensors, metadata):
    target.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["DebertaV2PairRM" if isinstance(model, PairRanker) else type(model).__name__]
    model.config.dtype = "float32"
    model.config.save_pretrained(target)
    save_file(tensors, target / "expected.safetensors", metadata=metadata)


if __name__ == "__main__":
    assert transformers.__version__ == "5.23.0", transformers.__version__
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    for name in sys.argv[2:] or [*DECODERS, *ENCODERS]:
        if name in DECODERS:
            decoder(out, name, *DECODERS[name])
        else:
            encoder(out, name, *ENCODERS[name])
