"""Makes search/tests/golden/answer_metrics.json from the benchmarks' own scripts; run by hand.

    git clone https://github.com/hotpotqa/hotpot && git clone https://github.com/StonyBrookNLP/musique
    git clone https://github.com/Alab-NII/2wikimultihop
    python xtask/parity/make_answer_metric_golden.py hotpot musique 2wikimultihop

Functions are taken by their text, so that nothing of what the scripts import has to be there.
"""

import ast
import collections
import json
import re
import string
import sys
import typing
from pathlib import Path

PAIRS = [
    ("Paris", "Paris"),
    ("paris.", "Paris"),
    ("the Beatles", "Beatles"),
    ("The The", "the"),
    ("a an the", ""),
    ("", ""),
    ("", "Paris"),
    ("Paris", ""),
    ("!?", ""),
    ("U.S.A.", "USA"),
    ("U. S. A.", "USA"),
    ("rock-and-roll", "rock and roll"),
    ("rock'n'roll", "rock n roll"),
    ("yes", "yes"),
    ("Yes.", "yes"),
    ("yes it is", "yes"),
    ("yes", "no"),
    ("no", "no way"),
    ("noanswer", "noanswer"),
    ("no answer", "noanswer"),
    ("the noanswer", "No-Answer"),
    ("Anna Frost", "Frost Anna"),
    ("Anna Frost", "Anna  Maria\tFrost"),
    ("Anna Anna Frost", "Anna Frost"),
    ("the Anna of Frost", "Anna Frost of a Frost"),
    ("São Paulo", "Sao Paulo"),
    ("SÃO PAULO", "são paulo"),
    ("Zürich–Wien", "zürich wien"),
    ("the–end", "end"),
    ("“Heroes”", "Heroes"),
    ("‘the’ end", "the end"),
    ("İstanbul", "i̇stanbul"),
    ("ΟΔΟΣ", "οδος"),
    ("Straße", "strasse"),
    ("東京", "東京 都"),
    ("a\u0301 b", "b"),
    ("1,000", "1000"),
    ("$5.00 a day", "500 day"),
    ("an_other the_end", "another theend"),
    ("new\u00a0york", "new york"),
    ("a\x1cb", "b"),
    ("A. A. Milne", "Milne"),
]
# Predictions, answer and its aliases.
SEVERAL = [
    ("the big apple", ["New York City", "NYC", "Big Apple"]),
    ("yes", ["no", "yes it is"]),
    ("Anna Frost", ["Anna Maria Frost", "Frost"]),
    ("nobody", ["Anna Frost"]),
]


def functions(path, names, given):
    """Runs the named functions of a file, and nothing else of it."""
    source = path.read_text()
    body = [node for node in ast.parse(source).body if getattr(node, "name", None) in names]
    assert {node.name for node in body} == set(names), path
    exec(compile(ast.Module(body, []), str(path), "exec"), given)
    return given


def main(hotpot, musique, wiki):
    libraries = {"re": re, "string": string, "collections": collections, "Counter": collections.Counter}
    libraries |= {"Tuple": typing.Tuple, "List": typing.List}
    scripts = ["normalize_answer", "f1_score", "exact_match_score"]
    first = functions(hotpot / "hotpot_evaluate_v1.py", scripts, dict(libraries))
    names = [*scripts, "eval_answer", "update_answer"]
    second = functions(wiki / "2wikimultihop_evaluate_v1.1.py", names, dict(libraries))
    names = ["normalize_answer", "get_tokens", "compute_exact", "compute_f1", "metric_max_over_ground_truths"]
    third = functions(musique / "metrics" / "answer.py", names, dict(libraries))
    pairs = []
    for prediction, answer in PAIRS:
        normal = first["normalize_answer"](prediction)
        assert normal == second["normalize_answer"](prediction) == third["normalize_answer"](prediction)
        f1 = first["f1_score"](prediction, answer)
        assert f1 == second["f1_score"](prediction, answer)
        pairs.append({
            "prediction": prediction,
            "answer": answer,
            "normal": normal,
            "exact": int(first["exact_match_score"](prediction, answer)),
            "hotpot": dict(zip(("f1", "precision", "recall"), map(float, f1))),
            "musique": {
                "exact": third["compute_exact"](answer, prediction),
                "f1": float(third["compute_f1"](answer, prediction)),
            },
        })
    several = []
    for prediction, answers in SEVERAL:
        sums = collections.defaultdict(float)
        second["update_answer"](sums, prediction, answers)
        most = third["metric_max_over_ground_truths"]
        several.append({
            "prediction": prediction,
            "answers": answers,
            "hotpot": {"exact": sums["em"], "f1": sums["f1"]},
            "musique": {
                "exact": float(most(third["compute_exact"], prediction, answers)),
                "f1": float(most(third["compute_f1"], prediction, answers)),
            },
        })
    target = Path(__file__).parents[2] / "search" / "tests" / "golden" / "answer_metrics.json"
    target.write_text(json.dumps({"pairs": pairs, "several": several}, indent=1) + "\n")
    print(f"{target}: {len(pairs)} pairs, {len(several)} with several answers")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
