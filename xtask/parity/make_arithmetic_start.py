"""Makes assets/arithmetic-start: a small model's configuration, tokenizer and chat template, without weights.

    concord data create arithmetic --kind demonstrations --rows 20000 --seed 1 -o demonstrations.jsonl
    python make_arithmetic_start.py demonstrations.jsonl assets/arithmetic-start

The tokenizer is byte-level BPE: any text is encoded, digits are single, and the 59 merges that 320 ids leave are
those of the demonstrations. The template is Qwen3's as far as this model goes: `enable_thinking=False` ends the
prompt with an empty trace, and traces of earlier turns are left out.
"""

import json
import pathlib
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

VOCABULARY = 320
PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
THINK = ["<think>", "</think>"]

TEMPLATE = """\
{%- set last = namespace(question=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {%- set last.question = loop.index0 %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- set trace = '' %}
        {%- set answer = message.content %}
        {%- if message.reasoning_content is defined and message.reasoning_content is string %}
            {%- set trace = message.reasoning_content %}
        {%- elif '</think>' in answer %}
            {%- set trace = answer.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
            {%- set answer = answer.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > last.question %}
            {{- '<think>\\n' + trace + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- answer + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""


def texts(path):
    """What stands between the special tokens of every row."""
    for line in path.read_text().splitlines():
        for message in json.loads(line)["messages"]:
            said = message["content"]
            for mark in THINK:
                said = said.replace(mark, "\0")
            yield from (message["role"] + "\n", *said.split("\0"), "\n")


def tokenizer(demonstrations):
    made = Tokenizer(models.BPE())
    # Words with the space before them, digits alone, signs with the spaces around them.
    pieces = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+ ?|\s+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pieces, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END, *THINK],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts(demonstrations), trainer)
    # As in Qwen3: found in any text, and shown when a text is decoded.
    fields = json.loads(made.to_str())
    for token in fields["added_tokens"]:
        token["special"] = token["content"] not in THINK
    return Tokenizer.from_str(json.dumps(fields))


def write(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def main(demonstrations, folder):
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer(demonstrations)
    assert made.get_vocab_size() == VOCABULARY
    made.save(str(folder / "tokenizer.json"))
    ids = {"eos_token_id": made.token_to_id(END), "pad_token_id": made.token_to_id(PAD)}
    write(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": VOCABULARY,
            "hidden_size": 128,
            "intermediate_size": 352,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "hidden_act": "silu",
            "max_position_embeddings": 512,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-6,
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            # transformers 4 and 5 read one of these each.
            "rope_theta": 10000.0,
            "rope_scaling": None,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "bos_token_id": None,
            **ids,
            "dtype": "float32",
            "torch_dtype": "float32",
        },
    )
    write(folder / "generation_config.json", {**ids, "max_new_tokens": 128})
    write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": PAD,
            "additional_special_tokens": [START],
            "model_max_length": 512,
            "clean_up_tokenization_spaces": False,
            "chat_template": TEMPLATE,
        },
    )
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    check(folder, demonstrations)


def check(folder, demonstrations):
    """transformers reads it, every text comes back, and a prompt is the beginning of its conversation."""
    read = AutoTokenizer.from_pretrained(folder)
    lengths = []
    for line in demonstrations.read_text().splitlines()[:1000]:
        row = json.loads(line)
        given = row["chat_template_kwargs"]
        whole = read.apply_chat_template(row["messages"], tokenize=False, **given)
        prompt = read.apply_chat_template(
            row["messages"][:1], tokenize=False, add_generation_prompt=True, **given
        )
        assert whole.startswith(prompt), (prompt, whole)
        ids = read(whole, add_special_tokens=False)["input_ids"]
        assert read.decode(ids) == whole
        lengths.append(len(ids))
    for odd in ["ünï 😀\r\n\t 12x34", " ", "a  b"]:
        assert read.decode(read(odd, add_special_tokens=False)["input_ids"]) == odd
    print(f"{folder}: {len(read)} ids, {sum(lengths) / len(lengths):.1f} tokens a row")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
