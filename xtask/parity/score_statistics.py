"""Writes the fixture of tracking's statistics: numpy, scipy and rliable on fixed tables.

    python xtask/parity/score_statistics.py > crates/tracking/tests/fixtures/statistics.json

Tables are scores[task][run]. Needs: numpy, scipy, rliable (for the intervals, which its
bootstrap draws 50,000 times from a fixed seed).
"""

import json
import sys

import numpy as np
from rliable import library, metrics
from scipy import stats

REPETITIONS = 50_000


def interval(statistic, table):
    scores = {"a": np.array(table).T}
    points, intervals = library.get_interval_estimates(
        scores, lambda x: np.array([statistic(x)]), reps=REPETITIONS, random_state=np.random.RandomState(7)
    )
    return [float(points["a"][0]), float(intervals["a"][0][0]), float(intervals["a"][1][0])]


def main():
    generator = np.random.default_rng(11)
    cases = []
    for tasks, runs in [(1, 5), (1, 10), (3, 4), (4, 10), (1, 1), (2, 7)]:
        table = np.round(generator.beta(4.0, 1.5, size=(tasks, runs)), 6).tolist()
        other = np.round(generator.beta(3.0, 2.0, size=(tasks, runs + 1)), 6).tolist()
        other[0][0] = table[0][0]  # a tie
        flat = [score for row in table for score in row]
        thresholds = np.linspace(0.0, 1.0, 11).tolist()
        case = {
            "table": table,
            "other": other,
            "mean": float(np.mean(flat)),
            "median": float(np.median(flat)),
            "trim_mean": float(stats.trim_mean(flat, 0.25)),
            "standard_deviation": float(np.std(flat, ddof=1)) if len(flat) > 1 else None,
            "mean_of_tasks": float(metrics.aggregate_mean(np.array(table).T)),
            "median_of_tasks": float(metrics.aggregate_median(np.array(table).T)),
            "interquartile_mean": float(metrics.aggregate_iqm(np.array(table).T)),
            "probability_of_improvement": float(
                metrics.probability_of_improvement(np.array(table).T, np.array(other).T)
            ),
            "thresholds": thresholds,
            "profile": [float(np.mean(np.array(flat) > threshold)) for threshold in thresholds],
        }
        if runs >= 4:
            case["interquartile_mean_interval"] = interval(metrics.aggregate_iqm, table)
            case["mean_interval"] = interval(metrics.aggregate_mean, table)
        cases.append(case)
    json.dump(cases, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
