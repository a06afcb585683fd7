"""Level-based foraging in lock-step with the Python package `lbforaging` 2.0.0.

`python lbf.py --concord PATH [--transitions N]` drives `PATH env replay` and `PATH env reset` and
compares positions, field, step, rewards (f64 bits), flags and observations (f32 bits). Prints a
line per configuration, then `N passed, M failed`; exit status 1 on any mismatch.

`cargo xtask parity` installs the pinned packages and runs this file.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import gymnasium
import numpy as np
from lbforaging.foraging.environment import ForagingEnv

FULL = None
# name, rows, cols, players, foods, sight, extra parts of the id, settings
CONFIGURATIONS = [
    ("8x8-2p-2f", 8, 8, 2, 2, FULL, {}),
    ("8x8-2p-2f-coop", 8, 8, 2, 2, FULL, {"coop": True}),
    ("2s-8x8-3p-3f", 8, 8, 3, 3, 2, {}),
    ("1s-7x7-4p-2f-pen", 7, 7, 4, 2, 1, {"penalty": 0.1}),
    ("3s-10x10-3p-3f-coop", 10, 10, 3, 3, 3, {"coop": True, "penalty": 0.25}),
    ("15x15-4p-5f raw rewards", 15, 15, 4, 5, FULL, {"normalize_reward": False}),
    ("2s-10x10-4p-3f levels hidden", 10, 10, 4, 3, 2, {"observe_levels": False}),
    ("5x5-5p-2f", 5, 5, 5, 2, FULL, {"limit": 25}),
    ("6x6-6p-3f crowded", 6, 6, 6, 3, FULL, {"penalty": 0.1}),
    ("2s-6x6-6p-3f-coop crowded", 6, 6, 6, 3, 2, {"coop": True, "normalize_reward": False}),
    ("6x9-2p-2f not square, levels hidden", 6, 9, 2, 2, FULL, {"observe_levels": False}),
    ("grid-2s-8x8-3p-3f", 8, 8, 3, 3, 2, {"grid": True}),
    ("grid-1s-6x6-6p-3f levels hidden", 6, 6, 6, 3, 1, {"grid": True, "observe_levels": False}),
]
RESETS = [
    ("Foraging-8x8-2p-2f-v3", 40, 25),
    ("Foraging-8x8-2p-2f-coop-v3", 40, 25),
    ("Foraging-2s-10x10-3p-3f-v3", 40, 25),
    ("Foraging-15x15-4p-5f-v3", 40, 25),
    ("Foraging-15x15-3p-9f-v3", 20, 25),
    ("Foraging-5x5-5p-2f-v3", 20, 50),
    ("Foraging-6x6-6p-3f-coop-v3", 20, 50),
    ("Foraging-5x5-9p-4f-v3", 10, 25),
    ("Foraging-7x12-2p-3f-ind-v3", 40, 25),
]
LIMIT = 50


def identifier(rows, cols, players, foods, sight, settings):
    """The id that says the same; what an id cannot say goes into the lines."""
    parts = ["Foraging"]
    if settings.get("grid"):
        parts.append("grid")
    if sight is not None:
        parts.append(f"{sight}s")
    parts += [f"{rows}x{cols}", f"{players}p", f"{foods}f"]
    if settings.get("coop"):
        parts.append("coop")
    return "-".join(parts + ["v3"])


def overrides(settings):
    names = {"penalty": "penalty", "normalize_reward": "normalize_reward",
             "observe_levels": "observe_levels", "limit": "max_episode_steps"}
    return {names[key]: value for key, value in settings.items() if key in names}


def reference(rows, cols, players, foods, sight, settings, wide=False, levels=None):
    """A fresh instance. `wide` allows injected levels that no start would draw."""
    arguments = {
        "min_player_level": 1, "max_player_level": 9 if wide else 2,
        "min_food_level": 1, "max_food_level": 60 if wide else None,
    }
    arguments.update(levels or {})
    env = ForagingEnv(
        players=players, field_size=(rows, cols), max_num_food=foods,
        sight=max(rows, cols) if sight is None else sight,
        max_episode_steps=settings.get("limit", LIMIT), force_coop=settings.get("coop", False),
        normalize_reward=settings.get("normalize_reward", True), grid_observation=False,
        observe_agent_levels=settings.get("observe_levels", True),
        penalty=settings.get("penalty", 0.0), **arguments,
    )
    if settings.get("grid"):
        # The released constructor declares a wrong shape and raises; the layout itself works.
        side = 2 * env.sight + 1
        box = gymnasium.spaces.Box(0.0, 60.0, shape=(3, side, side), dtype=np.float32)
        env._grid_observation = True
        env.observation_space = gymnasium.spaces.Tuple([box] * players)
    elif rows != cols:
        # It declares rows and columns the wrong way round, and asserts what it declared.
        box = gymnasium.spaces.Box(-1.0, 60.0, shape=env.observation_space[0].shape, dtype=np.float32)
        env.observation_space = gymnasium.spaces.Tuple([box] * players)
    return env


def state_of(env):
    foods = [{"pos": [int(row), int(col)], "level": int(env.field[row, col])}
             for row, col in zip(*np.nonzero(env.field))]
    return {
        "rows": env.rows, "cols": env.cols,
        "players": [{"pos": [int(p.position[0]), int(p.position[1])], "level": int(p.level)}
                    for p in env.players],
        "foods": foods, "food_spawned": int(env._food_spawned), "step": int(env.current_step),
    }


def inject(env, draw, limit):
    """Any state that the rules allow to be stepped, most of which no start would draw."""
    env.field[:] = 0
    for _ in range(draw.randint(0, env.max_num_food)):
        for _ in range(50):
            # The last row and column are fine; the reference breaks on food in the first ones.
            row, col = draw.randint(1, env.rows - 1), draw.randint(1, env.cols - 1)
            near = [abs(row - r) + abs(col - c) for r, c in zip(*np.nonzero(env.field))]
            if all(distance >= 3 for distance in near):
                env.field[row, col] = draw.choice([1, 2, 3, 4, 5, 9, 14, 30])
                break
    free = [(r, c) for r in range(env.rows) for c in range(env.cols) if env.field[r, c] == 0]
    beside = [(r, c) for r, c in free if env.adjacent_food(r, c) > 0]
    for player in env.players:
        cells = beside if beside and draw.random() < 0.5 else free
        player.position = draw.choice(cells)
        player.level = draw.randint(1, 9)
        player.reward = player.score = 0
    # A later moment of an episode may have lost food already.
    env._food_spawned = int(env.field.sum()) + draw.choice([0, 0, 1, 7])
    env.current_step = draw.choice([0, 1, limit // 2, limit - 2, limit - 1, limit])
    env._game_over = False
    env._gen_valid_moves()


def choose(env, draw, policy):
    """A joint action: uniform, fond of loading, or all walking to the first player's nearest food."""
    actions = []
    foods = list(zip(*np.nonzero(env.field)))
    first = env.players[0].position
    food = min(foods, key=lambda f: abs(f[0] - first[0]) + abs(f[1] - first[1]), default=None)
    for player in env.players:
        row, col = player.position
        beside = env.adjacent_food(row, col) > 0
        if policy != "uniform" and beside and draw.random() < 0.6:
            actions.append(5)
        elif policy == "walking" and food is not None and draw.random() < 0.7:
            down, right = int(food[0] - row), int(food[1] - col)
            if abs(down) > abs(right):
                actions.append(2 if down > 0 else 1)
            else:
                actions.append(4 if right > 0 else 3)
        else:
            actions.append(draw.randrange(6))
    return actions


def transitions(configuration, count, seed):
    """Pairs of a line for `env replay` and what the reference made of it."""
    _, rows, cols, players, foods, sight, settings = configuration
    draw = random.Random(seed)
    limit = settings.get("limit", LIMIT)
    natural = reference(rows, cols, players, foods, sight, settings)
    injected = reference(rows, cols, players, foods, sight, settings, wide=True)
    natural.reset(seed=seed)
    injected.reset(seed=seed)
    extra = overrides(settings)
    made = 0
    while made < count:
        if draw.random() < 0.85:
            env, length = natural, limit
            env.reset()
        else:
            env, length = injected, 4
            inject(env, draw, limit)
        policy = draw.choice(["uniform", "loading", "walking"])
        for _ in range(length):
            line = state_of(env)
            line.update(extra)
            line["actions"] = choose(env, draw, policy)
            observations, rewards, terminated, truncated, _ = env.step(line["actions"])
            after = state_of(env)
            yield line, after, rewards, terminated, truncated, observations
            made += 1
            if terminated or made >= count:
                break


def bits(values, code):
    return b"".join(struct.pack(code, float(value)) for value in values)


def differences(answer, after, rewards, terminated, truncated, observations):
    wrong = [key for key in after if answer.get(key) != after[key]]
    if bits(answer["rewards"], "<d") != bits(rewards, "<d"):
        wrong.append("rewards")
    if answer["terminated"] != bool(terminated):
        wrong.append("terminated")
    if answer["truncated"] != bool(truncated):
        wrong.append("truncated")
    for got, expected in zip(answer["observations"], observations, strict=True):
        if np.asarray(got, dtype=np.float32).tobytes() != np.ascontiguousarray(expected).tobytes():
            wrong.append("observations")
            break
    return wrong


def check_transitions(job):
    concord, configuration, count, seed = job
    name = configuration[0]
    identity = identifier(*configuration[1:])
    made = list(transitions(configuration, count, seed))
    lines = "".join(json.dumps(item[0]) + "\n" for item in made)
    run = subprocess.run([concord, "env", "replay", "--env", identity], input=lines,
                         capture_output=True, text=True, check=False)
    answers = run.stdout.splitlines()
    if run.returncode != 0 or len(answers) != len(made):
        return f"{name}: {len(answers)} answers to {len(made)} lines: {run.stderr.strip()}", False
    failed, example, overlaps, rewarded = 0, "", 0, 0
    for item, text in zip(made, answers):
        wrong = differences(json.loads(text), *item[1:])
        cells = [tuple(player["pos"]) for player in item[1]["players"]]
        overlaps += len(set(cells)) < len(cells)
        rewarded += any(reward > 0 for reward in item[2])
        if wrong:
            failed += 1
            example = example or f"\n  differs in {wrong}:\n  {json.dumps(item[0])}\n  {text}"
    return (f"{name}: {len(made)} transitions, {rewarded} with food taken, {overlaps} with agents "
            f"in one cell, {failed} mismatches{example}"), failed == 0


def check_resets(job):
    concord, identity, seeds, length = job
    parts = identity.split("-")
    sight = next((int(part[:-1]) for part in parts if part.endswith("s") and part[:-1].isdigit()), None)
    size = next(part for part in parts if "x" in part)
    rows, cols = (int(side) for side in size.split("x"))
    at = parts.index(size)
    players, foods = int(parts[at + 1][:-1]), int(parts[at + 2][:-1])
    levels = {"max_food_level": 1} if "ind" in parts else None
    failed, example = 0, ""
    for seed in range(seeds):
        seed = seed if seed % 3 else seed * 7_919 + 2**31
        env = reference(rows, cols, players, foods, sight, {"coop": "coop" in parts}, levels=levels)
        expected = []
        for index in range(length):
            env.reset(seed=seed if index == 0 else None)
            expected.append(state_of(env))
        run = subprocess.run(
            [concord, "env", "reset", "--env", identity, "--seed", str(seed), "--count", str(length)],
            capture_output=True, text=True, check=False)
        got = [json.loads(line) for line in run.stdout.splitlines()]
        if got != expected:
            failed += 1
            example = example or f"\n  seed {seed}: {run.stderr.strip()} {got[:1]} not {expected[:1]}"
    return (f"{identity}: {seeds} seeds, {seeds * length} starts, "
            f"{failed} seeds with mismatches{example}"), failed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--concord", required=True, help="path of the binary")
    parser.add_argument("--transitions", type=int, default=208_000, help="over all configurations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    # A list of configurations is shared by the jobs; more parts than jobs keep both busy.
    share = -(-arguments.transitions // len(CONFIGURATIONS))
    passed = failed = total = 0
    with ProcessPoolExecutor(max_workers=arguments.jobs) as pool:
        replays = [pool.submit(check_transitions, (arguments.concord, configuration, share, arguments.seed + index))
                   for index, configuration in enumerate(CONFIGURATIONS)]
        resets = [pool.submit(check_resets, (arguments.concord, *item)) for item in RESETS]
        for kind, futures in (("replay", replays), ("reset", resets)):
            for future in futures:
                message, good = future.result()
                print(f"{'ok  ' if good else 'FAIL'} lbf {kind} {message}", flush=True)
                passed, failed = passed + good, failed + (not good)
                total += share if kind == "replay" else 0
    print(f"lbf: {total} transitions; {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
