"""Text, ids and masks of `concord model preview` beside those of transformers, live.

    python chat_templates.py --concord target/debug/concord

The templates are those of the fixtures, with two tokenizers, and all those that come with trl.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor

from transformers import PreTrainedTokenizerFast

sys.dont_write_bytecode = True  # the folder is the repository's
from make_hub_golden import CASES, CONVERSATIONS, MARKED

FIXTURES = pathlib.Path("crates/hub/tests/fixtures")
OF_TRL = pathlib.Path(sysconfig.get_paths()["purelib"]) / "trl" / "chat_templates"
DATE = "26 Jul 2024"


def folder_of(root, template, tokenizer):
    """A model's folder without weights: a template, a tokenizer, a config."""
    folder = root / f"{template.stem}-{tokenizer}"
    folder.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(FIXTURES / tokenizer / file, folder / file)
    shutil.copy(template, folder / "chat_template.jinja")
    (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 1000}')
    return folder


def ours(concord, folder, name, case):
    options = dict(case)
    record = {"messages": options.pop("messages")}
    prompt = options.pop("add_generation_prompt", False)
    if "tools" in options:
        record["tools"] = options.pop("tools")
    file = folder / f"record-{name}.json"
    file.write_text(json.dumps(record))
    command = [concord, "model", "preview", str(folder), str(file), "--format", "json"]
    command += ["--template-set", f"date_string={DATE}"]
    for option, value in options.items():
        command += ["--template-set", f"{option}={json.dumps(value)}"]
    if prompt:
        command.append("--generation-prompt")
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        return None, answer.stderr
    return json.loads(answer.stdout)[0], ""


def theirs(fast, source, case):
    options = dict(case)
    messages, tools = options.pop("messages"), options.pop("tools", None)
    try:
        out = fast.apply_chat_template(
            messages, tools=tools, chat_template=source, date_string=DATE, return_dict=True, **options
        )
        return list(out["input_ids"])
    except Exception:  # whatever a template raises
        return None


def behind(fast, source, case):
    """Where the text of the prompt does not begin the text of the whole: the answer as it stands."""
    options = dict(case)
    messages, tools = options.pop("messages"), options.pop("tools", None)
    prompt = fast.apply_chat_template(
        messages[:-1],
        tools=tools,
        chat_template=source,
        date_string=DATE,
        tokenize=False,
        add_generation_prompt=True,
        **options,
    )
    text = prompt + messages[-1]["content"] + fast.eos_token
    return fast(text, add_special_tokens=False)["input_ids"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    concord = str(pathlib.Path(parser.parse_args().concord).resolve())
    tally = {True: 0, False: 0}

    def count(equal, what, detail=""):
        tally[equal] += 1
        if not equal:
            print(f"differs: {what} {detail}")

    def compare(root, template, tokenizer):
        fast = PreTrainedTokenizerFast.from_pretrained(FIXTURES / tokenizer)
        source = template.read_text()
        folder = folder_of(pathlib.Path(root), template, tokenizer)
        with ThreadPoolExecutor(2) as threads:
            answers = threads.map(lambda case: ours(concord, folder, *case), CASES.items())
            for (name, case), (found, detail) in zip(CASES.items(), answers):
                ids = theirs(fast, source, case)
                if found and any("put behind" in note for note in found["notes"]):
                    ids = behind(fast, source, case)
                what = f"{tokenizer} {template.stem} {name}"
                count((found or {}).get("ids") == ids if found else ids is None, what, detail)

    with tempfile.TemporaryDirectory() as root:
        of_fixtures = sorted((FIXTURES / "templates").glob("*.jinja"))
        for template in of_fixtures:
            compare(root, template, "byte_level")
            compare(root, template, "sentence_piece")
        others = [one for one in sorted(OF_TRL.glob("*.jinja")) if one.name not in {it.name for it in of_fixtures}]
        count(bool(others), f"{OF_TRL} holds no template")
        for template in others:
            compare(root, template, "byte_level")
        fast = PreTrainedTokenizerFast.from_pretrained(FIXTURES / "byte_level")
        for plain, marked in MARKED.items():
            source = (FIXTURES / "templates" / f"{marked}.jinja").read_text()
            for messages in CONVERSATIONS:
                out = fast.apply_chat_template(
                    messages, chat_template=source, return_dict=True, return_assistant_tokens_mask=True
                )
                folder = pathlib.Path(root) / f"{plain}-byte_level"
                found, detail = ours(concord, folder, "mask", {"messages": messages})
                newline = fast.convert_tokens_to_ids("Ċ")
                wrong = [
                    at
                    for at, (left, right) in enumerate(zip(found["mask"], out["assistant_masks"]))
                    # What ends a turn's line belongs to the answer here and not to the tags.
                    if left != right and out["input_ids"][at] != newline
                ]
                count(not wrong, f"mask {plain}", detail)
    print(f"{tally[True]} passed, {tally[False]} failed")
    return 1 if tally[False] else 0


if __name__ == "__main__":
    sys.exit(main())
