//! What a switch learns in tasks small enough to know the answer.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use agents::mansa::switch::{SwitchLearner, switch_learner};
use agents::network::NetworkRows;
use agents::replay::HostBatch;
use agents::team::{SwitchInputs, switch_network};
use configs::train::{
    AlgorithmKind, CallBudget, Calls, CostMode, SwitchConfig, SwitchKind, TrainConfig,
};
use envs::EnvironmentSpec;
use nn::parameters::{ParameterLayout, Parameters, flat_values};
use nn::random::RandomStream;
use tch::Device;

/// Two places, A then B, for one agent that sees which; the task ends after B.
struct Places {
    config: TrainConfig,
    spec: EnvironmentSpec,
    gains: [f32; 2], // reward of a central step in A and in B
    calls: Option<u64>,
}

const SEEN: [[f32; 2]; 3] = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];

impl Places {
    fn new(switch: &SwitchConfig, gains: [f32; 2]) -> Self {
        nn::runtime::prepare(1); // two threads wait for each other on a busy machine
        let options = envs::EnvironmentOptions::default();
        let environment = envs::make("Foraging-8x8-2p-2f-v3", &options).unwrap();
        let mut spec = environment.spec().clone();
        (spec.agents, spec.observation_size, spec.max_episode_steps) = (1, 2, 2);
        let mut config = TrainConfig::default();
        config.algorithm.kind = AlgorithmKind::Mansa;
        config.algorithm.discount = 0.9;
        let calls = switch.budget_calls();
        config.algorithm.switch = SwitchConfig {
            hidden_size: 32,
            learning_rate: 3e-3,
            target_interval_updates: 20,
            ..switch.clone()
        };
        Self {
            config,
            spec,
            gains,
            calls,
        }
    }

    /// Episodes in which `decide` says, by place, calls left and the call before, what to do.
    fn play(
        &self,
        episodes: usize,
        mut decide: impl FnMut(usize, usize, f32, f32) -> bool,
    ) -> HostBatch {
        let count = episodes as i64;
        let mut batch = HostBatch {
            sizes: vec![count; 3],
            last_actions: vec![-1; 3 * episodes],
            current: (0..2 * count).collect(),
            next: (count..3 * count).collect(),
            actions: vec![0; 2 * episodes],
            terminated: [vec![0.0; episodes], vec![1.0; episodes]].concat(),
            explored: vec![0; 2 * episodes],
            ..HostBatch::default()
        };
        let mut left = vec![self.calls; episodes];
        let mut before = vec![0.0; episodes];
        for (place, seen) in SEEN.iter().enumerate() {
            for episode in 0..episodes {
                let share =
                    left[episode].map_or(0.0, |left| left as f32 / self.calls.unwrap_or(1) as f32);
                let allowed = left[episode] != Some(0);
                batch.observations.extend(seen);
                batch.remaining.push(share);
                batch.allowed.push(u8::from(allowed));
                batch.previous_call.push(before[episode]);
                if place == 2 {
                    continue;
                }
                let call = allowed && decide(episode, place, share, before[episode]);
                left[episode] = left[episode].map(|left| left - u64::from(call));
                before[episode] = f32::from(u8::from(call));
                batch.calls.push(u8::from(call));
                // Independent steps are worth something too: only the gain may matter.
                batch
                    .rewards
                    .push(0.5 + if call { self.gains[place] } else { 0.0 });
            }
        }
        batch
    }

    /// Every course of decisions, once.
    fn all_courses(&self) -> HostBatch {
        self.play(4, |episode, place, _, _| episode >> place & 1 == 1)
    }

    fn learner(&self) -> Box<dyn SwitchLearner> {
        switch_learner(&self.config, &self.spec, Device::Cpu).unwrap()
    }

    /// What the learner's network says of a place. `[2]`
    fn outputs(&self, weights: &Parameters, place: usize, share: f32, before: f32) -> Vec<f32> {
        let switch = &self.config.algorithm.switch;
        let inputs = SwitchInputs::new(switch, &self.spec);
        let mut layout = ParameterLayout::new();
        let network = switch_network(&mut layout, switch, inputs);
        let features = inputs.rows(&SEEN[place], &[share], &[before]);
        let rows = NetworkRows {
            features: &features,
            last_actions: &[],
            sizes: &[1],
        };
        let mut state = network.initial_state(1, Device::Cpu);
        tch::no_grad(|| flat_values(&network.forward(weights, &rows, &mut state).reshape([-1])))
    }

    fn calls(&self, learner: &dyn SwitchLearner, place: usize, share: f32, before: f32) -> bool {
        let outputs = self.outputs(learner.acting(), place, share, before);
        outputs[1] > outputs[0]
    }

    /// A learner after its updates: from every course for learners of values, from its own
    /// episodes for learners of policies.
    fn learnt(&self) -> Box<dyn SwitchLearner> {
        self.after(if self.config.algorithm.switch.kind == SwitchKind::Ppo {
            300
        } else {
            1_000
        })
    }

    fn after(&self, updates: usize) -> Box<dyn SwitchLearner> {
        let mut learner = self.learner();
        let mut stream = RandomStream::new(4, "test", 0);
        let courses = self.all_courses();
        for _ in 0..updates {
            if self.config.algorithm.switch.kind != SwitchKind::Ppo {
                learner.update(&[&courses]).unwrap();
                continue;
            }
            let weights = learner.acting();
            let mut chances = BTreeMap::new();
            let own = self.play(64, |_, place, share, before| {
                let key = [place as u32, share.to_bits(), before.to_bits()];
                let chance = chances.entry(key).or_insert_with(|| {
                    let outputs = self.outputs(weights, place, share, before);
                    1.0 / (1.0 + (outputs[0] - outputs[1]).exp())
                });
                stream.uniform() < *chance
            });
            learner.update(&[&own]).unwrap();
        }
        learner
    }
}

fn switch(kind: SwitchKind, cost: f64) -> SwitchConfig {
    SwitchConfig {
        kind,
        cost,
        ..SwitchConfig::default()
    }
}

const KINDS: [SwitchKind; 3] = [
    SwitchKind::DoubleDqn,
    SwitchKind::DiscreteSac,
    SwitchKind::Ppo,
];

#[test]
fn a_switch_calls_where_the_gain_exceeds_the_cost() {
    for kind in KINDS {
        for (cost, call) in [(0.9 * 0.1, true), (1.1 * 0.1, false)] {
            let places = Places::new(&switch(kind, cost), [0.1, 0.0]);
            let learner = places.learnt();
            let calls = [0, 1].map(|place| places.calls(learner.as_ref(), place, 0.0, 0.0));
            assert_eq!(calls, [call, false], "{kind:?} at a cost of {cost}");
        }
    }
}

#[test]
fn a_switch_saves_its_only_call_for_the_better_place() {
    for kind in KINDS {
        let mut config = switch(kind, 0.0);
        config.budget = CallBudget::PerEpisode(Calls { calls: 1 });
        let places = Places::new(&config, [0.1, 0.3]);
        let learner = places.learnt();
        let calls = [0, 1].map(|place| places.calls(learner.as_ref(), place, 1.0, 0.0));
        assert_eq!(calls, [false, true], "{kind:?}");
    }
}

#[test]
fn a_switch_that_pays_for_switching_on_stays_on() {
    for kind in KINDS {
        let mut config = switch(kind, 0.15);
        config.cost_mode = CostMode::PerSwitch;
        let places = Places::new(&config, [0.1, 0.1]);
        let learner = places.learnt();
        let calls = |place, before| places.calls(learner.as_ref(), place, 0.0, before);
        assert_eq!([calls(0, 0.0), calls(1, 1.0)], [true; 2], "{kind:?}");
        // A policy does not meet the place that it never comes to without a call.
        assert!(kind == SwitchKind::Ppo || !calls(1, 0.0), "{kind:?}");
    }
}

#[test]
fn a_restored_switch_learns_on_bit_for_bit() {
    for kind in KINDS {
        let places = Places::new(&switch(kind, 0.05), [0.1, 0.2]);
        let courses = places.all_courses();
        let mut left = places.after(7);
        let mut right = places.learner();
        right.load_arrays(&left.to_arrays()).unwrap();
        for _ in 0..30 {
            let reports = [&mut left, &mut right].map(|one| one.update(&[&courses]).unwrap());
            assert_eq!(reports[0], reports[1], "{kind:?}");
        }
        let weights = [&left, &right].map(|one| flat_values(one.acting().flat()));
        assert_eq!(weights[0], weights[1], "{kind:?}");
    }
}

#[test]
fn switches_without_a_network_have_nothing_to_learn() {
    for kind in [SwitchKind::Random, SwitchKind::Always, SwitchKind::Never] {
        let places = Places::new(&switch(kind, 0.0), [0.0, 0.0]);
        let learner = switch_learner(&places.config, &places.spec, Device::Cpu);
        assert!(learner.is_none(), "{kind:?}");
    }
}
