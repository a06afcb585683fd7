"""Feeds an exported file to marl-eval and compares what it understood with the file.

    python xtask/parity/marl_eval.py --json FILE

marl-eval's own checker must call the file valid, its pipeline must aggregate it, and
the matrices that it hands to rliable must hold the means of our episode returns, in the
order of seeds, tasks and evaluations. Prints "N passed, M failed"; exit code 1 when
something failed. Needs: id-marl-eval (its pinned pandas is not needed for this), numpy,
colorama.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path

# This file's own name is near the package's; nothing beside it shall be imported.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent.resolve()]

import numpy as np  # noqa: E402

processing = importlib.import_module("marl_eval.utils.data_processing_utils")
diagnosis = importlib.import_module("marl_eval.utils.diagnose_data_errors")


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, type=Path)
    raw = json.loads(parser.parse_args().json.read_text(encoding="utf-8"))
    checks = Checks()

    for environment, verdicts in diagnosis.DiagnoseData(raw).check_data().items():
        for verdict, good in verdicts.items():
            checks.check(f"{environment}: {verdict}", good)

    processed = processing.data_process_pipeline(raw_data=raw, metrics_to_normalize=["return"])
    for environment, tasks in raw.items():
        matrices, tensors = processing.create_matrices_for_rliable(
            data_dictionary=processed, environment_name=environment, metrics_to_normalize=["return"]
        )
        checks.check(f"{environment}: return is normalised", "mean_norm_return" in matrices, str(list(matrices)))
        for column, (task, algorithms) in enumerate(tasks.items()):
            # marl-eval scales by the lowest and highest return of the task.
            returns = [
                value
                for runs in algorithms.values()
                for steps in runs.values()
                for metrics in steps.values()
                for value in metrics["return"]
            ]
            low, span = min(returns), max(returns) - min(returns) + 1e-6
            for algorithm, runs in algorithms.items():
                for row, (seed, steps) in enumerate(runs.items()):
                    name = f"{task} {algorithm} {seed}"
                    ours = (np.mean(steps["absolute_metrics"]["return"]) - low) / span
                    theirs = matrices["mean_norm_return"][algorithm.lower()][row][column]
                    checks.check(f"{name}: absolute", abs(ours - theirs) < 1e-12, f"{ours} {theirs}")
                    intervals = [key for key in steps if key != "absolute_metrics"]
                    counts = [steps[key]["step_count"] for key in intervals]
                    checks.check(f"{name}: steps grow", counts == sorted(set(counts)), str(counts))
                    for index, key in enumerate(intervals):
                        ours = (np.mean(steps[key]["return"]) - low) / span
                        theirs = tensors["mean_norm_return"][algorithm.lower()][row][column][index]
                        checks.check(f"{name}: {key}", abs(ours - theirs) < 1e-12, f"{ours} {theirs}")
        lengths = matrices.get("mean_length", {})
        checks.check(f"{environment}: lengths are there", bool(lengths), str(list(matrices)))
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
