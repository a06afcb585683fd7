"""How often the small searcher and its critic are wrong, on prompts of a held-out world; standard library only.

    cargo run -p search --example world_traces -- FOLDER 12000
    python xtask/parity/searcher_errors.py --binary target/debug/concord --prompts FOLDER/held-out.jsonl \\
        [--model assets/searcher] [--rows 4000] [--judged 500] [--temperature 0]

Policy: the share of replies that are right, by lesson, and what the wrong queries are. Critic: its greedy delta against
the world's, as confusion of "gained" (delta above 0); and from the probabilities of the nine deltas the area under the
ROC curve, the expected calibration error (ten bins) and the mean absolute error of the expected delta.
"""

import argparse
import array
import collections
import json
import math
import pathlib
import struct
import subprocess
import tempfile

DELTAS = ["-4", "-3", "-2", "-1", "+0", "+1", "+2", "+3", "+4"]


def wilson(right, of):
    if of == 0:
        return "none"
    z, share = 1.96, right / of
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low, high = (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
    return f"{share:.3f} [{low:.3f}, {high:.3f}] of {of}"


def replies(arguments, rows, folder):
    """A reply to each row."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
    prompts, out = folder / "prompts.jsonl", folder / "replies.jsonl"
    kept = [{"id": str(number), "messages": row["messages"], "answer": row["answer"]} for number, row in enumerate(rows)]
    prompts.write_text("".join(json.dumps(row) + "\n" for row in kept))
    how = ["--greedy"] if arguments.temperature == 0 else ["--temperature", str(arguments.temperature)]
    command = [arguments.binary, "eval", arguments.model, "--problems", prompts, "--output", out, *how]
    command += ["--limit", str(len(rows)), "--max-new", "48", "--verifier", "exact"]
    # The grammar's own <think> is no trace that is to be taken out.
    command += ["--set", 'data.think_open="[trace]"', "--set", 'data.think_close="[/trace]"']
    subprocess.run(command, check=True, capture_output=True)
    said = {}
    for line in out.read_text().splitlines():
        reply = json.loads(line)
        said[reply["id"]] = reply["samples"][0].strip()
    return [said[str(number)] for number in range(len(rows))]


def parts(reply):
    """Note, what is done, and with what."""
    note, _, action = reply.removeprefix("<think>").partition(" <")
    kind, _, words = action.partition("> ")
    return note.strip(), kind, words


def query_kind(row, query):
    """What a wrong query is: one that was made before, or one of something else."""
    prompt = row["messages"][0]["content"]
    return "repeated" if f"> {query} <" in prompt else "other"


def policy(rows, said):
    counts, wrong = collections.defaultdict(lambda: [0, 0]), collections.Counter()

    def count(name, right):
        counts[name][0] += right
        counts[name][1] += 1

    queries = 0
    for row, reply in zip(rows, said):
        rights = [right for right in (row["answer"], row.get("also")) if right]
        count(f"{row['lesson']}: whole reply", reply in rights)
        if row["lesson"] not in ("step", "answer"):
            continue
        note, kind, words = parts(row["answer"])
        got_note, got_kind, got_words = parts(reply)
        count("note begin" if note == "begin" else "note nothing" if note == "nothing" else "note of a fact", got_note == note)
        if kind == "search":
            queries += 1
            right = got_kind == "search" and any(got_words == parts(one)[2] for one in rights)
            count("query", right)
            if not right:
                wrong[f"answered: {got_kind or 'nothing'}" if got_kind != "search" else query_kind(row, got_words)] += 1
        else:
            yes = "yes or no" if words in ("yes", "no") else "unknown" if words == "unknown" else "name or year"
            count(f"answer, {yes}", (got_kind, got_words) == (kind, words))
    for name, (right, of) in sorted(counts.items()):
        print(f"| {name} | {wilson(right, of)} |")
    for name, count_ in wrong.most_common():
        print(f"| wrong query: {name} | {count_ / max(queries, 1):.3f} of queries |")


def confusion(rows, said):
    """Shares of the greedy deltas."""
    table, rates = collections.Counter(), collections.defaultdict(lambda: [0, 0])
    for row, reply in zip(rows, said):
        true, told = int(row["answer"]), int(reply) if reply in DELTAS else None
        table[true, told] += 1
        answered = "<ans>" in row["messages"][0]["content"]
        what = " of an answer" if answered else ""
        rates[f"exact delta{what}"][0] += true == told
        rates[f"exact delta{what}"][1] += 1
        gained = told is not None and told > 0
        name = f"false negative{what}" if true > 0 else f"false positive{what}"
        rates[name][0] += gained != (true > 0)
        rates[name][1] += 1
        rates["unreadable"][0] += told is None
        rates["unreadable"][1] += 1
    for name, (some, of) in sorted(rates.items()):
        print(f"| critic, {name} | {wilson(some, of)} |")
    told = DELTAS
    print("| true \\ told | " + " | ".join(told) + " |")
    for true in DELTAS:
        row = [table[int(true), int(one)] for one in told]
        if sum(row):
            print(f"| {true} | " + " | ".join(map(str, row)) + " |")


def probabilities(arguments, prompt, ids, file):
    """Of the nine deltas, after a prompt."""
    command = [arguments.binary, "model", "logits", arguments.model, "--text", prompt, "--out", file]
    subprocess.run(command, check=True, capture_output=True)
    raw = file.read_bytes()
    file.unlink()
    length = struct.unpack("<Q", raw[:8])[0]
    field = json.loads(raw[8 : 8 + length])["logits"]
    begin, end = field["data_offsets"]
    values = array.array("f")
    values.frombytes(raw[8 + length + begin : 8 + length + end])
    last = values[-field["shape"][-1] :]
    weights = [math.exp(last[one] - max(last)) for one in ids]
    return [weight / sum(weights) for weight in weights]


def calibration(arguments, rows, folder):
    ids = json.loads((pathlib.Path(arguments.model) / "tokenizer.json").read_text())["model"]["vocab"]
    ids = [ids[delta] for delta in DELTAS]
    judged, error = [], 0.0
    for row in rows:
        chances = probabilities(arguments, row["messages"][0]["content"], ids, folder / "logits.safetensors")
        expected = sum(int(delta) * chance for delta, chance in zip(DELTAS, chances))
        error += abs(expected - int(row["answer"])) / len(rows)
        judged.append((sum(chances[5:]), int(row["answer"]) > 0))
    gains = [chance for chance, gained in judged if gained]
    others = [chance for chance, gained in judged if not gained]
    above = sum((one > two) + 0.5 * (one == two) for one in gains for two in others)
    bins = collections.defaultdict(list)
    for chance, gained in judged:
        bins[min(int(chance * 10), 9)].append((chance, gained))
    ece = sum(abs(sum(chance - gained for chance, gained in one)) for one in bins.values()) / len(judged)
    print(f"| critic, area under the ROC curve | {above / (len(gains) * len(others)):.4f} of {len(judged)} |")
    print(f"| critic, expected calibration error | {ece:.4f} |")
    print(f"| critic, mean absolute error of the expected delta | {error:.3f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/concord")
    parser.add_argument("--model", default="assets/searcher")
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--judged", type=int, default=500)
    parser.add_argument("--temperature", type=float, default=0.0)
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in pathlib.Path(arguments.prompts).read_text().splitlines()][: arguments.rows]
    critic = [row for row in rows if row["lesson"] == "critic"]
    others = [row for row in rows if row["lesson"] != "critic"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        policy(others, replies(arguments, others, folder))
        confusion(critic, replies(arguments, critic, folder))
        if arguments.judged:
            calibration(arguments, critic[: arguments.judged], folder)


if __name__ == "__main__":
    main()
