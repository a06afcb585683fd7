"""Small Parquet files as pyarrow writes them, and their rows as JSON, for crates/dataset/tests/pyarrow.rs:

    python xtask/parity/make_dataset_golden.py crates/dataset/tests/fixtures

With a file that Concord wrote behind the folder, its rows are printed as pyarrow reads them:

    python xtask/parity/make_dataset_golden.py --read FILE
"""

import json
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet


def turn(role, content):
    return {"role": role, "content": content}


SPPO = [
    {
        "chosen": [turn("user", f"What is {n} + {n}?"), turn("assistant", f"It is {2 * n}.")],
        "rejected": [turn("user", f"What is {n} + {n}?"), turn("assistant", "I like tea. \u00fc\u4e2d")],
        "chosen_probs": 0.75,
        "chosen_probs_win": 0.5 + n / 100,
        "chosen_probs_lose": 0.25,
    }
    for n in range(1, 6)
]

RATED = [
    {"prompt": "a", "responses": ["x", "y"], "scores": [0.5, -1.25], "win_matrix": [[0.5, 0.7], [0.3, 0.5]]},
    {"prompt": "b", "responses": ["only one"], "scores": None, "win_matrix": None},
    {"prompt": "c", "responses": ["p", "q"], "scores": [1.0, float("nan")], "win_matrix": None},
    {"prompt": "d", "responses": [], "scores": [], "win_matrix": []},
]

FILES = {
    "sppo.snappy.parquet": (SPPO, "snappy"),
    "sppo.zstd.parquet": (SPPO, "zstd"),
    "rated.plain.parquet": (RATED, "none"),
    "sppo.gzip.parquet": (SPPO[:1], "gzip"),
}


def main():
    if sys.argv[1] == "--read":
        table = pyarrow.parquet.read_table(sys.argv[2])
        print(json.dumps(table.to_pylist()))
        return
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (rows, codec) in FILES.items():
        table = pyarrow.Table.from_pylist(rows)
        pyarrow.parquet.write_table(table, folder / name, compression=codec)
    text = "".join(json.dumps(row) + "\n" for row in SPPO)
    (folder / "sppo.jsonl").write_text(text)
    print(f"written by pyarrow {pyarrow.__version__}")


main()
