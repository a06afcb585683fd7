"""Damaged model folders through `concord model`: a sentence and exit code 2 or 3 each, live.

    python bad_models.py --concord target/debug/concord

A folder that a change leaves sound must give the sound folder's logits. Nothing may panic, hang, take
memory for numbers that a file merely claims, or leave a file behind.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

sys.dont_write_bytecode = True  # the folder is the repository's
from make_lm_golden import config_of, model_of

TOKENIZER = Path("crates/hub/tests/fixtures/byte_level")
SECONDS, ADDRESS_SPACE = 60, 8 << 30
TEMPLATE = "{% for message in messages %}{{ message.role + ': ' + message.content + eos_token }}{% endfor %}"
RECORD = {"messages": [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Hello"}]}

# Numbers that no model has, and what is no number.
ABSURD = [0, -1, 10**12, 2**63 - 1, 2**64, 1e308, 1.5, "64", None, [], {}, True]
NUMBERS = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "max_position_embeddings",
]
ROPES = [
    {"rope_type": "default", "rope_theta": 0}, {"rope_type": "default", "rope_theta": -5.0}, {"rope_type": "default", "rope_theta": "x"},
    {"rope_type": "linear", "rope_theta": 1e4, "factor": 0}, {"rope_type": "linear", "rope_theta": 1e4, "factor": None},
    {"rope_type": "yarn", "rope_theta": 1e4}, {"rope_type": "yarn", "rope_theta": 1e4, "factor": -1, "original_max_position_embeddings": 0},
    {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8}, {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32},
    {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [], "long_factor": []}, {"rope_type": "dynamic", "factor": 2.0}, {"rope_type": "unheard"}, {"rope_type": 3}, "default", [], 7,
]
OTHERS = [
    ("rms_norm_eps", -1.0), ("rms_norm_eps", 1e400), ("rms_norm_eps", "small"), ("hidden_act", "relu9"), ("hidden_act", 3), ("model_type", "mamba"), ("model_type", None), ("model_type", 5),
    ("tie_word_embeddings", "yes"), ("attention_bias", True), ("mlp_bias", 1), ("quantization_config", {"quant_method": "gptq"}), ("eos_token_id", "end"), ("eos_token_id", [1, "x"]), ("eos_token_id", -7),
    ("pad_token_id", 10**12), ("torch_dtype", "float8"), ("dtype", 16),
]


class Sweep:
    def __init__(self, concord, root):
        self.concord = str(Path(concord).resolve())
        self.root = root
        self.sound = root / "sound"
        self.jobs, self.passed, self.failed = [], 0, 0

    def make_sound(self):
        torch.manual_seed(3)
        model = model_of(config_of("llama", dict(vocab_size=400, num_hidden_layers=1)))
        model.save_pretrained(self.sound)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(TOKENIZER / file, self.sound / file)
        (self.sound / "chat_template.jinja").write_text(TEMPLATE)
        (self.root / "record.json").write_text(json.dumps(RECORD))

    def damaged(self, what, command, change):
        """One more folder, changed by `change(folder)`, for `command`: logits, preview or inspect."""
        folder = self.root / f"damaged-{len(self.jobs)}"
        shutil.copytree(self.sound, folder)
        change(folder)
        self.jobs.append((what, command, folder))

    def answer(self, command, folder):
        out = folder.with_suffix(".out")
        arguments = {
            "logits": ["logits", "--model", folder, "--ids", "1,2,3,4", "--out", out, "--threads", "1"],
            "preview": ["preview", folder, self.root / "record.json", "--format", "json"],
            "inspect": ["inspect", folder, "--format", "json"],
        }[command]
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        try:
            ended = subprocess.run([self.concord, "model", *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit, errors="replace")
        except subprocess.TimeoutExpired:
            return f"did not end in {SECONDS} s", out
        if ended.returncode == 0:
            return ended.stdout, out
        sentence = ended.stderr.strip()
        if "panicked" in sentence or ended.returncode not in (2, 3):
            return f"ended with {ended.returncode}: {sentence}", out
        if "error" not in sentence or len(sentence) > 2000:
            return f"said no sentence: {sentence!r}", out
        return "" if not out.exists() else "left a file behind", out

    def judge(self, job):
        """What is wrong with the answer to a damaged folder; nothing, as it should be."""
        what, command, folder = job
        before = sorted(path.name for path in folder.iterdir())
        found, out = self.answer(command, folder)
        if sorted(path.name for path in folder.iterdir()) != before:
            return "wrote into the model's folder"
        if command == "logits" and out.exists():
            logits = load_file(out)["logits"].clone()
            same = logits.shape == self.logits.shape and torch.equal(logits, self.logits)
            # Numbers that the weights do not fix may change the logits, never to what is no number.
            return "" if same or (what.startswith("config") and torch.isfinite(logits).all()) else "loaded with other logits"
        # A folder that is read although something in it is odd, or a report of what is wrong with it.
        return "" if found.startswith(("{", "[")) else found

    def run(self):
        found, out = self.answer("logits", self.sound)
        assert out.exists(), found
        self.logits = load_file(out)["logits"].clone()
        with ThreadPoolExecutor(2) as threads:
            for job, wrong in zip(self.jobs, threads.map(self.judge, self.jobs)):
                self.passed += not wrong
                self.failed += bool(wrong)
                if wrong:
                    print(f"{job[1]} of {job[0]}: {wrong[:400]}")


def weights(sweep):
    name = "model.safetensors"
    whole = (sweep.sound / name).read_bytes()
    header = int.from_bytes(whole[:8], "little")
    cuts = [0, 1, 7, 8, 9, 8 + header // 3, 8 + header - 1, 8 + header, 8 + header + 1, len(whole) // 2, len(whole) - 4096, len(whole) - 1]
    for cut in cuts:
        for command in ("logits", "inspect"):
            sweep.damaged(f"weights cut to {cut} bytes", command, lambda folder: (folder / name).write_bytes(whole[:cut]))
    for length in (0, 1, header - 1, header + 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1):
        sweep.damaged(f"a header of {length} bytes", "logits", lambda folder: (folder / name).write_bytes(length.to_bytes(8, "little") + whole[8:]))
    for at in range(8, 8 + header, header // 40):
        for mask in (0x01, 0x80):
            changed = bytearray(whole)
            changed[at] ^= mask
            sweep.damaged(f"a header with byte {at} changed by {mask}", "logits", lambda folder: (folder / name).write_bytes(changed))
    sweep.damaged("weights that are longer", "logits", lambda folder: (folder / name).write_bytes(whole + b"12345678"))
    table = json.loads(whole[8 : 8 + header])
    tensor = "model.embed_tokens.weight"
    for key, value in (
        ("shape", [10**12, 64]), ("shape", [2**62, 4]), ("shape", []), ("shape", [-1, 64]), ("shape", [64, 400]), ("dtype", "F64"), ("dtype", "I8"), ("dtype", "Q4"),
        ("data_offsets", [0, 2**63]), ("data_offsets", [10, 5]), ("data_offsets", [0, 8]), ("data_offsets", []),
    ):
        changed = {**table, tensor: {**table[tensor], key: value}}
        text = json.dumps(changed).encode()
        data = len(text).to_bytes(8, "little") + text + whole[8 + header :]
        for command in ("logits", "inspect"):
            sweep.damaged(f"{key} {value}", command, lambda folder: (folder / name).write_bytes(data))
    sweep.damaged("a missing file of weights", "logits", lambda folder: (folder / name).unlink())

    def pickle(folder):
        (folder / name).rename(folder / "pytorch_model.bin")

    sweep.damaged("a pickle", "logits", pickle)
    for index in ({"weight_map": {tensor: "model-00001-of-00002.safetensors"}}, {"weight_map": {tensor: "../sound/model.safetensors"}}, {"weight_map": {tensor: 3}}, {"weight_map": []}, {}, [], None):

        def indexed(folder):
            (folder / name).unlink()
            (folder / f"{name}.index.json").write_text(json.dumps(index))

        for command in ("logits", "inspect"):
            sweep.damaged(f"the index {index}", command, indexed)


def configs(sweep):
    file = "config.json"
    text = (sweep.sound / file).read_text()
    config = json.loads(text)

    def changed(what, value):
        for command in ("logits", "inspect"):
            sweep.damaged(f"config with {what}", command, lambda folder: (folder / file).write_text(value))

    for cut in range(0, len(text), len(text) // 6):
        changed(f"{cut} bytes", text[:cut])
    for other in ("[]", "null", "3", '"config"', "\ufeff" + text, "{" * 100_000):
        changed(f"the text {other[:12]!r}", other)
    for key in config:
        changed(f"no {key}", json.dumps({name: value for name, value in config.items() if name != key}))
    for key in NUMBERS:
        for value in ABSURD:
            # Two commands for each would take minutes; `inspect` reads no weights.
            command = "inspect" if value in ([], {}, True) else "logits"
            sweep.damaged(f"config with {key} {value!r}", command, lambda folder: (folder / file).write_text(json.dumps({**config, key: value})))
    for rope in ROPES:
        sweep.damaged(f"config with the rotation {rope}", "logits", lambda folder: (folder / file).write_text(json.dumps({**config, "rope_parameters": rope})))
    for key, value in OTHERS:
        sweep.damaged(f"config with {key} {value!r}", "logits", lambda folder: (folder / file).write_text(json.dumps({**config, key: value}).replace("Infinity", "1e400")))
    for value in ({"eos_token_id": "x"}, {"eos_token_id": [-1]}, {"eos_token_id": 10**12}, {"eos_token_id": {}}, [], 3):
        sweep.damaged(f"config of generation {value}", "logits", lambda folder: (folder / "generation_config.json").write_text(json.dumps(value)))


def tokenizers(sweep):
    file = "tokenizer.json"
    text = (sweep.sound / file).read_text()
    whole = json.loads(text)

    def changed(what, value, name=file):
        sweep.damaged(f"{name} with {what}", "preview", lambda folder: (folder / name).write_text(value))

    for cut in range(0, len(text), len(text) // 10):
        changed(f"{cut} characters", text[:cut])
    for key in whole:
        changed(f"no {key}", json.dumps({name: value for name, value in whole.items() if name != key}))
        for value in (None, 3, "x", [], {}):
            changed(f"{key} {value!r}", json.dumps({**whole, key: value}))
    for key in whole["model"]:
        for value in (None, 3, [], {}):
            changed(f"model.{key} {value!r}", json.dumps({**whole, "model": {**whole["model"], key: value}}))
    moved = {token: number + 10**9 for token, number in whole["model"]["vocab"].items()}
    changed("ids beyond the vocabulary", json.dumps({**whole, "model": {**whole["model"], "vocab": moved}}))
    for value in ("", "[]", "3", "{", json.dumps({"eos_token": 3}), json.dumps({"eos_token": {"content": 5}}), json.dumps({"eos_token": "<|not there|>"}), json.dumps({"chat_template": 7})):
        changed(f"the text {value}", value, "tokenizer_config.json")
    for value in (
        "{% for m in messages %}", "{{ nothing.at.all }}", "{% for i in range(999999999) %}{% endfor %}", "{% for i in range(99999999) %}{{ 'x' * 9999999 }}{% endfor %}", "{{ 'x' * 99999999999 }}",
        "{{ raise_exception('no') }}", "{% include 'secrets' %}", "{{ messages[9].role }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ 1 // 0 }}", "{{ 9 ** 9 ** 9 }}", "\0", "{%", "{{ [1] * 99999999999 }}",
        "{{ 'x'.ljust(99999999999) }}", "{{ '%999999999999d' % 3 }}", "{{ 'x' | center(99999999999) }}", "{{ messages | tojson(indent=99999999999) }}", "{{ 'x' | indent(99999999999) }}",
    ):
        changed(f"the text {value}", value, "chat_template.jinja")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    concord = parser.parse_args().concord
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(concord, Path(folder))
        sweep.make_sound()
        weights(sweep)
        configs(sweep)
        tokenizers(sweep)
        sweep.run()
    print(f"{sweep.passed} passed, {sweep.failed} failed")
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
