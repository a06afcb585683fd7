"""Writes agents/tests/golden/ppo.json: updates of IPPO and MAPPO, computed by PyTorch.

The rule is EPyMARL's ppo_learner (cbc38c0), written anew over padded batches in double precision: n-step
returns of the target critic, old probabilities from before the epochs, advantages by the critic in every
epoch, a step of the critic and a step of the policy per epoch with gradients clipped for each, soft target,
reward standardisation (batch first, padding counted as 0), standardised returns (played steps only).
One case has generalised advantages and clipped values, which the reference lacks. Needs torch 2.11 and
numpy; run it by hand after a change of the rule:

    python xtask/parity/make_ppo_golden.py > agents/tests/golden/ppo.json

With the path of a checkout of EPyMARL as its argument it writes nothing and instead holds the rule against
EPyMARL's own learner on the cases that it knows. Their long episodes are cut off by the limit and the others
end early: where the longest episode ends the task, or one within n steps of the longest, the reference adds
the value past the end, which is not done here.
"""

import copy
import json
import sys

import numpy as np
import torch

AGENTS, ACTIONS, OBSERVATION, HIDDEN, CRITIC = 2, 6, 9, 8, 12
EPISODES, LIMIT, UPDATES, EPOCHS = 6, 8, 3, 3
DISCOUNT, LEARNING_RATE, CLIP, STEPS, RATE = 0.9, 0.01, 0.5, 2, 0.1
CLIP_RANGE, ENTROPY = 0.05, 0.02
LENGTHS = [8, 5, 8, 3, 4, 5]
ENDS = [False, True, False, True, True, True]
CASES = [
    {"joint": False, "recurrent": True, "masked": False},
    {"joint": True, "recurrent": False, "masked": True},
    {"joint": True, "recurrent": True, "masked": True, "value_normalisation": True},
    {"joint": False, "recurrent": False, "masked": False, "gae_lambda": 0.8, "value_clip": 0.1},
]


class Policy(torch.nn.Module):
    def __init__(self, recurrent):
        super().__init__()
        self.input = torch.nn.Linear(OBSERVATION + AGENTS, HIDDEN)
        self.recurrent = recurrent
        if recurrent:
            self.gru = torch.nn.GRUCell(HIDDEN, HIDDEN)
        else:
            self.middle = torch.nn.Linear(HIDDEN, HIDDEN)
        self.output = torch.nn.Linear(HIDDEN, ACTIONS)

    def forward(self, observations, allowed):  # [episodes, time, agents, observation]
        episodes, time = observations.shape[:2]
        inputs = with_ids(observations)
        hidden = torch.zeros(episodes * AGENTS, HIDDEN, dtype=observations.dtype)
        logits = []
        for step in range(time):
            features = torch.relu(self.input(inputs[:, step].reshape(episodes * AGENTS, -1)))
            if self.recurrent:
                hidden = self.gru(features, hidden)
                features = hidden
            else:
                features = torch.relu(self.middle(features))
            logits.append(self.output(features).view(episodes, AGENTS, ACTIONS))
        logits = torch.stack(logits, 1)
        return torch.softmax(torch.where(allowed == 0, -1e10, logits), -1)


class Critic(torch.nn.Module):
    def __init__(self, joint):
        super().__init__()
        self.joint = joint
        features = OBSERVATION * (AGENTS if joint else 1)
        self.input = torch.nn.Linear(features + AGENTS, CRITIC)
        self.middle = torch.nn.Linear(CRITIC, CRITIC)
        self.output = torch.nn.Linear(CRITIC, 1)

    def forward(self, observations):
        if self.joint:
            state = observations.flatten(2).unsqueeze(2)
            observations = state.expand(-1, -1, AGENTS, -1)
        features = torch.relu(self.input(with_ids(observations)))
        return self.output(torch.relu(self.middle(features))).squeeze(-1)


def with_ids(features):
    episodes, time = features.shape[:2]
    ids = torch.eye(AGENTS, dtype=features.dtype).expand(episodes, time, AGENTS, AGENTS)
    return torch.cat([features, ids], -1)


class Running:
    """EPyMARL's RunningMeanStd for one channel or one per agent."""

    def __init__(self):
        self.mean, self.var, self.count = 0.0, 1.0, 1e-4

    def update(self, values):  # [n, channels]
        mean, var, n = values.mean(0), values.var(0), len(values)
        delta, total = mean - self.mean, self.count + n
        self.var = (self.var * self.count + var * n + delta**2 * self.count * n / total) / total
        self.mean, self.count = self.mean + delta * n / total, total


def data(seed, masked):
    rng = np.random.default_rng(seed)
    observations = rng.integers(0, 5, (EPISODES, LIMIT + 1, AGENTS, OBSERVATION))
    allowed = np.ones((EPISODES, LIMIT + 1, AGENTS, ACTIONS), dtype=np.int64)
    if masked:
        allowed = (rng.random(allowed.shape) < 0.6).astype(np.int64)
        allowed[..., 0] = 1
    draws = rng.random(allowed.shape) * allowed
    actions = draws.argmax(-1)[:, :LIMIT]
    rewards = np.where(rng.random((EPISODES, LIMIT)) < 0.4, 0.5, 0.0)
    return observations, allowed, actions, rewards


def padded(lengths, array):
    """Zeros behind each episode's last observation or step, as in EPyMARL's buffer."""
    extra = array.shape[1] - LIMIT
    keep = np.arange(array.shape[1])[None] < np.array(lengths)[:, None] + extra
    return array * keep.reshape(keep.shape + (1,) * (array.ndim - 2))


def n_step(rewards, ended, values, lengths):
    returns = torch.zeros_like(rewards)
    for episode, length in enumerate(lengths):
        for time in range(length):
            last = min(time + STEPS, length)
            value = values[episode, last] * (0.0 if last == length and ended[episode] else 1.0)
            for step in reversed(range(time, last)):
                value = rewards[episode, step] + DISCOUNT * value
            returns[episode, time] = value
    return returns


def generalised(rewards, ended, values, lengths, weight):
    advantages = torch.zeros_like(rewards)
    for episode, length in enumerate(lengths):
        following = 0.0
        for time in reversed(range(length)):
            bootstrap = 0.0 if time + 1 == length and ended[episode] else 1.0
            error = rewards[episode, time] + DISCOUNT * bootstrap * values[episode, time + 1]
            following = error - values[episode, time] + DISCOUNT * weight * following
            advantages[episode, time] = following
    return advantages


def taken(probabilities, actions):
    return torch.log(probabilities.gather(-1, actions[..., None]).squeeze(-1) + 1e-10)


def step(optimiser, network, loss):
    optimiser.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    optimiser.step()
    return norm.item()


def case(settings, seed):
    torch.manual_seed(seed)
    observations, allowed, actions, rewards = data(seed, settings["masked"])
    policy, critic = Policy(settings["recurrent"]).double(), Critic(settings["joint"]).double()
    target = copy.deepcopy(critic)
    start = {"agent": named(policy), "critic": named(critic)}
    obs = torch.tensor(padded(LENGTHS, observations)).double()
    legal = torch.tensor(allowed)[:, :-1]
    act = torch.tensor(padded(LENGTHS, actions))
    raw = torch.tensor(padded(LENGTHS, rewards))
    mask = torch.tensor(np.arange(LIMIT)[None] < np.array(LENGTHS)[:, None]).double()
    mask = mask[..., None].expand(-1, -1, AGENTS)
    policy_optimiser = torch.optim.Adam(policy.parameters(), lr=LEARNING_RATE)
    critic_optimiser = torch.optim.Adam(critic.parameters(), lr=LEARNING_RATE)
    reward_scale, value_scale = Running(), Running()
    clip, weight = settings.get("value_clip", 0.0), settings.get("gae_lambda")
    played = mask[..., 0].bool()
    figures = []
    for _ in range(UPDATES):
        reward_scale.update(raw.reshape(-1, 1))
        reward = ((raw - reward_scale.mean) / reward_scale.var**0.5)[..., None].expand(-1, -1, AGENTS)
        with torch.no_grad():
            old = taken(policy(obs[:, :-1], legal), act)
            old_values = critic(obs)
            target_values = target(obs)
        for epoch in range(EPOCHS):
            if weight is None:
                values = target_values
                if settings.get("value_normalisation"):
                    values = values * value_scale.var**0.5 + value_scale.mean
                returns = n_step(reward, ENDS, values, LENGTHS)
                if settings.get("value_normalisation"):
                    value_scale.update(returns[played])
                    returns = (returns - value_scale.mean) / value_scale.var**0.5
            else:
                advantages = generalised(reward, ENDS, old_values, LENGTHS, weight)
                returns = advantages + old_values[:, :-1]
            values = critic(obs)[:, :-1]
            errors = (returns - values) ** 2
            if clip:
                kept = old_values[:, :-1] + (values - old_values[:, :-1]).clamp(-clip, clip)
                errors = torch.max(errors, (returns - kept) ** 2)
            critic_loss = (errors * mask).sum() / mask.sum()
            if weight is None:
                advantages = (returns - values).detach()
            critic_norm = step(critic_optimiser, critic, critic_loss)
            probabilities = policy(obs[:, :-1], legal)
            ratios = torch.exp(taken(probabilities, act) - old)
            kept = torch.clamp(ratios, 1 - CLIP_RANGE, 1 + CLIP_RANGE)
            objective = torch.min(ratios * advantages, kept * advantages)
            entropy = -(probabilities * torch.log(probabilities + 1e-10)).sum(-1)
            policy_loss = -((objective + ENTROPY * entropy) * mask).sum() / mask.sum()
            policy_norm = step(policy_optimiser, policy, policy_loss)
        for ours, theirs in zip(target.parameters(), critic.parameters()):
            ours.data.mul_(1 - RATE).add_(theirs.data * RATE)
        figures.append([policy_loss.item(), policy_norm, critic_loss.item(), critic_norm])
    return {
        "joint": settings["joint"],
        "recurrent": settings["recurrent"],
        "masked": settings["masked"],
        "value_normalisation": settings.get("value_normalisation", False),
        "gae_lambda": weight,
        "value_clip": clip,
        "lengths": LENGTHS,
        "terminated": ENDS,
        "observations": observations.transpose(1, 0, 2, 3).flatten().tolist(),
        "action_mask": allowed.transpose(1, 0, 2, 3).flatten().tolist() if settings["masked"] else [],
        "actions": actions.transpose(1, 0, 2).flatten().tolist(),
        "rewards": rewards.transpose(1, 0).flatten().tolist(),
        "start": {f"{net}.{name}": values for net in start for name, values in start[net].items()},
        "policy_loss_norm_critic_loss_norm": figures,
        "end": {
            f"{net}.{name}": values
            for net, network in [("agent", policy), ("critic", critic)]
            for name, values in named(network).items()
        },
    }


def named(network):
    return {name: p.detach().flatten().tolist() for name, p in network.named_parameters()}


def check(path):
    """Holds the cases that EPyMARL knows against its own learner."""
    import logging
    from types import SimpleNamespace

    sys.path.insert(0, f"{path}/src")
    from controllers import REGISTRY as controllers
    from components.episode_buffer import EpisodeBatch
    from components.transforms import OneHot
    from learners.ppo_learner import PPOLearner
    from utils.logging import Logger

    torch.set_default_dtype(torch.float64)
    for seed, settings in enumerate(CASES, 1):
        if "gae_lambda" in settings or settings.get("value_normalisation"):
            continue  # unknown to it; counts its padding in
        expected = case(settings, seed)
        args = SimpleNamespace(
            n_agents=AGENTS, n_actions=ACTIONS, lr=LEARNING_RATE, gamma=DISCOUNT, use_cuda=False,
            critic_type="cv_critic" if settings["joint"] else "ac_critic", hidden_dim=CRITIC,
            standardise_returns=False, standardise_rewards=True, common_reward=True, epochs=EPOCHS,
            eps_clip=CLIP_RANGE, entropy_coef=ENTROPY, grad_norm_clip=CLIP, q_nstep=STEPS,
            add_value_last_step=True, target_update_interval_or_tau=RATE, learner_log_interval=1,
            obs_individual_obs=False, obs_last_action=False, obs_agent_id=True, agent="rnn",
            use_rnn=settings["recurrent"], agent_output_type="pi_logits", mask_before_softmax=True,
            action_selector="soft_policies",
        )
        scheme = {
            "state": {"vshape": AGENTS * OBSERVATION},
            "obs": {"vshape": OBSERVATION, "group": "agents"},
            "actions": {"vshape": (1,), "group": "agents", "dtype": torch.long},
            "avail_actions": {"vshape": (ACTIONS,), "group": "agents", "dtype": torch.int},
            "reward": {"vshape": (1,)},
            "terminated": {"vshape": (1,), "dtype": torch.uint8},
        }
        groups = {"agents": AGENTS}
        preprocess = {"actions": ("actions_onehot", [OneHot(out_dim=ACTIONS)])}
        batch = EpisodeBatch(scheme, groups, EPISODES, LIMIT + 1, preprocess=preprocess)
        observations, allowed, actions, rewards = data(seed, settings["masked"])
        for episode, length in enumerate(LENGTHS):
            for time in range(length + 1):
                batch.update(
                    {"state": observations[episode, time].reshape(1, -1).tolist(),
                     "obs": observations[episode, time][None].tolist(),
                     "avail_actions": allowed[episode, time][None].tolist()},
                    bs=episode, ts=time,
                )
                if time < length:
                    ended = ENDS[episode] and time + 1 == length
                    batch.update(
                        {"actions": actions[episode, time][None, :, None].tolist(),
                         "reward": [[rewards[episode, time]]], "terminated": [[int(ended)]]},
                        bs=episode, ts=time,
                    )
        # The policy's hidden size differs from the critic's here; EPyMARL has one setting.
        of_policy = SimpleNamespace(**{**vars(args), "hidden_dim": HIDDEN})
        mac = controllers["basic_mac"](batch.scheme, groups, of_policy)
        learner = PPOLearner(mac, batch.scheme, Logger(logging.getLogger()), args)
        theirs = {"input": "fc1", "middle": "rnn", "gru": "rnn", "output": "fc2"}
        critics = {"input": "fc1", "middle": "fc2", "output": "fc3"}
        pairs = []
        for name in expected["start"]:
            net, layer, kind = name.split(".")
            module = mac.agent if net == "agent" else learner.critic
            layer = (theirs if net == "agent" else critics)[layer]
            pairs.append((name, getattr(getattr(module, layer), kind)))
        for name, weight in pairs:
            weight.data.copy_(torch.tensor(expected["start"][name]).view_as(weight))
        learner.old_mac.load_state(mac)
        learner.target_critic.load_state_dict(learner.critic.state_dict())
        for _ in range(UPDATES):
            learner.train(batch, 0, 0)
        worst = max(
            (weight.data.flatten() - torch.tensor(expected["end"][name])).abs().max().item()
            for name, weight in pairs
        )
        print(f"{settings}: largest difference of a weight {worst:.2e}")


if len(sys.argv) > 1:
    check(sys.argv[1])
else:
    print(json.dumps({"cases": [case(settings, seed) for seed, settings in enumerate(CASES, 1)]}))
