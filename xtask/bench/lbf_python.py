"""Steps the Python package under random actions; the same work as `concord env bench`.

Every agent acts at random, all observations are made, an episode that ends is followed by a reset.
Prints one JSON object: {"env_steps_per_second", "agent_steps_per_second", "env_steps", "seconds"}.
"""

import argparse
import json
import re
import time
import warnings

import gymnasium
import lbforaging  # noqa: F401  (registers the environments)
import numpy

# Looking at the clock costs as much as a few steps' bookkeeping.
STEPS_BETWEEN_LOOKS = 50


def make(name):
    """The package's own environment; ids that it did not register get the same settings."""
    if name not in gymnasium.registry:
        form = re.fullmatch(r"Foraging-(\d+)x(\d+)-(\d+)p-(\d+)f(-coop)?-v3", name)
        if form is None:
            raise SystemExit(f"cannot tell the settings of {name}")
        rows, columns, players, foods = map(int, form.groups()[:4])
        gymnasium.register(
            id=name,
            entry_point="lbforaging.foraging:ForagingEnv",
            kwargs={
                "players": players,
                "min_player_level": 1,
                "max_player_level": 2,
                "field_size": (rows, columns),
                "min_food_level": 1,
                "max_food_level": None,
                "max_num_food": foods,
                "sight": max(rows, columns),
                "max_episode_steps": 50,
                "force_coop": form.group(5) is not None,
                "grid_observation": False,
            },
        )
    return gymnasium.make(name, disable_env_checker=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    gymnasium.logger.min_level = gymnasium.logger.ERROR

    environment = make(arguments.env)
    agents = len(environment.action_space.spaces)
    choices = environment.action_space.spaces[0].n
    random = numpy.random.default_rng(1)
    environment.reset(seed=1)
    steps = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < arguments.seconds:
        for actions in random.integers(0, choices, (STEPS_BETWEEN_LOOKS, agents)).tolist():
            _, _, terminated, truncated, _ = environment.step(actions)
            if terminated or truncated:
                environment.reset()
        steps += STEPS_BETWEEN_LOOKS
    print(
        json.dumps(
            {
                "env_steps_per_second": steps / elapsed,
                "agent_steps_per_second": steps * agents / elapsed,
                "env_steps": steps,
                "seconds": elapsed,
            }
        )
    )


main()
