"""Answer files of `concord eval --export`, beside what AlpacaEval, Arena-Hard and MT-Bench read and count.

    python xtask/parity/answer_files.py --concord target/debug/concord
        [--alpaca-eval CLONE --arena-hard CLONE --fastchat CLONE]

A tiny random model answers two questions of each tool. Columns and types have to be those of the tools' own
files, and Arena-Hard's counts those of its regular expressions (utils/add_markdown_info.py, 2025-06). With clones of the
tools, their own loaders read the files too; their functions are taken by their text, so that nothing of what they
import has to be installed but pandas, for AlpacaEval. Prints "N passed, M failed".
"""

import argparse
import ast
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Union

ROOT = Path(__file__).parents[2]
TOKENIZER = ROOT / "crates/hub/tests/fixtures/byte_level"
CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
}
TEMPLATE = (
    "{%- for message in messages -%}{{ message['role'] + ': ' + message['content'] + '\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt %}{{ 'assistant: ' }}{% endif -%}"
)
ALPACA = [
    {"instruction": "What is 2 + 2?\n", "dataset": "koala", "datasplit": "eval"},
    {"instruction": "Say hello.", "dataset": "vicuna", "datasplit": "eval"},
]
ARENA = [
    {"uid": "328c149ed45a41c0b9d6f14659e63599", "category": "hard_prompt", "subcategory": "coding", "prompt": "Write."},
    {"uid": "2edbb5f36f5b42be", "category": "creative_writing", "subcategory": "", "prompt": "Sing."},
]
ARENA_2024 = [
    {"question_id": "328c", "category": "arena-hard-v0.1", "cluster": "A", "turns": [{"content": "Write."}]},
    {"question_id": "2edb", "category": "arena-hard-v0.1", "cluster": "B", "turns": [{"content": "Sing."}]},
]
BENCH = [
    {"question_id": 81, "category": "writing", "turns": ["Write.", "Again."]},
    {"question_id": 111, "category": "math", "turns": ["2 + 2?", "And 3?"], "reference": ["4", "7"]},
]


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name} {detail}")


def functions(path, names, space):
    """Functions of a file by their text, without what the file imports."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    kept = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    for node in kept:
        node.returns = None
        for argument in node.args.args + node.args.kwonlyargs:
            argument.annotation = None
    space = dict(space)
    exec(compile(ast.Module(kept, []), str(path), "exec"), space)
    return [space[name] for name in names]


def metadata(text):
    """As Arena-Hard's count_markdown_elements after remove_pattern."""
    for block in re.findall("```([^`]*)```", text):
        text = text.replace(block, "")
    many = lambda pattern: len(re.findall(pattern, text, re.MULTILINE))  # noqa: E731
    return {
        "header_count": {f"h{level}": many(r"^#{%d}\s" % level) for level in range(1, 7)},
        "list_count": {"ordered": many(r"^\s*\d+\.\s"), "unordered": many(r"^\s*[-*+]\s")},
        "bold_count": {"**": many(r"\*\*[^*\n]+\*\*"), "__": many(r"__[^_\n]+__")},
    }


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concord", required=True)
    parser.add_argument("--alpaca-eval", type=Path)
    parser.add_argument("--arena-hard", type=Path)
    parser.add_argument("--fastchat", type=Path)
    given = parser.parse_args()
    concord = str(Path(given.concord).resolve())
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run(checks, concord, root)
        tools(checks, given, root)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


def run(checks, concord, root):
    (root / "config.json").write_text(json.dumps(CONFIG))
    text = root / "tokenizer"
    text.mkdir()
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        (text / name).write_bytes((TOKENIZER / name).read_bytes())
    (text / "chat_template.jinja").write_text(TEMPLATE)
    model = root / "model"
    subprocess.run(
        [concord, "model", "create", root / "config.json", model, "--tokenizer", text, "--seed", "3"],
        check=True,
        stdout=subprocess.DEVNULL,
    )

    def export(tool, questions, output, *more):
        asked = root / f"{tool}.questions"
        rows = (json.dumps(question) + "\n" for question in questions)
        asked.write_text(json.dumps(questions) if tool == "alpaca-eval" else "".join(rows))
        output.parent.mkdir(exist_ok=True)
        command = [concord, "eval", model, "--export", tool, "--questions", asked, "--output", output]
        command += ["--max-new", "48", "--seed", "5", "--device", "cpu", "--format", "json", *more]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        found = json.loads(answer.stdout)
        checks.check(f"{tool}: every question is answered", found["finished"] == found["of"] == 2, answer.stdout)

    alpaca = root / "alpaca/ours.json"
    export("alpaca-eval", ALPACA, alpaca, "--name", "ours")
    answers = json.loads(alpaca.read_text(encoding="utf-8"))
    for question, answer in zip(ALPACA, answers, strict=True):
        wanted = {**question, "output": answer.get("output"), "generator": "ours"}
        checks.check("alpaca-eval: columns", answer == wanted, str(answer))
        checks.check("alpaca-eval: output is a text", isinstance(answer.get("output"), str), str(answer))

    arena = root / "arena/ours.jsonl"
    export("arena-hard", ARENA, arena)
    for question, answer in zip(ARENA, lines(arena), strict=True):
        said = answer["messages"][-1]["content"]["answer"]
        keys = {"uid", "ans_id", "model", "messages", "tstamp", "metadata"}
        checks.check("arena-hard: columns", set(answer) == keys, str(set(answer)))
        checks.check("arena-hard: uid", answer["uid"] == question["uid"], answer["uid"])
        checks.check("arena-hard: model", answer["model"] == "ours", answer["model"])
        asked = {"role": "user", "content": question["prompt"]}
        checks.check("arena-hard: question", answer["messages"][0] == asked, str(answer["messages"][0]))
        length = answer["metadata"].pop("token_len")
        checks.check("arena-hard: length", isinstance(length, int) and length > 0, str(length))
        checks.check("arena-hard: counts", answer["metadata"] == metadata(said), said)

    older = root / "arena-2024/ours.jsonl"
    export("arena-hard-2024", ARENA_2024, older)
    for question, answer in zip(ARENA_2024, lines(older), strict=True):
        turn = answer["choices"][0]["turns"][0]
        checks.check("arena-hard-2024: id", answer["question_id"] == question["question_id"])
        checks.check("arena-hard-2024: turn", set(turn) == {"content", "token_len"}, str(turn))

    bench = root / "bench/ours.jsonl"
    export("mt-bench", BENCH, bench, "--samples", "2")
    for question, answer in zip(BENCH, lines(bench), strict=True):
        keys = {"question_id", "answer_id", "model_id", "choices", "tstamp"}
        checks.check("mt-bench: columns", set(answer) == keys, str(set(answer)))
        checks.check("mt-bench: id", answer["question_id"] == question["question_id"], str(answer["question_id"]))
        turns = [choice["turns"] for choice in answer["choices"]]
        checks.check("mt-bench: turns", [len(one) for one in turns] == [2, 2], str(turns))
        # FastChat answers mathematics at temperature 0 and writing at 0.7.
        alike = turns[0] == turns[1]
        checks.check("mt-bench: temperature", alike == (question["category"] == "math"), str(turns))
        indices = [choice["index"] for choice in answer["choices"]]
        checks.check("mt-bench: indices", indices == [0, 1], str(indices))


def tools(checks, given, root):
    """The tools' own loaders, of the clones that are named."""
    if given.arena_hard:
        [load] = functions(
            given.arena_hard / "utils/completion.py",
            ["load_model_answers"],
            {"glob": glob.glob, "os": os, "json": json},
        )
        read = load(str(root / "arena"))
        said = [read["ours"][question["uid"]]["messages"][-1]["content"]["answer"] for question in ARENA]
        checks.check("Arena-Hard loads both answers", all(isinstance(one, str) for one in said), str(said))
    if given.fastchat:
        [load] = functions(
            given.fastchat / "fastchat/llm_judge/common.py",
            ["load_model_answers"],
            {"glob": glob, "os": os, "json": json},
        )
        read = load(str(root / "bench"))
        # As run_judge_single takes them.
        said = [read["ours"][question["question_id"]]["choices"][0]["turns"][1] for question in BENCH]
        checks.check("FastChat loads both second turns", all(isinstance(one, str) for one in said), str(said))
    if given.alpaca_eval:
        import pandas

        source = given.alpaca_eval / "src/alpaca_eval/utils.py"
        space = {"pd": pandas, "Path": Path, "os": os, "glob": glob, "pathlib": __import__("pathlib")}
        space |= {"Callable": type(main), "AnyPath": Any, "AnyData": Any, "Union": Union}
        load, name = functions(source, ["load_or_convert_to_dataframe", "get_generator_name"], space)
        frame = load(root / "alpaca/ours.json")
        asked = [question["instruction"] for question in ALPACA]
        checks.check("AlpacaEval loads the outputs", list(frame["instruction"]) == asked, str(frame))
        checks.check("AlpacaEval finds the name", name(None, frame) == "ours", str(frame))
        length = int(frame["output"].str.len().mean())
        checks.check("AlpacaEval counts characters", length > 0, str(length))


if __name__ == "__main__":
    sys.exit(main())
