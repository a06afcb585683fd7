"""Writes the golden traces of `envs/tests/golden/` from the Python package `lbforaging` 2.0.0.

`python make_lbf_golden.py [FOLDER]`. Rust tests read them, so that they need no Python.
"""

import json
import pathlib
import sys

from lbf import CONFIGURATIONS, identifier, reference, state_of, transitions

TRANSITIONS = 24
STARTS = 12
# id, options of the crate, the same for the reference
RESETS = [
    ("Foraging-8x8-2p-2f-v3", {}, {}),
    ("Foraging-8x8-2p-2f-coop-v3", {}, {}),
    ("Foraging-5x5-5p-2f-v3", {}, {}),
    ("Foraging-6x6-6p-3f-v3", {}, {}),
    ("Foraging-15x15-4p-5f-v3", {}, {}),
    ("Foraging-7x12-2p-3f-ind-v3", {}, {"max_food_level": 1}),
    ("Foraging-10x10-3p-3f-v3",
     {"min_player_level": [1, 2, 3], "max_player_level": [1, 4, 9], "min_food_level": [1, 2, 5],
      "max_food_level": [3, 6, 5]},
     {"min_player_level": [1, 2, 3], "max_player_level": [1, 4, 9], "min_food_level": [1, 2, 5],
      "max_food_level": [3, 6, 5]}),
]


def plain(values):
    """Whole numbers without their point, to keep the files small."""
    return [int(value) if float(value).is_integer() else float(value) for value in values]


def write(path, records):
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    path.write_text(text)
    print(f"{path}: {len(records)} lines, {len(text)} bytes")


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "envs" / "tests" / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    records = []
    for index, configuration in enumerate(CONFIGURATIONS):
        made = transitions(configuration, 40 * TRANSITIONS, 1000 + index)
        # The moments that test something first: food taken, agents in one cell, penalties.
        ranked = sorted(made, key=lambda item: not any(item[2]))
        for line, after, rewards, terminated, truncated, seen in ranked[:TRANSITIONS]:
            records.append({
                "id": identifier(*configuration[1:]), "line": line, "after": after,
                "rewards": [float(reward) for reward in rewards],
                "terminated": bool(terminated), "truncated": bool(truncated),
                "observations": [plain(one.ravel()) for one in seen],
            })
    write(folder / "lbf_transitions.jsonl", records)
    records = []
    for seed, (identity, options, levels) in enumerate(RESETS):
        parts = identity.split("-")
        rows, cols = (int(side) for side in parts[1].split("x"))
        players, foods = int(parts[2][:-1]), int(parts[3][:-1])
        env = reference(rows, cols, players, foods, None, {"coop": "coop" in parts}, levels=levels)
        states = []
        for index in range(STARTS):
            env.reset(seed=seed if index == 0 else None)
            states.append(state_of(env))
        records.append({"id": identity, "options": options, "seed": seed, "states": states})
    write(folder / "lbf_resets.jsonl", records)


if __name__ == "__main__":
    main()
