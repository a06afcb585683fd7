"""Tiny scoring models as folders, with a tokenizer, and what the references say of their records.

Used by lm_scoring.py (live) and, by hand, for the committed fixture:

    python xtask/parity/scoring_folders.py crates/worker/tests/fixtures/scoring
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, DebertaV2Config, DebertaV2ForSequenceClassification, DebertaV2Tokenizer

sys.dont_write_bytecode = True  # the folder is the repository's
from pair_ranker import PairRanker, ids_of

MARKERS = ["<|source|>", "<|candidate1|>", "<|candidate2|>", "<|candidate|>"]
WORDS = ["the", "an", "answer", "is", "not", "good", "bad", "how", "are", "you", "hello", "user", "assistant", "er", "ing", "th"]
TEMPLATE = "{% for message in messages %}[CLS]{{ message['role'] }} {{ message['content'] }}[SEP]{% endfor %}"
LONG = "how good is the answer, they are asking. " * 60
TEXTS = ["hello", "The answer is not good: it's BAD!", "zebra\n\n  and 42 * ünïcode", "", "a word [SEP] and another"]
TRIPLES = [
    ("how are you", ["good, and you?", "bad", "hello"]),
    ("is 2 + 2 = 4?", ["it is", "it is not", "the answer is: yes", "hello hello hello"]),
    (LONG * 2, ["the answer", LONG]),
    ("hello", [LONG, LONG * 3, ""]),
]


def tokenizer(folder):
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    pieces = [("▁", -3.0)] + [(char, -5.0) for char in "abcdefghijklmnopqrstuvwxyz.,:?!'0123456789"]
    pieces += [(word, -3.5) for word in WORDS] + [("▁" + word, -2.5) for word in WORDS]
    made = DebertaV2Tokenizer(vocab=[(token, 0.0) for token in special] + pieces, unk_id=3, do_lower_case=True)
    made.add_tokens(MARKERS)
    made.chat_template = TEMPLATE
    made.save_pretrained(folder)
    return DebertaV2Tokenizer.from_pretrained(folder)


def drawn(model, seed, width=0.4):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0, width, generator=generator)
            if name.lower().endswith("norm.weight"):
                parameter.add_(1)
    return model.eval()


def written(model, folder, architecture=None):
    model.save_pretrained(folder)
    if architecture:
        path = Path(folder) / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"architectures": [architecture]}, indent=2) + "\n")
    return model


def encoder_settings(fast, width=16):
    return dict(
        vocab_size=len(fast), hidden_size=width, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, position_buckets=16, relative_attention=True, norm_rel_ebd="layer_norm",
        share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False, type_vocab_size=0, pad_token_id=0,
    )


def pair_model(folder, fast, tasks=1):
    ids = fast.convert_tokens_to_ids(MARKERS)
    names = ("source_prefix_id", "cand1_prefix_id", "cand2_prefix_id", "cand_prefix_id")
    config = DebertaV2Config(**encoder_settings(fast), **dict(zip(names, ids)), n_tasks=tasks, drop_out=0.05, sep_token_id=fast.sep_token_id)
    return written(drawn(PairRanker(config), 1), folder, "DebertaV2PairRM")


def encoder_model(folder, fast, labels):
    config = DebertaV2Config(**encoder_settings(fast), num_labels=labels)
    return written(drawn(DebertaV2ForSequenceClassification(config), 2), folder)


def reward_model(folder, fast, kind, labels=1, **settings):
    config = AutoConfig.for_model(kind, **dict(
        vocab_size=len(fast), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0, num_labels=labels,
    ) | settings)
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager", dtype=torch.float32)
    return written(drawn(model, 3, 0.2), folder)


def logits_of(model, fast, prompt, candidates):
    """The K by K logits of a prompt's candidates, all orders in one padded batch."""
    order = [(i, j) for i in range(len(candidates)) for j in range(len(candidates)) if i != j]
    ids = [ids_of(fast, prompt, candidates[i], candidates[j]) for i, j in order]
    matrix = torch.zeros(len(candidates), len(candidates))
    with torch.no_grad():
        batch = fast.pad({"input_ids": ids}, return_tensors="pt")
        found = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    for (i, j), logit in zip(order, found):
        matrix[i, j] = logit
    return matrix.tolist()


def scores_of(model, texts):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).logits[0].tolist() for ids in texts]


def conversation(prompt, response):
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]


def templated(fast, messages):
    return fast.encode(fast.apply_chat_template(messages, tokenize=False), add_special_tokens=False)


def records(fast, segments):
    """Records of every form, and the ids of each of their texts; an encoder reads two as segments."""
    def answered(prompt, response):
        return fast.encode(prompt, response) if segments else templated(fast, conversation(prompt, response))

    found = [({"text": text, "id": number}, [fast.encode(text)]) for number, text in enumerate(TEXTS)]
    for prompt, candidates in TRIPLES[:2]:
        found.append(({"prompt": prompt, "response": candidates[0]}, [answered(prompt, candidates[0])]))
        messages = conversation(prompt, candidates[1])
        found.append(({"messages": messages}, [templated(fast, messages)]))
        found.append(({"prompt": messages[:1], "response": candidates[1]}, [templated(fast, messages)]))
        found.append(({"prompt": prompt, "candidates": candidates}, [answered(prompt, candidate) for candidate in candidates]))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    root = Path(sys.argv[1])
    fast = tokenizer(root / "tokenizer")
    expected = {}
    model = pair_model(root / "pair", fast)
    pairs = [(TRIPLES[0]), (TRIPLES[1]), ("hello", ["good", "bad " * 1100])]
    expected["pair"] = [
        {"record": {"prompt": prompt, "candidates": candidates}, "logits": logits_of(model, fast, prompt, candidates)}
        for prompt, candidates in pairs
    ]
    for name, model, segments in (
        ("encoder", encoder_model(root / "encoder", fast, 1), True),
        ("reward", reward_model(root / "reward", fast, "llama", hidden_size=16, intermediate_size=24), False),
    ):
        expected[name] = [
            {"record": record, "scores": [scores[0] for scores in scores_of(model, texts)], "tokens": [len(text) for text in texts]}
            for record, texts in records(fast, segments)
        ]
    (root / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    for file in ("spm.model", "added_tokens.json", "special_tokens_map.json"):
        (root / "tokenizer" / file).unlink(missing_ok=True)
