"""Compares a run's TensorBoard files with its events.jsonl, by TensorBoard's own reader.

    python xtask/parity/tensorboard.py --run DIR

DIR is a run folder, or a folder of run folders. Every scalar, text, evaluation and
hyper-parameter of the events must be in DIR/tb with the same tag, step and value (as
float32), and nothing else may be there. Events that a later `resumed` event made void
must be absent. Prints "N passed, M failed"; exit code 1 when something failed.
Needs: tensorboard.
"""

import argparse
import json
import math
import os
import struct
import sys
from collections import defaultdict
from pathlib import Path

# This file's own name would hide the package.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent.resolve()]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tensorboard.backend.event_processing import event_accumulator, event_file_loader  # noqa: E402
from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: E402
from tensorboard.util import tensor_util  # noqa: E402

NAMED = {"NaN": math.nan, "inf": math.inf, "-inf": -math.inf}
SHOWN = 20
AXES = {"env_steps": "step", "learner_updates": "updates", "tokens": "tokens", "seconds": "seconds"}


def number(value):
    return NAMED[value] if isinstance(value, str) else float(value)


def as_float32(value):
    if math.isfinite(value) and abs(value) > 3.4028235677973366e38:
        return math.copysign(math.inf, value)
    return struct.unpack("<f", struct.pack("<f", value))[0]


def same(left, right):
    return left == right or (math.isnan(left) and math.isnan(right))


def beyond(event, position):
    kind = event["kind"]
    if kind in ("scalar", "text"):
        return event["step"] > int(position.get(AXES[event["axis"]], 0))
    if kind in ("evaluation", "checkpoint", "episode"):
        return event["step"] > position["step"]
    return False


def valid_events(path):
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    resumes = [event for event in events if event["kind"] == "resumed"]
    return [
        event
        for event in events
        if not any(resume["seq"] > event["seq"] and beyond(event, resume) for resume in resumes)
    ]


def expected_of(events):
    scalars, texts, hparams, ended = defaultdict(list), defaultdict(list), None, None
    for event in events:
        kind = event["kind"]
        if kind == "scalar":
            scalars[event["name"]].append((event["step"], as_float32(number(event["value"]))))
        elif kind == "text":
            texts[event["name"]].append((event["step"], event["text"]))
        elif kind == "evaluation":
            group = "evaluation" if event["purpose"] == "interval" else "absolute"
            for name, values in (("return_mean", event["returns"]), ("length_mean", event["lengths"])):
                if values:
                    mean = sum(map(number, values)) / len(values)
                    scalars[f"{group}/{name}"].append((event["step"], as_float32(mean)))
        elif kind == "hparams":
            hparams = event["values"]
        elif kind == "finished":
            ended = event["outcome"]
    return scalars, texts, hparams, ended


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            if self.failed <= SHOWN:
                print(f"FAILED {name} {detail}")


def check_run(run, checks):
    scalars, texts, hparams, ended = expected_of(valid_events(run / "events.jsonl"))
    folder = run / "tb"
    files = sorted(folder.glob("*tfevents*"))
    checks.check(f"{run.name}: one event file", len(files) == 1, str(files))
    for file in files:
        # The strict loader raises on a torn or damaged record.
        records = sum(1 for _ in event_file_loader.RawEventFileLoader(str(file)).Load())
        checks.check(f"{run.name}: records in {file.name}", records > 1, str(records))

    everything = {key: 0 for key in ("scalars", "tensors", "histograms", "images", "audio")}
    reader = event_accumulator.EventAccumulator(str(folder), size_guidance=everything)
    reader.Reload()

    tags = reader.Tags()
    checks.check(f"{run.name}: scalar tags", sorted(tags["scalars"]) == sorted(scalars), f"{tags['scalars']} {sorted(scalars)}")
    for name, points in scalars.items():
        read = [(point.step, point.value) for point in reader.Scalars(name)] if name in tags["scalars"] else []
        checks.check(f"{run.name}: {name} has {len(points)} points", len(read) == len(points), f"read {len(read)}")
        for ours, theirs in zip(points, read):
            checks.check(f"{run.name}: {name}", ours[0] == theirs[0] and same(ours[1], theirs[1]), f"{ours} read {theirs}")

    wanted = set(texts)
    if hparams is not None:
        wanted.add("_hparams_/session_start_info")
    if ended is not None:
        wanted.add("_hparams_/session_end_info")
    checks.check(f"{run.name}: tensor tags", set(tags["tensors"]) == wanted, f"{tags['tensors']} {sorted(wanted)}")
    for name, written in texts.items():
        metadata = reader.SummaryMetadata(name)
        checks.check(f"{run.name}: {name} is a text", metadata.plugin_data.plugin_name == "text")
        read = [
            (event.step, tensor_util.make_ndarray(event.tensor_proto).item(0).decode("utf-8"))
            for event in reader.Tensors(name)
        ]
        checks.check(f"{run.name}: text {name}", read == written, f"{written} read {read}")
    if hparams is not None:
        check_hparams(run, reader, hparams, checks)
    if ended is not None:
        data = plugin_data_pb2.HParamsPluginData.FromString(
            reader.SummaryMetadata("_hparams_/session_end_info").plugin_data.content
        )
        success = data.session_end_info.status == 1
        checks.check(f"{run.name}: end status", success == (ended == "finished"), ended)


def check_hparams(run, reader, hparams, checks):
    metadata = reader.SummaryMetadata("_hparams_/session_start_info")
    checks.check(f"{run.name}: hparams plugin", metadata.plugin_data.plugin_name == "hparams")
    data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    read = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in data.session_start_info.hparams.items()
    }
    checks.check(f"{run.name}: hparams names", sorted(read) == sorted(hparams), f"{read}")
    for name, value in hparams.items():
        checks.check(
            f"{run.name}: hparam {name}",
            name in read and type(read[name]) is (float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)) and read[name] == value,
            f"{value!r} read {read.get(name)!r}",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path, help="a run folder or a folder of them")
    root = parser.parse_args().run
    if (root / "events.jsonl").is_file():
        runs = [root]
    else:
        runs = sorted(path.parent for path in root.glob("*/events.jsonl"))
    if not runs:
        print(f"no run in {root}: a run holds events.jsonl and tb/", file=sys.stderr)
        return 2
    checks = Checks()
    for run in runs:
        check_run(run, checks)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
