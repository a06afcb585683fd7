//! A user's own environment: implement [`Environment`], give it an id, run the checks, step a batch.
//!
//! `cargo run -p envs --example own_environment`
//!
//! The task: two agents each hold a switch that toggles when they act; the team earns a point in
//! every step in which the two lamps agree with a signal that only the first agent sees.

#![allow(clippy::print_stdout)]

use envs::numpy_random::Pcg64;
use envs::snapshot::{Decoder, Encoder};
use envs::{
    BatchBuffers, Environment, EnvironmentError, EnvironmentOptions, EnvironmentSpec, Mark,
    MarkKind, ResetMode, Scene, StepFlags,
};

const ID: &str = "Lamps-v1";

struct Lamps {
    spec: EnvironmentSpec,
    random: Pcg64,
    lamps: [bool; 2],
    signal: bool,
    step: usize,
}

impl Lamps {
    fn new(options: &EnvironmentOptions) -> Self {
        let spec = EnvironmentSpec {
            id: ID.to_owned(),
            agents: 2,
            actions: 2,
            action_names: vec!["leave".to_owned(), "toggle".to_owned()],
            observation_shape: vec![2],
            observation_size: 2,
            state_size: 4,
            max_episode_steps: options.time_limit.unwrap_or(10),
        };
        Self {
            spec,
            random: Pcg64::seeded(0),
            lamps: [false; 2],
            signal: false,
            step: 0,
        }
    }

    fn draw_signal(&mut self) {
        self.signal = self.random.integer(0, 2) == 1;
    }
}

impl Environment for Lamps {
    fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    fn seed(&mut self, seed: u64) {
        self.random = Pcg64::seeded(seed);
    }

    fn reset(&mut self) {
        self.lamps = [false; 2];
        self.step = 0;
        self.draw_signal();
    }

    fn step(&mut self, actions: &[u8], rewards: &mut [f64]) -> Result<StepFlags, EnvironmentError> {
        // Check everything before changing anything: a refused step must leave no trace.
        if actions.len() != 2 || actions.iter().any(|&action| action > 1) {
            return Err(EnvironmentError::Custom {
                id: ID.to_owned(),
                problem: format!(
                    "actions: {actions:?} - allowed: two of 0 or 1 - give one per agent"
                ),
            });
        }
        for (lamp, &action) in self.lamps.iter_mut().zip(actions) {
            *lamp ^= action == 1;
        }
        let agree = self.lamps == [self.signal; 2];
        rewards.fill(if agree { 0.5 } else { 0.0 });
        self.draw_signal();
        self.step += 1;
        // Nothing is finished when the time is up, so a learner may bootstrap.
        Ok(StepFlags {
            terminated: false,
            truncated: self.step >= self.spec.max_episode_steps,
        })
    }

    fn write_observations(&self, out: &mut [f32]) {
        let number = |flag: bool| f32::from(u8::from(flag));
        let signal = number(self.signal);
        out.copy_from_slice(&[number(self.lamps[0]), signal, number(self.lamps[1]), 0.0]);
    }

    fn save(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(ID);
        self.random.encode(&mut encoder);
        for flag in [self.lamps[0], self.lamps[1], self.signal] {
            encoder.u8(u8::from(flag));
        }
        encoder.u64(self.step as u64);
        encoder.finish()
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), EnvironmentError> {
        let mut decoder = Decoder::open(bytes, ID)?;
        let random = Pcg64::decode(&mut decoder)?;
        let lamps = [decoder.u8()? != 0, decoder.u8()? != 0];
        let signal = decoder.u8()? != 0;
        let step = decoder.u64()? as usize;
        decoder.finish()?;
        (self.random, self.lamps, self.signal, self.step) = (random, lamps, signal, step);
        Ok(())
    }

    fn scene(&self) -> Scene {
        let lamp = |col: usize| Mark {
            row: 0,
            col,
            kind: if self.lamps[col] {
                MarkKind::Chosen
            } else {
                MarkKind::Cell
            },
            label: if self.lamps[col] { "on" } else { "off" }.to_owned(),
            level: None,
        };
        Scene {
            title: ID.to_owned(),
            rows: 1,
            cols: 2,
            marks: vec![lamp(0), lamp(1)],
            step: self.step,
            step_limit: self.spec.max_episode_steps,
            note: format!("signal {}", if self.signal { "on" } else { "off" }),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    envs::register(
        ID,
        "Two lamps follow a signal that one agent sees.",
        |options| Ok(Box::new(Lamps::new(options))),
    );

    let options = EnvironmentOptions::default();
    let mut environment = envs::make(ID, &options)?;
    let report = envs::doors::check(environment.as_mut(), 1, 200);
    println!("{report}");
    if !report.passed() {
        return Err("a check failed".into());
    }

    let mut batch = envs::make_vector(ID, &options, 256, ResetMode::Automatic, 2)?;
    let mut buffers = BatchBuffers::new(batch.spec(), batch.len());
    batch.seed(1);
    batch.reset_all(&mut buffers)?;
    let mut earned = 0.0;
    for _ in 0..100 {
        // The first agent toggles when its lamp differs from the signal; the second cannot know.
        let lamps = buffers.observations.chunks_exact(4);
        let actions: Vec<u8> = lamps
            .flat_map(|seen| [u8::from(seen[0] != seen[1]), 0])
            .collect();
        batch.step(&actions, &mut buffers)?;
        earned += buffers.rewards.iter().sum::<f64>();
    }
    println!(
        "points per step: {:.2} (half of the signals say off)",
        earned / (256.0 * 100.0)
    );
    Ok(())
}
