"""The small chat model in transformers: the same greedy text as ours, and how often it is right.

    python arithmetic_chat.py --concord target/debug/concord [--problems 1000] [--model assets/arithmetic-chat]

Greedy ids of both are compared on held-out problems, with traces and without. With `--problems` the accuracy over
that many held-out problems is told too, greedy and at temperature 1, with Wilson's 95 % interval.
"""

import argparse
import collections
import json
import pathlib
import subprocess
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

COMPARED = 20
NEW = 96


def held_out(concord, count):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "problems.jsonl"
        words = ["data", "create", "arithmetic", "--kind", "problems", "--split", "held-out"]
        subprocess.run([concord, *words, "--rows", str(count), "--seed", "99", "-o", file], check=True, capture_output=True)
        return [json.loads(line) for line in file.read_text().splitlines()]


def prompt_ids(tokenizer, question, thinking):
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def continued(model, ids, temperature):
    """The new ids of rows of one length, without what is behind the end."""
    rows = torch.tensor(ids)
    sampling = {"do_sample": False} if temperature == 0 else {"do_sample": True, "temperature": temperature, "top_k": 0}
    out = model.generate(rows, attention_mask=torch.ones_like(rows), max_new_tokens=NEW, **sampling)
    end = model.generation_config.eos_token_id
    for row in out[:, rows.shape[1] :].tolist():
        yield row[: row.index(end)] if end in row else row


def compare(concord, folder, model, tokenizer, problems):
    passed = 0
    for thinking in (False, True):
        for problem in problems:
            ids = prompt_ids(tokenizer, problem["question"], thinking)
            theirs = next(continued(model, [ids], 0))
            words = ["model", "generate", "--model", folder, "--prompt-ids", ",".join(map(str, ids))]
            answer = subprocess.run(
                [concord, *words, "--max-new", str(NEW), "--greedy", "--format", "json"],
                check=True, capture_output=True, text=True,
            )
            ours = json.loads(answer.stdout)["ids"]
            end = tokenizer.eos_token_id
            ours = ours[: ours.index(end)] if end in ours else ours
            if ours == theirs:
                passed += 1
            else:
                print(f"{problem['question']}: {tokenizer.decode(ours)!r} and {tokenizer.decode(theirs)!r}")
    return passed


def wilson(right, count):
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * (share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5
    return middle - half, middle + half


def accuracy(model, tokenizer, problems, thinking, temperature):
    lengths = collections.defaultdict(list)
    for problem in problems:
        ids = prompt_ids(tokenizer, problem["question"], thinking)
        lengths[len(ids)].append((problem, ids))
    right, tokens = collections.Counter(), 0
    for rows in lengths.values():
        for (problem, _), new in zip(rows, continued(model, [ids for _, ids in rows], temperature)):
            said = tokenizer.decode(new).rstrip()
            right[problem["id"].split("-")[0]] += said.endswith(f"The answer is {problem['answer']}.")
            tokens += len(new)
    count = len(problems)
    low, high = wilson(right.total(), count)
    kinds = collections.Counter(problem["id"].split("-")[0] for problem in problems)
    by_kind = ", ".join(f"{kind} {right[kind] / kinds[kind]:.2f}" for kind in sorted(kinds))
    print(
        f"{'with traces' if thinking else 'without'}, {'greedy' if temperature == 0 else 'temperature 1'}: "
        f"{right.total() / count:.3f} [{low:.3f}, {high:.3f}] of {count}, {tokens / count:.1f} tokens; {by_kind}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    parser.add_argument("--model", default="assets/arithmetic-chat")
    parser.add_argument("--problems", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    problems = held_out(arguments.concord, max(arguments.problems, COMPARED))
    passed = compare(arguments.concord, arguments.model, model, tokenizer, problems[:COMPARED])
    if arguments.problems:
        for thinking in (False, True):
            for temperature in (0, 1.0):
                accuracy(model, tokenizer, problems, thinking, temperature)
    print(f"{passed} passed, {2 * COMPARED - passed} failed")


if __name__ == "__main__":
    main()
