"""Writes agents/tests/golden/q_learning.json: updates of IQL, VDN and QMIX, computed by PyTorch.

The rule is EPyMARL's q_learner, written anew over padded batches: double Q, reward standardisation (batch
first, padding counted as 0, one degree of freedom less), mixers, gradient clipping, Adam. Needs torch 2.11 and
numpy; run it by hand after a change of the rule:

    python xtask/parity/make_q_learning_golden.py > agents/tests/golden/q_learning.json
"""

import copy
import json

import numpy as np
import torch

from make_mixer_golden import Mixer

AGENTS, ACTIONS, OBSERVATION, HIDDEN = 2, 6, 9, 8
EPISODES, LIMIT, UPDATES = 8, 6, 4
DISCOUNT, LEARNING_RATE, CLIP = 0.99, 0.01, 0.05


class Network(torch.nn.Module):
    def __init__(self, recurrent):
        super().__init__()
        self.input = torch.nn.Linear(OBSERVATION + AGENTS, HIDDEN)
        self.recurrent = recurrent
        if recurrent:
            self.gru = torch.nn.GRUCell(HIDDEN, HIDDEN)
        else:
            self.middle = torch.nn.Linear(HIDDEN, HIDDEN)
        self.output = torch.nn.Linear(HIDDEN, ACTIONS)

    def forward(self, observations):  # [episodes, time, agents, observation]
        episodes, time = observations.shape[:2]
        ids = torch.eye(AGENTS, dtype=observations.dtype).expand(episodes, time, AGENTS, AGENTS)
        inputs = torch.cat([observations, ids], -1)
        hidden = torch.zeros(episodes * AGENTS, HIDDEN, dtype=observations.dtype)
        values = []
        for step in range(time):
            features = torch.relu(self.input(inputs[:, step].reshape(episodes * AGENTS, -1)))
            if self.recurrent:
                hidden = self.gru(features, hidden)
                features = hidden
            else:
                features = torch.relu(self.middle(features))
            values.append(self.output(features).view(episodes, AGENTS, ACTIONS))
        return torch.stack(values, 1)


EMBEDDING, HYPERNET = 5, 7


class Sum(torch.nn.Module):
    def forward(self, values, states):
        return values.sum(-1, keepdim=True)


class Alone(torch.nn.Module):
    def forward(self, values, states):
        return values


class Learner(torch.nn.Module):
    def __init__(self, kind, recurrent, hypernet_layers):
        super().__init__()
        self.agent = Network(recurrent)
        state = AGENTS * OBSERVATION
        makers = {
            "iql": Alone,
            "vdn": Sum,
            "qmix": lambda: Mixer(AGENTS, hypernet_layers, state, EMBEDDING, HYPERNET),
        }
        self.mixer = makers[kind]()


def named(learner):
    return {name: p.detach().flatten().tolist() for name, p in learner.named_parameters()}


def case(kind, recurrent, seed, hypernet_layers=2):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, LIMIT + 1, EPISODES)
    lengths[0] = LIMIT - 1  # the padding ends before the limit
    lengths = np.minimum(lengths, LIMIT - 1)
    observations = rng.integers(0, 5, (EPISODES, LIMIT + 1, AGENTS, OBSERVATION)).astype(np.float64)
    actions = rng.integers(0, ACTIONS, (EPISODES, LIMIT, AGENTS))
    rewards = np.where(rng.random((EPISODES, LIMIT)) < 0.3, 0.5, 0.0)
    ends = rng.random(EPISODES) < 0.7
    horizon = int(lengths.max())
    filled = (np.arange(horizon)[None] < lengths[:, None]).astype(np.float64)
    terminated = np.zeros((EPISODES, horizon))
    for episode in range(EPISODES):
        terminated[episode, lengths[episode] - 1] = float(ends[episode])

    learner = Learner(kind, recurrent, hypernet_layers).double()
    start = named(learner)
    target = copy.deepcopy(learner)
    optimiser = torch.optim.Adam(learner.parameters(), lr=LEARNING_RATE)
    obs = torch.tensor(observations[:, : horizon + 1])
    act = torch.tensor(actions[:, :horizon])
    mask = torch.tensor(filled)[..., None].expand(-1, -1, AGENTS)
    done = torch.tensor(terminated)[..., None]
    raw = torch.tensor(rewards[:, :horizon] * filled)[..., None]
    states = obs.flatten(-2)
    mean, variance, count = 0.0, 1.0, 1e-4
    losses = []
    for update in range(UPDATES):
        batch_mean, batch_var, n = raw.mean().item(), raw.var().item(), raw.numel()
        delta, total = batch_mean - mean, count + n
        variance = (variance * count + batch_var * n + delta**2 * count * n / total) / total
        mean, count = mean + delta * n / total, total
        reward = (raw - mean) / variance**0.5
        values = learner.agent(obs)
        chosen = values[:, :-1].gather(-1, act[..., None]).squeeze(-1)
        best = values.detach()[:, 1:].argmax(-1, keepdim=True)
        following = target.agent(obs)[:, 1:].detach().gather(-1, best).squeeze(-1)
        chosen = learner.mixer(chosen, states[:, :-1])
        following = target.mixer(following, states[:, 1:])
        # As in EPyMARL: one column per agent, all alike behind a mixer.
        goal = reward.expand(-1, -1, AGENTS) + DISCOUNT * (1 - done) * following
        loss = (((chosen - goal.detach()) * mask) ** 2).sum() / mask.sum()
        optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learner.parameters(), CLIP)
        optimiser.step()
        losses.append([loss.item(), norm.item()])
        if (update + 1) % 2 == 0:
            target.load_state_dict(learner.state_dict())
    return {
        "kind": kind,
        "hypernet_layers": hypernet_layers,
        "recurrent": recurrent,
        "lengths": lengths.tolist(),
        "terminated": ends.tolist(),
        "observations": observations.transpose(1, 0, 2, 3).flatten().astype(int).tolist(),
        "actions": actions.transpose(1, 0, 2).flatten().tolist(),
        "rewards": rewards.transpose(1, 0).flatten().tolist(),
        "start": start,
        "losses_and_norms": losses,
        "end": named(learner),
    }


if __name__ == "__main__":
    cases = [
        case("iql", False, 1),
        case("iql", True, 2),
        case("vdn", False, 3),
        case("vdn", True, 4),
        case("qmix", False, 5),
        case("qmix", True, 6, hypernet_layers=1),
    ]
    print(json.dumps({"embedding": EMBEDDING, "hypernet": HYPERNET, "cases": cases}))
