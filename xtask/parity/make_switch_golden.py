"""Writes agents/tests/golden/switch.json: updates of MANSA's switch, computed by PyTorch.

Double deep Q-learning, discrete soft actor-critic and proximal policy optimisation over the two
decisions, written anew over single episodes in double precision, with a budget (calls are forbidden
once it is used up) and a cost for switching on. Needs torch 2.11 and numpy; run it by hand after a
change of the rules:

    python xtask/parity/make_switch_golden.py > agents/tests/golden/switch.json
"""

import copy
import json
import math

import numpy as np
import torch

AGENTS, OBSERVATION, HIDDEN = 2, 3, 8
LENGTHS, ENDS = [5, 4, 4, 2, 1], [True, False, True, True, False]
BUDGET, COST, DISCOUNT = 2, 0.25, 0.9
LEARNING_RATE, CLIP, UPDATES, TARGET_INTERVAL = 0.01, 0.4, 4, 2
FIRST_TEMPERATURE, WANTED_ENTROPY = 0.01, 0.3 * math.log(2)
EPOCHS, CLIP_RANGE, ENTROPY_COEFFICIENT, STEPS, LAMBDA = 3, 0.2, 0.05, 2, 0.8
INPUTS = AGENTS * OBSERVATION + 2  # and the share of the budget left, and the call before

torch.set_default_dtype(torch.float64)


class Network(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.input = torch.nn.Linear(INPUTS, HIDDEN)
        self.middle = torch.nn.Linear(HIDDEN, HIDDEN)
        self.output = torch.nn.Linear(HIDDEN, outputs)

    def forward(self, rows):
        return self.output(torch.relu(self.middle(torch.relu(self.input(rows)))))


def named(prefix, network):
    return {f"{prefix}.{name}": p.detach().flatten().tolist() for name, p in network.named_parameters()}


class Learnt:
    """A network with Adam and clipping."""

    def __init__(self, outputs):
        self.network = Network(outputs)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE)

    def step(self, loss):
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        return norm.item()


def episodes(seed):
    """Each a list of steps; the last entry of `seen`, `left` is what the episode led to."""
    rng = np.random.default_rng(seed)
    played = []
    for length, ends in zip(LENGTHS, ENDS):
        left, before = BUDGET, 0
        episode = {"seen": [], "left": [], "before": [], "calls": [], "rewards": [], "coins": [], "ends": ends}
        for step in range(length + 1):
            episode["seen"].append(rng.integers(0, 4, AGENTS * OBSERVATION).astype(float))
            episode["left"].append(left)
            episode["before"].append(before)
            if step == length:
                break
            before = int(left > 0 and rng.random() < 0.5)
            left -= before
            episode["calls"].append(before)
            episode["rewards"].append(float(rng.integers(0, 3)) / 4)
            episode["coins"].append(int(rng.random() < 0.25))
        played.append(episode)
    return played


def rows_of(episode):
    extras = np.stack([np.array(episode["left"]) / BUDGET, np.array(episode["before"])], -1)
    return torch.tensor(np.concatenate([np.stack(episode["seen"]), extras], -1))


def paid(episode):
    charged = [call and not before for call, before in zip(episode["calls"], episode["before"])]
    return torch.tensor([reward - COST * on for reward, on in zip(episode["rewards"], charged)])


def free(episode):
    return torch.tensor([left > 0 for left in episode["left"]])


def legal(values, episode):
    forbidden = ~free(episode)
    return torch.stack([values[:, 0], values[:, 1].masked_fill(forbidden, -torch.inf)], -1)


def following(values, episode):
    """The discounted value of each step's successor, nothing after the task's end."""
    weights = torch.full((len(episode["calls"]),), DISCOUNT)
    if episode["ends"]:
        weights[-1] = 0
    return weights * values[1:]


def gap_and_calls(values, played):
    gaps, calls, total = [], 0, 0
    for own, episode in zip(values, played):
        for step in range(len(episode["calls"])):
            total += 1
            if episode["left"][step] > 0:
                gap = (own[step, 1] - own[step, 0]).item()
                gaps.append(gap)
                calls += gap > 0
    return float(np.mean(gaps)), calls / total


def taken(values, episode):
    return values[:-1].gather(-1, torch.tensor(episode["calls"])[:, None]).squeeze(-1)


def double_dqn(played):
    learnt = Learnt(2)
    target = copy.deepcopy(learnt.network)
    weights = lambda: named("switch.online.switch", learnt.network) | named("switch.target.switch", target)
    start, reports = weights(), []
    for update in range(1, UPDATES + 1):
        values = [learnt.network(rows_of(episode)) for episode in played]
        errors = []
        for own, episode in zip(values, played):
            best = legal(own.detach(), episode).argmax(-1, keepdim=True)
            valued = target(rows_of(episode)).detach().gather(-1, best).squeeze(-1)
            errors.append(taken(own, episode) - paid(episode) - following(valued, episode))
        loss = (torch.cat(errors) ** 2).mean()
        norm = learnt.step(loss)
        reports.append([loss.item(), norm, *gap_and_calls([own.detach() for own in values], played)])
        if update % TARGET_INTERVAL == 0:
            target.load_state_dict(learnt.network.state_dict())
    return start, reports, weights()


def log_policy(logits, episode):
    return torch.log_softmax(legal(logits, episode).clamp(min=-1e10), -1)


def discrete_sac(played):
    policy, critics = Learnt(2), [Learnt(2), Learnt(2)]
    targets = [copy.deepcopy(critic.network) for critic in critics]
    logarithm = torch.nn.Parameter(torch.tensor([math.log(FIRST_TEMPERATURE)]))
    optimiser = torch.optim.Adam([logarithm], lr=LEARNING_RATE)

    def weights():
        own = named("switch.online.switch", policy.network) | {"switch.logarithm.temperature": logarithm.tolist()}
        for index, (critic, target) in enumerate(zip(critics, targets)):
            own |= named(f"switch.critic-{index}.online.critic", critic.network)
            own |= named(f"switch.critic-{index}.target.critic", target)
        return own

    start, reports = weights(), []
    for update in range(1, UPDATES + 1):
        temperature = logarithm.exp().item()
        logits = [policy.network(rows_of(episode)) for episode in played]
        goals = []
        for own, episode in zip(logits, played):
            least = torch.minimum(*[target(rows_of(episode)) for target in targets])
            logs = log_policy(own, episode)
            soft = (logs.exp() * (least - temperature * logs)).sum(-1)
            goals.append((paid(episode) + following(soft, episode)).detach())
        total = 0.0
        for critic in critics:
            errors = [taken(critic.network(rows_of(e)), e) - goal for e, goal in zip(played, goals)]
            loss = (torch.cat(errors) ** 2).mean()
            critic.step(loss)
            total += loss.item()
        least = [torch.minimum(*[c.network(rows_of(e)) for c in critics]).detach() for e in played]
        regrets, entropies = [], []
        for own, q, episode in zip(logits, least, played):
            logs = log_policy(own, episode)
            own_steps = free(episode)[:-1]
            regrets.append((logs.exp() * (temperature * logs - q)).sum(-1)[:-1][own_steps])
            entropies.append(-(logs.exp() * logs).sum(-1)[:-1][own_steps].detach())
        norm = policy.step(torch.cat(regrets).mean())
        optimiser.zero_grad()
        (logarithm * (torch.cat(entropies).mean() - WANTED_ENTROPY)).backward()
        optimiser.step()
        detached = [own.detach() for own in logits]
        reports.append([total, norm, gap_and_calls(least, played)[0], gap_and_calls(detached, played)[1]])
        if update % TARGET_INTERVAL == 0:
            for target, critic in zip(targets, critics):
                target.load_state_dict(critic.network.state_dict())
    return start, reports, weights()


def aims(episode, values, generalised):
    """Advantages and returns of each step."""
    rewards, count = paid(episode).tolist(), len(episode["calls"])
    values = values.tolist()
    if episode["ends"]:
        values[-1] = 0.0
    if generalised:
        advantages, after = [0.0] * count, 0.0
        for step in reversed(range(count)):
            error = rewards[step] + DISCOUNT * values[step + 1] - values[step]
            after = error + DISCOUNT * LAMBDA * after
            advantages[step] = after
        return advantages, [a + v for a, v in zip(advantages, values)]
    returns = []
    for step in range(count):
        end = min(step + STEPS, count)
        total = sum(DISCOUNT ** (k - step) * rewards[k] for k in range(step, end))
        returns.append(total + DISCOUNT ** (end - step) * values[end])
    return [r - v for r, v in zip(returns, values)], returns


def proximal(played, generalised):
    policy, critic = Learnt(2), Learnt(1)
    weights = lambda: named("switch.online.switch", policy.network) | named("switch.critic.online.critic", critic.network)
    start, reports = weights(), []
    for _ in range(UPDATES):
        goals = [aims(e, critic.network(rows_of(e)).detach().squeeze(-1), generalised) for e in played]
        advantages = torch.tensor([a for own, _ in goals for a in own])
        returns = torch.tensor([r for _, own in goals for r in own])
        own_steps = torch.tensor(
            [left > 0 and not coin for e in played for left, coin in zip(e["left"], e["coins"])]
        )
        old, losses, norms = None, [], []
        for epoch in range(EPOCHS):
            logits = [policy.network(rows_of(episode)) for episode in played]
            if epoch == 0:
                preference = gap_and_calls([own.detach() for own in logits], played)
            logs = torch.cat([torch.log_softmax(own, -1)[:-1] for own in logits])
            calls = torch.tensor([call for e in played for call in e["calls"]])
            chosen = logs.gather(-1, calls[:, None]).squeeze(-1)
            old = chosen.detach() if old is None else old
            ratio = (chosen - old).exp()
            clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
            objective = torch.minimum(ratio * advantages, clipped * advantages)
            entropy = -(logs.exp() * logs).sum(-1)
            loss = -(objective + ENTROPY_COEFFICIENT * entropy)[own_steps].mean()
            norms.append(policy.step(loss))
            values = torch.cat([critic.network(rows_of(e)).squeeze(-1)[:-1] for e in played])
            of_critic = ((values - returns) ** 2).mean()
            critic.step(of_critic)
            losses.append(loss.item() + of_critic.item())
        reports.append([float(np.mean(losses)), float(np.mean(norms)), *preference])
    return start, reports, weights()


def packed(played):
    """The rows of all episodes, time-major, longest episode first."""
    horizon = max(LENGTHS)
    at = {}
    batch = {"sizes": [], "observations": [], "remaining": [], "previous_call": [], "allowed": []}
    batch |= {"current": [], "next": [], "calls": [], "explored": [], "rewards": [], "terminated": []}
    for time in range(horizon + 1):
        alive = [index for index, length in enumerate(LENGTHS) if length >= time]
        batch["sizes"].append(len(alive))
        for index in alive:
            episode = played[index]
            at[index, time] = len(batch["remaining"])
            batch["observations"] += episode["seen"][time].tolist()
            batch["remaining"].append(episode["left"][time] / BUDGET)
            batch["previous_call"].append(episode["before"][time])
            batch["allowed"].append(int(episode["left"][time] > 0))
            if time:
                batch["current"].append(at[index, time - 1])
                batch["next"].append(at[index, time])
                batch["calls"].append(episode["calls"][time - 1])
                batch["explored"].append(episode["coins"][time - 1])
                batch["rewards"].append(episode["rewards"][time - 1])
                batch["terminated"].append(float(time == LENGTHS[index] and ENDS[index]))
    return batch


cases = []
for kind, learn in [
    ("double_dqn", double_dqn),
    ("discrete_sac", discrete_sac),
    ("ppo", lambda played: proximal(played, False)),
    ("ppo_generalised", lambda played: proximal(played, True)),
]:
    torch.manual_seed(len(cases))
    played = episodes(7)
    start, reports, end = learn(played)
    cases.append({"kind": kind, "batch": packed(played), "start": start, "reports": reports, "end": end})
print(json.dumps({"cases": cases}))
