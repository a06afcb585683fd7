//! `concord env rollout`: episodes of a simple policy, drawn step by step.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::writing;
use crate::environment::Environment;
use crate::error::EnvironmentError;
use crate::numpy_random::Pcg64;
use crate::render;
use crate::scene::Scene;

/// How the agents of a rollout act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutPolicy {
    /// Each agent draws uniformly from its allowed actions.
    #[default]
    Random,
    /// Each agent takes its first allowed action.
    First,
}

/// An episode that was played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The start and the moment after every step; the notes tell actions and rewards.
    pub scenes: Vec<Scene>,
    /// Sum of rewards per agent.
    pub returns: Vec<f64>,
    /// Steps played.
    pub steps: usize,
    /// Whether the task ended, rather than being cut.
    pub terminated: bool,
}

/// Plays `episodes` episodes, the first from `reset` after `seed(seed)`, and writes every scene as
/// text. Returns the episodes, for a film.
///
/// # Errors
/// What the environment's step returns, or output that cannot be written.
pub fn rollout(
    environment: &mut dyn Environment,
    policy: RolloutPolicy,
    episodes: usize,
    seed: u64,
    mut output: impl Write,
) -> Result<Vec<Episode>, EnvironmentError> {
    let spec = environment.spec().clone();
    let mut random = Pcg64::seeded(seed ^ 0x9e37_79b9_7f4a_7c15);
    environment.seed(seed);
    let mut played = Vec::with_capacity(episodes);
    let mut mask = vec![0; spec.joint_mask_size()];
    let mut actions = vec![0; spec.agents];
    let mut rewards = vec![0.0; spec.agents];
    for _ in 0..episodes {
        environment.reset();
        let scene = environment.scene();
        writeln!(output, "{}", render::text(&scene)).map_err(writing)?;
        let mut episode = Episode {
            scenes: vec![scene],
            returns: vec![0.0; spec.agents],
            steps: 0,
            terminated: false,
        };
        // An environment that never ends would otherwise play for ever.
        while episode.steps < spec.max_episode_steps {
            environment.write_action_mask(&mut mask);
            for (action, allowed) in actions.iter_mut().zip(mask.chunks_exact(spec.actions)) {
                *action = choose(policy, allowed, &mut random);
            }
            let flags = environment.step(&actions, &mut rewards)?;
            episode.steps += 1;
            for (sum, reward) in episode.returns.iter_mut().zip(&rewards) {
                *sum += reward;
            }
            let mut scene = environment.scene();
            scene.note = note(
                &spec.action_names,
                &actions,
                &rewards,
                episode.returns.iter().sum(),
            );
            writeln!(output, "{}", render::text(&scene)).map_err(writing)?;
            episode.scenes.push(scene);
            if flags.done() {
                episode.terminated = flags.terminated;
                break;
            }
        }
        played.push(episode);
    }
    output.flush().map_err(writing)?;
    Ok(played)
}

fn choose(policy: RolloutPolicy, allowed: &[u8], random: &mut Pcg64) -> u8 {
    let count = allowed.iter().filter(|&&flag| flag != 0).count() as u32;
    let place = match policy {
        RolloutPolicy::Random if count > 0 => random.integer(0, count),
        RolloutPolicy::Random | RolloutPolicy::First => 0,
    };
    let mut actions = (0_u8..)
        .zip(allowed)
        .filter(|(_, flag)| **flag != 0)
        .map(|(action, _)| action);
    actions.nth(place as usize).unwrap_or(0)
}

fn note(names: &[String], actions: &[u8], rewards: &[f64], total: f64) -> String {
    let acts: Vec<&str> = actions
        .iter()
        .map(|&action| names.get(usize::from(action)).map_or("?", String::as_str))
        .collect();
    let reward = rewards.iter().sum::<f64>();
    format!("{}; reward {reward:.3}, return {total:.3}", acts.join(" "))
}
