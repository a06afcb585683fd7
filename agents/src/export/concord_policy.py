"""A policy that Concord trained, in plain PyTorch. No other package is needed.

    from concord_policy import Team

    team = Team("DIR")                                # the folder that `concord policy export` wrote
    state = team.start(batch=1)                       # before the first step of each episode
    actions, state = team.act(observations, state)    # [batch, agents, observation] -> [batch, agents]

`observations` are the numbers that each agent sees, as float32, in the order of the training's
environment (`policy.json` names it); `mask` [batch, agents, actions] forbids actions where it is 0. A team of
MANSA has two policies and a switch; `execution` is "mansa" (the switch decides), "il" or "cl".

As a program, in or with the folder:

    python concord_policy.py [DIR]                    # outputs beside those that Concord recorded
    python concord_policy.py [DIR] --torchscript OUT  # OUT/agent.pt, or independent.pt, central.pt, switch.pt

A TorchScript network takes features [batch, agents, numbers], the actions before [batch, agents] (int64, -1 before
the first step) and the memory [networks, rows, hidden]; it gives outputs [batch, agents, numbers] and the memory.
"""

import argparse
import json
import struct
import sys
from pathlib import Path
from typing import Tuple

import torch
from torch import Tensor

VERSION = 1
KINDS = {"F32": torch.float32, "U8": torch.uint8, "I64": torch.int64, "U64": torch.int64}


def read_safetensors(path):
    """All tensors of a file by name."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = bytearray(data[start:end])
        kind = KINDS[entry["dtype"]]
        flat = torch.frombuffer(values, dtype=kind) if values else torch.zeros(0, dtype=kind)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


class FeedForward(torch.nn.Module):
    """Linear, ReLU, Linear, ReLU, Linear."""

    def __init__(self, weights):
        super().__init__()
        self.input, self.middle, self.output = (linear(weights, name) for name in ("input", "middle", "output"))

    def forward(self, inputs: Tensor, memory: Tensor) -> Tuple[Tensor, Tensor]:
        features = torch.relu(self.middle(torch.relu(self.input(inputs))))
        return self.output(features), memory


class Recurrent(torch.nn.Module):
    """Linear, ReLU, gated recurrent unit, Linear."""

    def __init__(self, weights):
        super().__init__()
        self.input, self.output = linear(weights, "input"), linear(weights, "output")
        hidden, inputs = weights["gru.weight_hh"].shape[1], weights["gru.weight_ih"].shape[1]
        self.gru = torch.nn.GRUCell(inputs, hidden)
        self.gru.load_state_dict({name: weights[f"gru.{name}"] for name in self.gru.state_dict()})

    def forward(self, inputs: Tensor, memory: Tensor) -> Tuple[Tensor, Tensor]:
        memory = self.gru(torch.relu(self.input(inputs)), memory)
        return self.output(memory), memory


def linear(weights, name):
    weight = weights[f"{name}.weight"]
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": weights[f"{name}.bias"]})
    return layer


class Network(torch.nn.Module):
    """One set of weights for all agents, or one for each."""

    def __init__(self, weights, prefix, agents, actions, agent_id, last_action):
        super().__init__()
        own = {name[len(prefix) + 1 :]: value for name, value in weights.items() if name.startswith(f"{prefix}.")}
        self.agents, self.actions = agents, actions
        self.agent_id, self.last_action = agent_id, last_action
        self.shared = "input.weight" in own
        names = [""] if self.shared else [f"{agent}." for agent in range(agents)]
        parts = [{name[len(start) :]: value for name, value in own.items() if name.startswith(start)} for start in names]
        self.recurrent = "gru.weight_hh" in parts[0]
        self.hidden: int = parts[0]["output.weight"].shape[1]
        self.bodies = torch.nn.ModuleList([Recurrent(part) if self.recurrent else FeedForward(part) for part in parts])

    def start(self, batch: int) -> Tensor:
        """The memory before an episode's first step."""
        rows = batch * self.agents if self.shared else batch
        return torch.zeros(len(self.bodies), rows, self.hidden)

    def forward(self, features: Tensor, last_actions: Tensor, memory: Tensor) -> Tuple[Tensor, Tensor]:
        inputs = [features]
        if self.last_action:
            inputs.append((last_actions.unsqueeze(-1) == torch.arange(self.actions)).to(features.dtype))
        if self.agent_id:
            inputs.append(torch.eye(self.agents, dtype=features.dtype).expand(features.shape[0], -1, -1))
        joined = torch.cat(inputs, -1)
        outputs, memories = [], []
        for agent, body in enumerate(self.bodies):
            rows = joined.flatten(0, 1) if self.shared else joined[:, agent]
            output, own = body(rows, memory[agent])
            outputs.append(output.view(features.shape[0], -1, output.shape[-1]))
            memories.append(own)
        return torch.cat(outputs, 1), torch.stack(memories)


class Team:
    """The policies of a training, and the switch between them where there is one."""

    def __init__(self, folder="."):
        folder = Path(folder)
        self.description = json.loads((folder / "policy.json").read_text())
        if self.description["version"] != VERSION:
            sys.exit(f"policy.json has version {self.description['version']}; this file reads version {VERSION}")
        weights = read_safetensors(folder / "parameters.safetensors")
        config, self.environment = self.description["config"], self.description["environment"]
        network, self.algorithm = config["network"], config["algorithm"]
        self.agents, self.actions = self.environment["agents"], self.environment["actions"]
        flags = (network["agent_id"], network["last_action"])
        mansa = self.algorithm["kind"] == "mansa"
        share = self.algorithm["switch"]["share"] if mansa else "full"
        names = ["independent", "central"] if mansa and share == "separate" else ["agent"]
        self.networks = {name: Network(weights, name, self.agents, self.actions, *flags).eval() for name in names}
        # Where each policy's outputs are: network, first output.
        self.heads = [(names[0], 0)]
        if mansa:
            self.heads.append((names[-1], self.actions if share == "trunk" else 0))
        self.switch = self.switch_settings = None
        if mansa:
            self.switch_settings = self.algorithm["switch"]
            if any(name.startswith("switch.") for name in weights):
                self.switch = Network(weights, "switch", 1, 2, False, False).eval()

    def start(self, batch=1):
        """What the team remembers before an episode's first step."""
        memory = {name: network.start(batch) for name, network in self.networks.items()}
        last_actions = torch.full((batch, self.agents), -1)
        return {"memory": memory, "last_actions": last_actions, "calls": torch.zeros(batch), "spent": torch.zeros(batch), "step": 0}

    @torch.no_grad()
    def outputs(self, observations, state):
        """Values or logits of every network, and its memory after the step."""
        results = {
            name: network(observations, state["last_actions"], state["memory"][name])
            for name, network in self.networks.items()
        }
        return {name: result[0] for name, result in results.items()}, {name: result[1] for name, result in results.items()}

    def switch_inputs(self, observations, state):
        """What the switch sees. [batch, 1, numbers]"""
        inputs = [observations.flatten(1)]
        if self.switch_settings["budget"]["kind"] != "none":
            inputs.append(self.remaining(state).unsqueeze(-1))
        if self.switch_settings["cost_mode"] == "per_switch":
            inputs.append(state["calls"].unsqueeze(-1))
        return torch.cat(inputs, -1).unsqueeze(1)

    def remaining(self, state):
        """Share of an episode's budget of central calls that is left; 0 without one. [batch]"""
        budget = self.switch_settings["budget"]
        if budget["kind"] != "per_episode":
            return torch.zeros_like(state["spent"])
        return (budget["calls"] - state["spent"]) / max(budget["calls"], 1)

    @torch.no_grad()
    def decide(self, observations, state, execution="mansa"):
        """1 where the central policy acts. [batch]"""
        batch = observations.shape[0]
        if self.switch_settings is None or execution == "il":
            return torch.zeros(batch)
        if execution == "cl":
            return torch.ones(batch)
        kind, budget = self.switch_settings["kind"], self.switch_settings["budget"]
        left = budget["calls"] - state["spent"] if budget["kind"] == "per_episode" else None
        if self.switch is not None:
            values = self.switch(self.switch_inputs(observations, state), state["last_actions"], self.switch.start(batch))[0][:, 0]
            calls = values[:, 1] > values[:, 0]
        elif kind == "random":
            steps = max(self.environment["max_episode_steps"] - state["step"], 1)
            calls = torch.rand(batch) < (self.switch_settings["probability"] if left is None else left / steps)
        else:
            calls = torch.full((batch,), kind == "always")
        return (calls if left is None else calls & (left > 0)).float()

    def act(self, observations, state, mask=None, execution="mansa"):
        """The best actions [batch, agents] and what the team remembers."""
        observations = torch.as_tensor(observations, dtype=torch.float32)
        calls = self.decide(observations, state, execution)
        outputs, memory = self.outputs(observations, state)
        heads = [outputs[name][..., first : first + self.actions] for name, first in self.heads]
        values = torch.where(calls.view(-1, 1, 1) > 0, heads[-1], heads[0])
        if mask is not None:
            values = values.masked_fill(torch.as_tensor(mask) == 0, -torch.inf)
        actions = values.argmax(-1)
        counted = calls if execution == "mansa" else torch.zeros_like(calls)
        after = {
            "memory": memory,
            "last_actions": actions,
            "calls": counted,
            "spent": state["spent"] + counted,
            "step": state["step"] + 1,
        }
        return actions, after


def check(team, folder):
    """Compares each network with what Concord recorded, over one episode. Returns failures."""
    sample = read_safetensors(Path(folder) / "sample.safetensors")
    observations, actions = sample["observations"], sample["actions"].long()
    state, passed, failed = team.start(1), 0, 0
    worst = {name: 0.0 for name in team.networks}
    for step, observation in enumerate(observations):
        outputs, memory = team.outputs(observation.unsqueeze(0), state)
        for name, output in outputs.items():
            expected = sample[f"outputs.{name}"][step]
            scale = max(1.0, expected.abs().max().item())
            worst[name] = max(worst[name], (output[0] - expected).abs().max().item() / scale)
        state = state | {"memory": memory}
        if step < len(actions):
            state["last_actions"] = actions[step].unsqueeze(0)
    if team.switch is not None:
        inputs = sample["switch.inputs"].unsqueeze(1)
        with torch.no_grad():
            output = team.switch(inputs, torch.zeros(len(inputs), 1), team.switch.start(len(inputs)))[0]
        expected = sample["switch.outputs"]
        worst["switch"] = (output[:, 0] - expected).abs().max().item() / max(1.0, expected.abs().max().item())
    for name, difference in worst.items():
        good = difference <= 1e-5
        passed, failed = passed + good, failed + (not good)
        print(f"{name}: largest difference {difference:.1e} over {len(observations)} observations: {'ok' if good else 'DIFFERS'}")
    # The recorded episode was greedy; random switches draw by other random numbers.
    if team.switch_settings is None or team.switch_settings["kind"] != "random":
        state, execution = team.start(1), team.description["config"]["evaluation"]["execution"]
        masks = sample.get("action_mask")
        good = True
        for step, expected in enumerate(actions):
            mask = None if masks is None or masks.numel() == 0 else masks[step].unsqueeze(0)
            chosen, state = team.act(observations[step].unsqueeze(0), state, mask, execution)
            good &= torch.equal(chosen[0], expected)
        passed, failed = passed + good, failed + (not good)
        print(f"actions of {len(actions)} steps: {'ok' if good else 'DIFFER'}")
    print(f"{passed} passed, {failed} failed")
    return failed


def write_torchscript(team, folder):
    """Writes each network as TorchScript and compares what it reads back."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    networks = dict(team.networks) | ({} if team.switch is None else {"switch": team.switch})
    for name, network in networks.items():
        path = folder / f"{name}.pt"
        torch.jit.save(torch.jit.script(network), str(path))
        again = torch.jit.load(str(path))
        inputs = network.bodies[0].input.in_features
        inputs -= network.agents * network.agent_id + network.actions * network.last_action
        question = (torch.randn(3, network.agents, inputs), torch.full((3, network.agents), -1), network.start(3))
        with torch.no_grad():
            same = torch.allclose(again(*question)[0], network(*question)[0], atol=1e-6)
        print(f"{path}: {'ok' if same else 'DIFFERS'}")
        if not same:
            sys.exit(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Checks an exported policy, or writes it as TorchScript.")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).parent))
    parser.add_argument("--torchscript", metavar="OUT")
    arguments = parser.parse_args()
    loaded = Team(arguments.folder)
    if arguments.torchscript:
        write_torchscript(loaded, arguments.torchscript)
    sys.exit(check(loaded, arguments.folder) > 0)
