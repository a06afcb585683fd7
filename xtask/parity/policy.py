"""Exported policies beside what Concord recorded, over policies of several kinds.

`python policy.py --concord PATH` trains tiny teams with `PATH`, exports them with `PATH policy export` and computes the
recorded outputs again: with NumPy here, from the weights and the description alone, and with the exported
loader in PyTorch, TorchScript included, where an interpreter has it (this one, or CONCORD_TORCH_PYTHON). Prints a
line per comparison, then `N passed, M failed`; exit status 1 on any mismatch.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CASES = {
    "feed-forward, shared": ["algorithm.kind=vdn"],
    "GRU, separate, last actions": [
        "network.kind=gru",
        "network.share_parameters=false",
        "network.agent_id=false",
        "network.last_action=true",
    ],
    "action masks": ["environment.action_masks=true", "algorithm.kind=qmix"],
    "policies": ["algorithm.kind=ippo", "environment.id=Climbing-v1", "network.kind=gru"],
    "MANSA, a budget": [
        "algorithm.kind=mansa",
        "algorithm.switch.budget={kind='per_episode',calls=3}",
        "algorithm.switch.cost_mode=per_switch",
    ],
    "MANSA, one trunk": ["algorithm.kind=mansa", "algorithm.switch.share=trunk", "network.kind=gru"],
}
KINDS = {"F32": np.float32, "U8": np.uint8, "U64": np.uint64, "I64": np.int64}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], KINDS[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def body(weights, prefix, inputs):  # [time, inputs] of one sequence
    of = {name[len(prefix) + 1 :]: value.astype(np.float64) for name, value in weights.items() if name.startswith(prefix + ".")}
    relu = lambda values: np.maximum(values, 0)
    sigmoid = lambda values: 1 / (1 + np.exp(-values))
    linear = lambda name, values: values @ of[f"{name}.weight"].T + of[f"{name}.bias"]
    features = relu(linear("input", inputs))
    if "middle.weight" in of:
        return linear("output", relu(linear("middle", features)))
    hidden, states = np.zeros(of["gru.weight_hh"].shape[1]), []
    for row in features:
        left = of["gru.weight_ih"] @ row + of["gru.bias_ih"]
        right = of["gru.weight_hh"] @ hidden + of["gru.bias_hh"]
        (r, z, n), (hr, hz, hn) = np.split(left, 3), np.split(right, 3)
        r, z = sigmoid(r + hr), sigmoid(z + hz)
        hidden = (1 - z) * np.tanh(n + r * hn) + z * hidden
        states.append(hidden)
    return linear("output", np.array(states))


def with_numpy(folder):
    """Largest relative difference over all networks."""
    description = json.loads((folder / "policy.json").read_text())
    network, environment = description["config"]["network"], description["environment"]
    weights, sample = read_safetensors(folder / "parameters.safetensors"), read_safetensors(folder / "sample.safetensors")
    observations, actions = sample["observations"], sample["actions"]
    difference = lambda got, wanted: np.abs(got - wanted).max() / max(1.0, np.abs(wanted).max())
    worst = 0.0
    for name, wanted in sample.items():
        if not name.startswith("outputs."):
            continue
        prefix = name.removeprefix("outputs.")
        for agent in range(environment["agents"]):
            inputs = [observations[:, agent]]
            if network["last_action"]:
                one_hot = np.eye(environment["actions"])[actions[:, agent]]
                inputs.append(np.vstack([np.zeros(environment["actions"]), one_hot]))
            if network["agent_id"]:
                inputs.append(np.tile(np.eye(environment["agents"])[agent], (len(observations), 1)))
            own = prefix if network["share_parameters"] else f"{prefix}.{agent}"
            got = body(weights, own, np.hstack(inputs).astype(np.float64))
            worst = max(worst, difference(got, wanted[:, agent]))
    if "switch.inputs" in sample:
        got = body(weights, "switch", sample["switch.inputs"].astype(np.float64))
        worst = max(worst, difference(got, sample["switch.outputs"]))
    return worst


def interpreter_with_torch():
    for python in filter(None, [os.environ.get("CONCORD_TORCH_PYTHON"), sys.executable]):
        if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
            return python
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--concord", required=True)
    concord = str(Path(parser.parse_args().concord).resolve())
    torch_python = interpreter_with_torch()
    if torch_python is None:
        print("no interpreter with torch: the loader is not run; name one in CONCORD_TORCH_PYTHON")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as place:
        for index, (name, settings) in enumerate(CASES.items()):
            sets = [part for setting in settings for part in ("--set", setting)]
            runs, out = Path(place) / f"runs-{index}", Path(place) / f"out-{index}"
            lag = ["--set", "runtime.mode={kind='lockstep',lag_rounds=0}"]
            train = [concord, "--run-dir", str(runs), "train", "smoke", "--ui", "none", *sets, *lag]
            subprocess.run(train, check=True, stdout=subprocess.DEVNULL)
            export = [concord, "--run-dir", str(runs), "policy", "export", "last", "--out", str(out)]
            subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
            worst = with_numpy(out)
            good = worst <= 1e-5
            print(f"{name}: NumPy differs by {worst:.1e}")
            if torch_python:
                loader = [torch_python, str(out / "concord_policy.py"), "--torchscript", str(out / "torchscript")]
                answer = subprocess.run(loader, capture_output=True, text=True)
                print(f"{name}: loader: " + "; ".join(answer.stdout.strip().splitlines()) + answer.stderr)
                good &= answer.returncode == 0
            passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
