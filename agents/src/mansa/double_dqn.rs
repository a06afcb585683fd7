//! A switch that learns the value of calling and of not calling.
//!
//! With `x` the share of the budget left and `g` over the decisions that the budget allows
//! (only 0 once it is used up):
//!
//! ```text
//! g* = argmax_g Q(s', x', g)
//! y  = r + gamma (1 - d) Q'(s', x', g*)
//! L  = mean (Q(s, x, g) - y)^2
//! ```
//!
//! Double deep Q-learning (van Hasselt et al. 2016); `r` is [`super::switch::switch_reward`],
//! `d` 1 where the task ended. At its optimum this is the obstacle form of the switching
//! problem, `V = max(Q_I, Q_C - c)`: a call is made exactly where it gains more than it costs.

use configs::train::TrainConfig;
use envs::EnvironmentSpec;
use nn::arrays::{Array, Arrays};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use tch::{Device, Kind};

use crate::AgentsError;
use crate::mansa::learnt::LearntNetwork;
use crate::mansa::switch::{SwitchLearner, SwitchReport, SwitchTask};
use crate::replay::HostBatch;

/// Double deep Q-learning over the two decisions.
pub struct DoubleDqn {
    task: SwitchTask,
    values: LearntNetwork,
    target: Parameters,
    target_interval: u64,
    updates: u64,
}

impl DoubleDqn {
    /// A fresh switch; weights are drawn from the run's `switch-initialisation` stream.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, device: Device) -> Self {
        let task = SwitchTask::new(config, spec, device);
        let mut stream = RandomStream::new(config.seed, "switch-initialisation", 0);
        let values = LearntNetwork::acting(config, task.inputs(), &mut stream, device);
        Self {
            task,
            target: values.target(),
            values,
            target_interval: config.algorithm.switch.target_interval_updates.max(1),
            updates: 0,
        }
    }
}

impl SwitchLearner for DoubleDqn {
    fn acting(&self) -> &Parameters {
        self.values.weights()
    }

    fn update(&mut self, parts: &[&HostBatch]) -> Result<SwitchReport, AgentsError> {
        let batch = self.task.batch(parts);
        let rows = batch.rows();
        let outputs = self.values.differentiable(&rows);
        let known = outputs.values.detach(); // [rows, 2]
        let best = batch.legal(&known).argmax(-1, true); // [rows, 1]
        let following = self
            .values
            .constant_by(&self.target, &rows)
            .gather(-1, &best, false)
            .index_select(0, &batch.next); // [transitions, 1]
        let targets = &batch.rewards + &batch.bootstrap * following;
        let loss = (batch.chosen(&outputs.values) - targets)
            .square()
            .mean(Kind::Float);
        let gradient_norm = self.values.step(&loss, &outputs, self.updates + 1)?;
        self.updates += 1;
        if self.updates.is_multiple_of(self.target_interval) {
            self.target.track(self.values.weights(), 1.0);
        }
        let (value_gap, greedy_calls) = batch.preference(&known);
        Ok(SwitchReport {
            loss: loss.double_value(&[]),
            gradient_norm,
            value_gap,
            greedy_calls,
            more: Vec::new(),
        })
    }

    fn to_arrays(&self) -> Arrays {
        let mut arrays = self.values.to_arrays("switch.");
        arrays.extend(self.target.to_arrays("switch.target."));
        arrays.insert("switch.updates", Array::from_u64(vec![1], &[self.updates]));
        arrays
    }

    fn load_arrays(&mut self, arrays: &Arrays) -> Result<(), AgentsError> {
        self.values.load_arrays(arrays, "switch.")?;
        self.target.load_arrays(arrays, "switch.target.")?;
        self.updates = arrays.u64("switch.updates", &[1])?[0];
        Ok(())
    }
}
