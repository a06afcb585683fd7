//! A switch that learns a policy over calling and not calling, kept from settling too early by
//! a wanted entropy.
//!
//! With the policy `pi` over the decisions that the budget allows and two critics `Q_k`:
//!
//! ```text
//! V(s')     = sum_g pi(g | s') (min_k Q'_k(s', g) - alpha log pi(g | s'))
//! L_critics = sum_k mean (Q_k(s, g) - r - gamma (1 - d) V(s'))^2
//! L_policy  = mean sum_g pi(g | s) (alpha log pi(g | s) - min_k Q_k(s, g))
//! L_alpha   = log alpha (H(pi) - share ln 2)
//! ```
//!
//! Discrete soft actor-critic (Christodoulou 2019; Haarnoja et al. 2018 for the temperature,
//! which is learnt through its logarithm). The sums over decisions are exact, so nothing is
//! sampled. Policy and temperature learn from the decisions that were free: a forced one has
//! no entropy to keep.

use configs::train::TrainConfig;
use envs::EnvironmentSpec;
use nn::arrays::{Array, Arrays};
use nn::optimiser::Optimiser;
use nn::parameters::{Initialisation, ParameterIndex, ParameterLayout, Parameters};
use nn::random::RandomStream;
use tch::{Device, Kind, Tensor};

use crate::AgentsError;
use crate::mansa::learnt::LearntNetwork;
use crate::mansa::switch::{SwitchBatch, SwitchLearner, SwitchReport, SwitchTask};
use crate::policy_gradient::losses::log_probabilities;
use crate::q_learning::optimiser_kind;
use crate::replay::HostBatch;

/// The temperature at the start, in units of the team's reward. A fair coin then earns 0.007
/// for its entropy in every step, about what a call costs.
const FIRST_TEMPERATURE: f32 = 0.01;

/// Discrete soft actor-critic over the two decisions.
pub struct DiscreteSac {
    task: SwitchTask,
    policy: LearntNetwork,
    critics: [Critic; 2],
    temperature: Temperature,
    target_interval: u64,
    updates: u64,
}

struct Critic {
    values: LearntNetwork,
    target: Parameters,
}

/// The weight of the entropy, learnt.
struct Temperature {
    logarithm: Parameters, // [1]
    index: ParameterIndex,
    optimiser: Optimiser,
    wanted_entropy: f64,
}

impl DiscreteSac {
    /// A fresh switch; weights are drawn from the run's `switch-initialisation` stream.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, device: Device) -> Self {
        let task = SwitchTask::new(config, spec, device);
        let mut stream = RandomStream::new(config.seed, "switch-initialisation", 0);
        let inputs = task.inputs();
        let policy = LearntNetwork::acting(config, inputs, &mut stream, device);
        let critics = [(); 2].map(|()| {
            let values = LearntNetwork::beside(config, inputs, 2, &mut stream, device);
            Critic {
                target: values.target(),
                values,
            }
        });
        Self {
            task,
            policy,
            critics,
            temperature: Temperature::new(config, &mut stream, device),
            target_interval: config.algorithm.switch.target_interval_updates.max(1),
            updates: 0,
        }
    }

    /// What the critics should say of the transitions. `[transitions, 1]`
    fn targets(&mut self, batch: &SwitchBatch, logits: &Tensor) -> Tensor {
        let rows = batch.rows();
        let [first, second] = &mut self.critics;
        let least = first
            .values
            .constant_by(&first.target, &rows)
            .minimum(&second.values.constant_by(&second.target, &rows)); // [rows, 2]
        let logarithms = log_probabilities(logits, batch.forbidden.as_ref());
        let soft = least - &logarithms * self.temperature.value();
        let states = (logarithms.exp() * soft).sum_dim_intlist(-1, true, Kind::Float);
        &batch.rewards + &batch.bootstrap * states.index_select(0, &batch.next)
    }
}

impl Critic {
    fn step(
        &mut self,
        batch: &SwitchBatch,
        targets: &Tensor,
        update: u64,
    ) -> Result<f64, AgentsError> {
        let outputs = self.values.differentiable(&batch.rows());
        let loss = (batch.chosen(&outputs.values) - targets)
            .square()
            .mean(Kind::Float);
        self.values.step(&loss, &outputs, update)?;
        Ok(loss.double_value(&[]))
    }
}

impl Temperature {
    fn new(config: &TrainConfig, stream: &mut RandomStream, device: Device) -> Self {
        let mut layout = ParameterLayout::new();
        let start = Initialisation::Constant(FIRST_TEMPERATURE.ln());
        let index = layout.declare("temperature", &[1], start);
        let logarithm = Parameters::initialised(&layout.into(), device, false, stream);
        let algorithm = &config.algorithm;
        let kind = optimiser_kind(algorithm.optimizer);
        Self {
            index,
            optimiser: Optimiser::new(kind, algorithm.switch.learning_rate, &logarithm),
            logarithm,
            wanted_entropy: algorithm.switch.target_entropy_share * std::f64::consts::LN_2,
        }
    }

    fn value(&self) -> f64 {
        self.logarithm.get(self.index).double_value(&[0]).exp()
    }

    fn step(&mut self, entropy: f64) {
        let gradient = self
            .logarithm
            .flat()
            .full_like(entropy - self.wanted_entropy);
        self.optimiser.step(&mut self.logarithm, &gradient);
    }
}

impl SwitchLearner for DiscreteSac {
    fn acting(&self) -> &Parameters {
        self.policy.weights()
    }

    fn update(&mut self, parts: &[&HostBatch]) -> Result<SwitchReport, AgentsError> {
        let batch = self.task.batch(parts);
        let rows = batch.rows();
        let update = self.updates + 1;
        let outputs = self.policy.differentiable(&rows);
        let logits = outputs.values.detach();
        let targets = self.targets(&batch, &logits);
        let mut loss = 0.0;
        for critic in &mut self.critics {
            loss += critic.step(&batch, &targets, update)?;
        }
        let [first, second] = &mut self.critics;
        let least = first
            .values
            .constant(&rows)
            .minimum(&second.values.constant(&rows)); // [rows, 2]
        let free = batch.free.sum(Kind::Double).double_value(&[]);
        let (mut gradient_norm, mut entropy) = (0.0, 0.0);
        if free > 0.0 {
            let mean = |values: Tensor| {
                let each = values.sum_dim_intlist(-1, true, Kind::Float); // [rows, 1]
                (each.index_select(0, &batch.current) * &batch.free).sum(Kind::Float) / free
            };
            let logarithms = log_probabilities(&outputs.values, batch.forbidden.as_ref());
            let probabilities = logarithms.exp();
            entropy = -mean(&probabilities.detach() * logarithms.detach()).double_value(&[]);
            let regret = &logarithms * self.temperature.value() - &least;
            let objective = mean(&probabilities * regret);
            gradient_norm = self.policy.step(&objective, &outputs, update)?;
            self.temperature.step(entropy);
        }
        self.updates = update;
        if update.is_multiple_of(self.target_interval) {
            for critic in &mut self.critics {
                critic.target.track(critic.values.weights(), 1.0);
            }
        }
        Ok(SwitchReport {
            loss,
            gradient_norm,
            value_gap: batch.preference(&least).0,
            greedy_calls: batch.preference(&logits).1,
            more: vec![
                ("mansa/switch_entropy", entropy),
                ("mansa/switch_temperature", self.temperature.value()),
            ],
        })
    }

    fn to_arrays(&self) -> Arrays {
        let mut arrays = self.policy.to_arrays("switch.");
        for (index, critic) in self.critics.iter().enumerate() {
            let name = format!("switch.critic-{index}.");
            arrays.extend(critic.values.to_arrays(&name));
            arrays.extend(critic.target.to_arrays(&format!("{name}target.")));
        }
        let temperature = &self.temperature;
        arrays.extend(temperature.logarithm.to_arrays("switch.logarithm."));
        arrays.extend(
            temperature
                .optimiser
                .to_arrays("switch.logarithm.optimiser."),
        );
        arrays.insert("switch.updates", Array::from_u64(vec![1], &[self.updates]));
        arrays
    }

    fn load_arrays(&mut self, arrays: &Arrays) -> Result<(), AgentsError> {
        self.policy.load_arrays(arrays, "switch.")?;
        for (index, critic) in self.critics.iter_mut().enumerate() {
            let name = format!("switch.critic-{index}.");
            critic.values.load_arrays(arrays, &name)?;
            critic
                .target
                .load_arrays(arrays, &format!("{name}target."))?;
        }
        let temperature = &mut self.temperature;
        temperature
            .logarithm
            .load_arrays(arrays, "switch.logarithm.")?;
        temperature
            .optimiser
            .load_arrays(arrays, "switch.logarithm.optimiser.")?;
        self.updates = arrays.u64("switch.updates", &[1])?[0];
        Ok(())
    }
}
