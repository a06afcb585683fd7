//! How likely each of a few continuations is.

use tch::{Kind, Tensor, no_grad};

use super::engine::Engine;
use super::filling::Text;
use crate::LmError;

/// The chances of alternatives that exclude each other, from their log-probabilities.
pub fn probabilities(log_probabilities: &[f32]) -> Vec<f64> {
    let best = log_probabilities.iter().copied().fold(f32::MIN, f32::max);
    let weights = log_probabilities.iter();
    let weights: Vec<f64> = weights.map(|log| f64::from(log - best).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

impl Engine<'_> {
    /// The log-probability of each of `choices` as the continuation of `prompt`, which is
    /// computed once, and not at all where it is cached.
    ///
    /// A budget is charged for the longest choice, as if it had been generated, and for the
    /// prompt where prompts are charged.
    ///
    /// # Errors
    /// Ids the model does not know, no choices or an empty one, more tokens than the model's
    /// context or than the budget has left, not enough memory.
    pub fn score_choices(
        &mut self,
        prompt: &[i64],
        choices: &[&[i64]],
    ) -> Result<Vec<f32>, LmError> {
        self.decoder.check(prompt)?;
        if choices.is_empty() {
            return Err(LmError::Input("0 choices - allowed: at least 1".to_owned()));
        }
        for choice in choices {
            self.decoder.check(choice)?;
            self.decoder.check(&[prompt, choice].concat())?;
        }
        let longest = choices.iter().map(|choice| choice.len()).max().unwrap_or(0);
        self.reach(prompt.len() + longest);
        self.charge_choices(prompt.len(), longest)?;
        let mut logs = vec![0f32; choices.len()];
        // A choice may carry the text over the length at which all angles change.
        for long in [false, true] {
            let is_of = |at: &usize| {
                let length = prompt.len() + choices[*at].len();
                self.rotations.is_long(length) == long
            };
            let group: Vec<usize> = (0..choices.len()).filter(is_of).collect();
            if group.is_empty() {
                continue;
            }
            let of_group: Vec<&[i64]> = group.iter().map(|at| choices[*at]).collect();
            let scored = no_grad(|| self.score_group(prompt, &of_group, long))?;
            for (at, log) in group.into_iter().zip(scored) {
                logs[at] = log;
            }
        }
        Ok(logs)
    }

    fn score_group(
        &mut self,
        prompt: &[i64],
        choices: &[&[i64]],
        long: bool,
    ) -> Result<Vec<f32>, LmError> {
        let filled = self.fill(&[Text { ids: prompt, long }], false)?;
        let mut cache = filled.cache;
        self.count_prompt(prompt.len(), filled.computed[0]);
        self.remember(long, prompt, &cache, 0);
        let device = self.decoder.weights().device();
        // The token of each choice at `at`; 0 behind its end, which is not added.
        let column = |at: usize| -> Tensor {
            let ids = choices.iter();
            let ids: Vec<i64> = ids
                .map(|choice| choice.get(at).copied().unwrap_or(0))
                .collect();
            Tensor::from_slice(&ids).to_device(device)
        };
        let log = |scores: &Tensor, at: usize| {
            let logs = scores.to_kind(Kind::Float).log_softmax(-1, Kind::Float);
            let logs = logs.expand([choices.len() as i64, -1], false);
            let taken = logs.gather(-1, &column(at).unsqueeze(-1), false);
            nn::parameters::flat_values(&taken.reshape([-1]))
        };
        let mut sums = log(&filled.scores, 0);
        let longest = choices.iter().map(|choice| choice.len()).max().unwrap_or(0);
        if longest == 1 {
            return Ok(sums);
        }
        cache.set_limit(prompt.len() + longest - 1);
        cache.select(&vec![0; choices.len()])?;
        let columns: Vec<Tensor> = (0..longest - 1).map(column).collect();
        let stream = self
            .decoder
            .forward_cached(&Tensor::stack(&columns, 1), &mut cache)?;
        for at in 1..longest {
            let scores = self.decoder.logits(&stream.select(1, at as i64 - 1));
            for ((sum, log), choice) in sums.iter_mut().zip(log(&scores, at)).zip(choices) {
                if at < choice.len() {
                    *sum += log;
                }
            }
        }
        Ok(sums)
    }
}
