//! `concord env check`: tries the promises of the [`Environment`] trait on any environment, a user's
//! own above all.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::numpy_random::Pcg64;

/// One promise and whether it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was promised.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// What was seen, and what to do when it failed.
    pub detail: String,
}

/// All checks of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The environment's id.
    pub id: String,
    /// The checks in their order.
    pub checks: Vec<Check>,
}

impl CheckReport {
    /// Whether every promise held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.id)?;
        for check in &self.checks {
            let mark = if check.passed { "ok  " } else { "FAIL" };
            writeln!(formatter, "  {mark} {}: {}", check.name, check.detail)?;
        }
        Ok(())
    }
}

/// Everything a step shows, as bits, so that two runs can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    observations: Vec<u32>,
    state: Vec<u32>,
    mask: Vec<u8>,
    rewards: Vec<u64>,
    terminated: bool,
    truncated: bool,
}

/// Plays about `steps` random steps and checks sizes, observations, masks, rewards, ends,
/// determinism, saving, refused input and the scene.
pub fn check(environment: &mut dyn Environment, seed: u64, steps: usize) -> CheckReport {
    let id = environment.spec().id.clone();
    let mut report = CheckReport {
        id,
        checks: Vec::new(),
    };
    let sizes = check_sizes(environment);
    let sound = sizes.passed;
    report.checks.push(sizes);
    // Buffers of wrong sizes would make the environment's own code panic.
    if sound {
        let steps = steps.max(2);
        report.checks.extend(check_values(environment, seed, steps));
        report
            .checks
            .push(check_determinism(environment, seed, steps));
        report.checks.push(check_saving(environment, seed, steps));
        report.checks.push(check_refusals(environment, seed));
        report.checks.push(check_scene(environment));
    }
    report
}

fn verdict(name: &str, problem: Option<String>, good: &str) -> Check {
    Check {
        name: name.to_owned(),
        passed: problem.is_none(),
        detail: problem.unwrap_or_else(|| good.to_owned()),
    }
}

fn check_sizes(environment: &dyn Environment) -> Check {
    let spec = environment.spec();
    let product = spec.observation_shape.iter().product::<usize>();
    let rules = [
        (
            spec.agents >= 1,
            format!("agents is {}; give at least 1", spec.agents),
        ),
        (
            (1..=256).contains(&spec.actions),
            format!("actions is {}; give 1 to 256", spec.actions),
        ),
        (
            spec.action_names.len() == spec.actions,
            format!(
                "{} action names for {} actions; name each",
                spec.action_names.len(),
                spec.actions
            ),
        ),
        (
            product == spec.observation_size && product > 0,
            format!(
                "observation_shape {:?} holds {product} numbers, observation_size says {}; make them agree",
                spec.observation_shape, spec.observation_size
            ),
        ),
        (
            spec.state_size > 0,
            "state_size is 0; without a state of your own it is agents * observation_size"
                .to_owned(),
        ),
        (
            spec.max_episode_steps > 0,
            "max_episode_steps is 0; give at least 1".to_owned(),
        ),
    ];
    let problem = rules
        .into_iter()
        .find(|(holds, _)| !holds)
        .map(|(_, problem)| problem);
    verdict("sizes", problem, "spec is consistent")
}

/// Reads everything; buffers are filled with `filler` before, to see what was left unwritten.
fn look(environment: &dyn Environment, filler: f32) -> Moment {
    let spec = environment.spec();
    let mut observations = vec![filler; spec.joint_observation_size()];
    let mut state = vec![filler; spec.state_size];
    let mut mask = vec![9; spec.joint_mask_size()];
    environment.write_observations(&mut observations);
    environment.write_state(&mut state);
    environment.write_action_mask(&mut mask);
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    Moment {
        observations: bits(observations),
        state: bits(state),
        mask,
        rewards: Vec::new(),
        terminated: false,
        truncated: false,
    }
}

/// A random allowed joint action.
fn draw(environment: &dyn Environment, random: &mut Pcg64) -> Vec<u8> {
    let spec = environment.spec();
    let mut mask = vec![0; spec.joint_mask_size()];
    environment.write_action_mask(&mut mask);
    mask.chunks_exact(spec.actions)
        .map(|allowed| {
            let actions: Vec<u8> = (0..=255)
                .zip(allowed)
                .filter(|(_, flag)| **flag == 1)
                .map(|(action, _)| action)
                .collect();
            match actions.len() {
                0 => 0,
                count => actions[random.integer(0, count as u32) as usize],
            }
        })
        .collect()
}

/// Plays `steps` steps with automatic resets and returns what was seen after each.
fn play(
    environment: &mut dyn Environment,
    random: &mut Pcg64,
    steps: usize,
) -> Result<Vec<Moment>, String> {
    let mut moments = Vec::with_capacity(steps);
    for _ in 0..steps {
        let actions = draw(environment, random);
        let mut rewards = vec![f64::NAN; actions.len()];
        let flags = environment
            .step(&actions, &mut rewards)
            .map_err(|error| format!("step refused the allowed actions {actions:?}: {error}"))?;
        let mut moment = look(environment, f32::NAN);
        moment.rewards = rewards.into_iter().map(f64::to_bits).collect();
        (moment.terminated, moment.truncated) = (flags.terminated, flags.truncated);
        moments.push(moment);
        if flags.done() {
            environment.reset();
        }
    }
    Ok(moments)
}

fn check_values(environment: &mut dyn Environment, seed: u64, steps: usize) -> Vec<Check> {
    environment.seed(seed);
    environment.reset();
    let (actions, limit) = (
        environment.spec().actions,
        environment.spec().max_episode_steps,
    );
    let start = look(environment, f32::NAN);
    let moments = match play(environment, &mut Pcg64::seeded(seed), steps.max(limit + 1)) {
        Ok(moments) => moments,
        Err(problem) => return vec![verdict("steps", Some(problem), "")],
    };
    let all = || std::iter::once(&start).chain(&moments);
    let finite = |bits: &[u32]| {
        bits.iter()
            .position(|&bits| !f32::from_bits(bits).is_finite())
    };
    let observation = all()
        .find_map(|moment| finite(&moment.observations))
        .map(|index| {
            format!(
                "number {index} was not written or is not finite; write every entry of the slice"
            )
        });
    let state = all().find_map(|moment| finite(&moment.state)).map(|index| {
        format!("number {index} was not written or is not finite; write every entry of the slice")
    });
    let mask = all().find_map(|moment| {
        if let Some(index) = moment.mask.iter().position(|&flag| flag > 1) {
            return Some(format!(
                "entry {index} is {} (9 = not written); write 0 or 1",
                moment.mask[index]
            ));
        }
        let blocked = moment
            .mask
            .chunks_exact(actions)
            .position(|allowed| !allowed.contains(&1));
        blocked.map(|agent| format!("agent {agent} has no allowed action; allow at least one"))
    });
    let rewards = moments.iter().flat_map(|moment| &moment.rewards);
    let reward = rewards
        .clone()
        .position(|&bits| !f64::from_bits(bits).is_finite())
        .map(|index| {
            format!("reward {index} was not written or is not finite; write one number per agent")
        });
    let mut length = 0;
    let mut longest = 0;
    for moment in &moments {
        length += 1;
        longest = longest.max(length);
        if moment.terminated | moment.truncated {
            length = 0;
        }
    }
    let both = moments
        .iter()
        .any(|moment| moment.terminated && moment.truncated);
    let end = if longest > limit {
        Some(format!(
            "an episode took more than max_episode_steps ({limit}); end it by a flag"
        ))
    } else {
        both.then(|| "terminated and truncated at once; an end is one or the other".to_owned())
    };
    vec![
        verdict("observations", observation, "written in full, finite"),
        verdict("state", state, "written in full, finite"),
        verdict("action masks", mask, "0 or 1, every agent can act"),
        verdict("rewards", reward, "written in full, finite"),
        verdict("ends", end, &format!("episodes end within {limit} steps")),
    ]
}

fn check_determinism(environment: &mut dyn Environment, seed: u64, steps: usize) -> Check {
    let mut run = |seed: u64| -> Result<Vec<Moment>, String> {
        environment.seed(seed);
        environment.reset();
        let start = look(environment, f32::NAN);
        let mut moments = play(environment, &mut Pcg64::seeded(seed), steps)?;
        moments.insert(0, start);
        Ok(moments)
    };
    let (first, again) = (run(seed), run(seed));
    let problem = match (first, again) {
        (Ok(first), Ok(again)) => first.iter().zip(&again).position(|(one, other)| one != other).map(|step| {
            format!(
                "after the same seed and actions the runs differ at step {step}; draw only from a \
                 stream that seed() restarts, and let reset() clear the rest"
            )
        }),
        (Err(problem), _) | (_, Err(problem)) => Some(problem),
    };
    verdict(
        "determinism",
        problem,
        "same seed and actions, same episodes",
    )
}

fn check_saving(environment: &mut dyn Environment, seed: u64, steps: usize) -> Check {
    let mut attempt = || -> Result<(), String> {
        environment.seed(seed.wrapping_add(1));
        environment.reset();
        let mut random = Pcg64::seeded(seed);
        play(environment, &mut random, steps / 2)?;
        let saved = environment.save();
        let straight = play(environment, &mut random.clone(), steps)?;
        environment
            .restore(&saved)
            .map_err(|error| format!("restore refused what save wrote: {error}"))?;
        if environment.save() != saved {
            return Err(
                "save after restore gives other bytes; save everything that restore sets"
                    .to_owned(),
            );
        }
        let resumed = play(environment, &mut random, steps)?;
        match straight
            .iter()
            .zip(&resumed)
            .position(|(one, other)| one != other)
        {
            Some(step) => Err(format!(
                "the restored run differs at step {step}; save positions, counters and the random stream"
            )),
            None => Ok(()),
        }
    };
    verdict(
        "save and restore",
        attempt().err(),
        "a restored run continues bit for bit",
    )
}

fn check_refusals(environment: &mut dyn Environment, seed: u64) -> Check {
    environment.seed(seed);
    environment.reset();
    let (agents, actions) = (environment.spec().agents, environment.spec().actions);
    let saved = environment.save();
    let mut rewards = vec![0.0; agents];
    let mut problem = None;
    if let Ok(action) = u8::try_from(actions)
        && environment
            .step(&vec![action; agents], &mut rewards)
            .is_ok()
    {
        problem = Some(format!(
            "action {action} does not exist but was taken; return an error"
        ));
    } else if environment.step(&vec![0; agents + 1], &mut rewards).is_ok() {
        problem = Some(format!(
            "{} actions for {agents} agents were taken; return an error",
            agents + 1
        ));
    } else if environment.restore(&saved[..saved.len() / 2]).is_ok() {
        problem = Some("half of the saved bytes were restored; return an error".to_owned());
    } else if environment.save() != saved {
        problem = Some(
            "a refused call changed the environment; check before changing anything".to_owned(),
        );
    }
    verdict(
        "refused input",
        problem,
        "wrong actions and broken bytes are errors and change nothing",
    )
}

fn check_scene(environment: &dyn Environment) -> Check {
    let scene = environment.scene();
    let outside = scene
        .marks
        .iter()
        .find(|mark| mark.row >= scene.rows || mark.col >= scene.cols);
    let problem = outside.map(|mark| {
        format!(
            "a mark at ({}, {}) lies outside {} x {}; fix rows and cols",
            mark.row, mark.col, scene.rows, scene.cols
        )
    });
    verdict("scene", problem, "all marks lie on the board")
}
