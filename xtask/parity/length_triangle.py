"""Exploitability of policies in the length triangle, from the held-out answers of runs.

A response's move is its length modulo three; 0 loses to 2, 1 to 0, 2 to 1, with 0.9. A policy's
exploitability is what the best move gains against its mixture of moves, its probability to win less 1/2.

    python xtask/parity/length_triangle.py RUN [RUN ...]
"""
import json, sys
from pathlib import Path


def beats(first, second):
    gap = (first - second) % 3
    return 0.5 if gap == 0 else (0.9 if gap == 2 else 0.1)


def moves(path):
    counts = [0.0] * 3
    for line in path.read_text().splitlines():
        for response in json.loads(line)["responses"]:
            counts[len(response["text"].strip()) % 3] += 1
    total = sum(counts)
    return [count / total for count in counts]


def exploitability(mixture):
    return max(sum(share * beats(move, other) for other, share in enumerate(mixture)) for move in range(3)) - 0.5


def main():
    print("run,update,share_0,share_1,share_2,last,average")
    for run in map(Path, sys.argv[1:]):
        files = sorted(run.glob("evaluations/update-*.jsonl"), key=lambda path: int(path.stem.split("-")[1]))
        mixtures = []
        for path in files:
            mixtures.append(moves(path))
            average = [sum(column) / len(mixtures) for column in zip(*mixtures)]
            shares = ",".join(f"{share:.4f}" for share in mixtures[-1])
            name = run.name.split("-", 2)[-1]
            print(f"{name},{path.stem.split('-')[1]},{shares},{exploitability(mixtures[-1]):.4f},{exploitability(average):.4f}")


if __name__ == "__main__":
    main()
