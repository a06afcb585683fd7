"""Makes crates/hub/tests/fixtures from transformers 5.23.0, jinja2 3.1.6 and tokenizers.

    python make_hub_golden.py crates/hub/tests/fixtures

`templates/` holds the templates. Those not named own_* come from the wheel trl 1.16.0
(Apache-2.0, folder trl/chat_templates), unchanged.
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather & more.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "A city <name>"}},
            "required": ["city"],
        },
    },
}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


SYSTEM = {"role": "system", "content": "Answer briefly.\nAlways."}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"type": "function", "id": "c1", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2}}}
    ],
}
CASES = {
    "one": dict(messages=[user("Hi there")]),
    "one_prompt": dict(messages=[user("Hi there")], add_generation_prompt=True),
    "system_prompt": dict(messages=[SYSTEM, user("What is 2+2?")], add_generation_prompt=True),
    "turns": dict(messages=[user("a"), assistant("b"), user("c d"), assistant(" e ")]),
    "system_turns": dict(messages=[SYSTEM, user("a"), assistant("b"), user("c")], add_generation_prompt=True),
    "odd_text": dict(messages=[user("  <b>ünï & 'quotes' \"x\"</b>\n\n\t😀 {{ no }} "), assistant("\n\\n ok\n")]),
    "thoughts": dict(
        messages=[user("q"), assistant("<think>\nhm\n</think>\n\nA"), user("r"), assistant("<think>\nah\n</think>\n\nB")]
    ),
    "no_thinking": dict(messages=[user("q")], add_generation_prompt=True, enable_thinking=False),
    "tools": dict(messages=[SYSTEM, user("Weather?")], tools=[TOOL], add_generation_prompt=True),
    "tool_turns": dict(
        messages=[user("Weather?"), CALL, {"role": "tool", "name": "weather", "tool_call_id": "c1", "content": "rain"}, assistant("Rain.")],
        tools=[TOOL],
    ),
    "wrong_order": dict(messages=[user("a"), user("b")]),
}


def render(source, case):
    """The text, or null where jinja2 raises."""
    options = dict(case)
    messages, tools = options.pop("messages"), options.pop("tools", None)
    try:
        texts, _ = render_jinja_template(
            [messages], tools=tools, chat_template=source, date_string="26 Jul 2024", **SPECIAL, **options
        )
    except Exception as error:  # whatever a template raises
        return {"error": str(error)}
    return {"text": texts[0]}


def templates(folder):
    golden = {}
    for path in sorted((folder / "templates").glob("*.jinja")):
        source = path.read_text()
        golden[path.stem] = {name: render(source, case) for name, case in CASES.items()}
    cases = {name: {**case} for name, case in CASES.items()}
    document = {"special": SPECIAL, "cases": cases, "golden": golden}
    (folder / "templates.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


CORPUS = [
    "The quick brown fox jumps over the lazy dog. Hello, world! Hi there, how are you?",
    "user assistant system question answer think because therefore 0123456789",
    "Äpfel, Öl und übrige Grüße; naïve café; ελληνικά; 你好，世界; 😀👍🏽",
    "def f(x):\n    return x + 1\n\n\tprint(f(2))",
] * 4
TEXTS = [
    "Hello, world!",
    "  leading and   inner  spaces ",
    "ünï 你好 😀👍🏽 family",
    "tabs\tand\nnewlines\n\n  x = 1",
    "<s>already begun</s>",
    "",
    " ",
    "unseen Ω≈ç√ letters",
]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def sentence_piece():
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<pad>", "<s>", "</s>", "<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, limit_alphabet=60)
    tokenizer.train_from_iterator(CORPUS, trainer)
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [token for token in document["added_tokens"] if token["id"] < 4]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


CONVERSATIONS = [CASES["turns"]["messages"], CASES["system_turns"]["messages"][:3], CASES["odd_text"]["messages"]]
# The same text with and without marks; the marks give the mask of the reference.
MARKED = {"qwen2_5": "qwen2_5_training", "llama3": "llama3_training"}


def masks(folder, fast):
    golden = []
    for plain, marked in MARKED.items():
        source = (folder / "templates" / f"{marked}.jinja").read_text()
        for messages in CONVERSATIONS:
            out = fast.apply_chat_template(
                messages, chat_template=source, return_dict=True, return_assistant_tokens_mask=True
            )
            golden.append(
                {
                    "template": plain,
                    "marked": marked,
                    "messages": messages,
                    "ids": list(out["input_ids"]),
                    "mask": list(out["assistant_masks"]),
                }
            )
    return golden


def tokenizer(folder, name, made):
    target = folder / name
    target.mkdir(exist_ok=True)
    # Training breaks ties at random: a tokenizer that is there stays, so that only its golden is made.
    if not (target / "tokenizer.json").exists():
        document = json.loads(made.to_str())
        (target / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False) + "\n")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False, **SPECIAL}
    (target / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    fast = PreTrainedTokenizerFast.from_pretrained(target)
    golden = {
        "texts": [
            {
                "text": text,
                "ids": fast(text, add_special_tokens=False)["input_ids"],
                "with_special": fast(text)["input_ids"],
                "decoded": fast.decode(fast(text, add_special_tokens=False)["input_ids"]),
                "skipped": fast.decode(fast(text)["input_ids"], skip_special_tokens=True),
            }
            for text in TEXTS
        ]
    }
    if name == "byte_level":
        golden["masks"] = masks(folder, fast)
    (target / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    templates(folder)
    tokenizer(folder, "byte_level", byte_level())
    tokenizer(folder, "sentence_piece", sentence_piece())


if __name__ == "__main__":
    main()
