//! The next token of each row of a batch.

use nn::fused::decoding::{first_of_largest, soft_sum};
use nn::slices;
use tch::{Device, Kind, Tensor};

use super::row::{Choice, Row};
use crate::LmError;
use crate::sampling::{Sampler, Sampling};

/// Chooses tokens; keeps a sampler for every setting that was seen.
#[derive(Debug, Default)]
pub(super) struct Chooser {
    samplers: Vec<(Sampling, Sampler)>,
    buffer: Vec<f32>,
}

impl Chooser {
    /// A token for each of `rows`, which stand beside the number of their line of `scores`
    /// `[lines, vocabulary]`.
    ///
    /// # Errors
    /// Scores that are not numbers.
    pub(super) fn choose(
        &mut self,
        scores: &Tensor,
        rows: &mut [(usize, Row)],
    ) -> Result<Vec<Choice>, LmError> {
        let ids = self.ids(scores, rows)?;
        let logs = told(scores, rows, &ids).into_iter();
        let choices = ids.into_iter().zip(logs);
        let choices = choices.map(|(id, (log_probability, alternatives))| Choice {
            id,
            log_probability,
            alternatives,
        });
        Ok(choices.collect())
    }

    fn ids(&mut self, scores: &Tensor, rows: &mut [(usize, Row)]) -> Result<Vec<i64>, LmError> {
        let vocabulary = scores.size()[1] as usize;
        let bound = |row: &Row| row.settings.vocabulary.unwrap_or(vocabulary);
        let first = rows.first().map_or(vocabulary, |(_, row)| bound(row));
        let is_plain = |row: &Row| {
            let sampling = row.settings.sampling;
            sampling.is_greedy()
                && sampling.repetition_penalty == 1.0
                && row.settings.bias.is_empty()
                && row.forbidden().is_empty()
                && bound(row) == first
        };
        let plain: Vec<bool> = rows.iter().map(|(_, row)| is_plain(row)).collect();
        // On the CPU the scores are read where they lie; from a device only what is needed
        // is fetched.
        let here = slices::of_f32(scores);
        let (mut best, mut best_scores) = (Vec::new(), Vec::new());
        if here.is_none() && plain.contains(&true) {
            let known = scores.narrow(1, 0, first as i64);
            let (of_all, ids) = known.max_dim(-1, false);
            best_scores = nn::parameters::flat_values(&of_all.to_kind(Kind::Float));
            let ids = ids.to_device(Device::Cpu);
            best = vec![0i64; ids.numel()];
            ids.copy_data(&mut best, ids.numel());
        }
        let mut fetched = Vec::new();
        if here.is_none() && plain.contains(&false) {
            fetched = nn::parameters::flat_values(&scores.to_kind(Kind::Float).reshape([-1]));
        }
        let values = here.unwrap_or(&fetched);
        let rows = rows.iter_mut().zip(plain);
        rows.map(|((line, row), plain)| {
            let from = *line * vocabulary;
            if plain {
                let id = if here.is_some() {
                    first_of_largest(&values[from..from + first]).map(|id| id as i64)
                } else {
                    // What is no number counts as the greatest of all.
                    Some(best[*line]).filter(|_| !best_scores[*line].is_nan())
                };
                return id.ok_or_else(|| unsound(row));
            }
            let scores = &values[from..from + bound(row)];
            if scores.iter().fold(false, |any, score| any | score.is_nan()) {
                return Err(unsound(row));
            }
            Ok(self.draw(scores, row))
        })
        .collect()
    }

    fn draw(&mut self, scores: &[f32], row: &mut Row) -> i64 {
        let sampling = row.settings.sampling;
        let known = self.samplers.iter().position(|(of, _)| *of == sampling);
        let number = known.unwrap_or_else(|| {
            self.samplers.push((sampling, Sampler::new(sampling)));
            self.samplers.len() - 1
        });
        let sampler = &mut self.samplers[number].1;
        if row.settings.bias.is_empty() && row.forbidden().is_empty() {
            return sampler.draw(scores, &row.text, &mut row.stream);
        }
        // The order of `transformers`: biases, then the penalty. What is forbidden stays so
        // under the penalty.
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(scores);
        for (id, bias) in &row.settings.bias {
            if let Some(score) = buffer.get_mut(*id as usize) {
                *score += bias;
            }
        }
        for id in row.forbidden() {
            if let Some(score) = buffer.get_mut(*id as usize) {
                *score = f32::NEG_INFINITY;
            }
        }
        sampler.draw(buffer, &row.text, &mut row.stream)
    }
}

fn unsound(row: &Row) -> LmError {
    LmError::Input(format!(
        "prompt {}, new token {}: the model's scores are not numbers - its weights are damaged, or a value outgrew their type: check the file, or run it in f32",
        row.request,
        row.new_tokens()
    ))
}

type Told = (Option<f32>, Option<Vec<(i64, f32)>>);

/// What each row asked to be told: the chosen token's log-probability and the best tokens.
fn told(scores: &Tensor, rows: &[(usize, Row)], chosen: &[i64]) -> Vec<Told> {
    let mut told: Vec<Told> = rows.iter().map(|_| (None, None)).collect();
    let asks = |row: &Row| row.settings.log_probabilities || row.settings.alternatives > 0;
    let asking: Vec<usize> = (0..rows.len()).filter(|at| asks(&rows[*at].1)).collect();
    if asking.is_empty() {
        return told;
    }
    let most = asking.iter().map(|at| rows[*at].1.settings.alternatives);
    let most = most.max().unwrap_or(0);
    if let Some(values) = slices::of_f32(scores).filter(|_| most == 0) {
        let vocabulary = scores.size()[1] as usize;
        for at in asking {
            let scores = &values[rows[at].0 * vocabulary..][..vocabulary];
            let (best, sum) = soft_sum(scores);
            told[at].0 = Some((scores[chosen[at] as usize] - best) - sum.ln());
        }
        return told;
    }
    let device = scores.device();
    let pick = |of: &dyn Fn(usize) -> i64| {
        let picked: Vec<i64> = asking.iter().map(|at| of(*at)).collect();
        Tensor::from_slice(&picked).to_device(device)
    };
    let scores = scores.index_select(0, &pick(&|at| rows[at].0 as i64));
    let logs = scores.to_kind(Kind::Float).log_softmax(-1, Kind::Float);
    let taken = logs.gather(-1, &pick(&|at| chosen[at]).unsqueeze(-1), false);
    let taken = nn::parameters::flat_values(&taken.reshape([-1]));
    let most = most.min(logs.size()[1] as usize);
    let (best, ids) = logs.topk(most as i64, -1, true, true);
    let best = nn::parameters::flat_values(&best.reshape([-1]));
    let ids = ids.reshape([-1]).to_device(Device::Cpu);
    let mut best_ids = vec![0i64; ids.numel()];
    ids.copy_data(&mut best_ids, ids.numel());
    for (line, at) in asking.into_iter().enumerate() {
        let settings = &rows[at].1.settings;
        let line_of = line * most..line * most + settings.alternatives.min(most);
        let pairs = best_ids[line_of.clone()].iter().zip(&best[line_of]);
        told[at] = (
            settings.log_probabilities.then(|| taken[line]),
            (settings.alternatives > 0).then(|| pairs.map(|(id, log)| (*id, *log)).collect()),
        );
    }
    told
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use nn::random::RandomStream;
    use serde_json::Value;

    use super::*;
    use crate::generation::GenerationSettings;

    const DRAWS: usize = 100_000;
    const ROWS: usize = 1000;

    fn numbers(value: &Value) -> Vec<f64> {
        let numbers = value.as_array().unwrap().iter();
        numbers.map(|number| number.as_f64().unwrap()).collect()
    }

    fn settings(case: &Value) -> GenerationSettings {
        let number = |name: &str| case[name].as_f64().unwrap();
        let bias = case["bias"].as_array().unwrap().iter();
        let bias = bias.map(|pair| {
            let bias = pair[1].as_f64().unwrap_or(f64::NEG_INFINITY);
            (pair[0].as_i64().unwrap(), bias as f32)
        });
        GenerationSettings {
            sampling: Sampling {
                temperature: number("temperature"),
                top_k: number("top_k") as usize,
                top_p: number("top_p"),
                min_p: number("min_p"),
                repetition_penalty: number("repetition_penalty"),
            },
            bias: bias.collect(),
            ..GenerationSettings::default()
        }
    }

    /// 100,000 tokens of every case of `xtask/parity/make_sampling_golden.py`, against the
    /// distribution that the processors of `transformers` leave.
    #[test]
    fn tokens_follow_the_distributions_of_transformers() {
        let golden = include_str!("../../tests/fixtures/sampling.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        let scores: Vec<f32> = numbers(&golden["scores"])
            .into_iter()
            .map(|score| score as f32)
            .collect();
        let scores = Tensor::from_slice(&scores).unsqueeze(0);
        let text: Vec<i64> = numbers(&golden["text"])
            .into_iter()
            .map(|id| id as i64)
            .collect();
        let limits = numbers(&golden["limits"]);
        let cases = golden["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 37);
        let mut chooser = Chooser::default();
        for case in cases {
            let settings = Rc::new(settings(case));
            let mut rows: Vec<(usize, Row)> = (0..ROWS)
                .map(|number| {
                    let row = Row {
                        request: 0,
                        sample: number,
                        settings: Rc::clone(&settings),
                        text: text.clone(),
                        new_from: text.len(),
                        cached: 0,
                        prompt_log_probabilities: Rc::from([]),
                        log_probabilities: Vec::new(),
                        alternatives: Vec::new(),
                        stream: RandomStream::new(4, "sampling", number as u64),
                    };
                    (0, row)
                })
                .collect();
            let chances = numbers(&case["chances"]);
            let mut counts = vec![0usize; chances.len()];
            for _ in 0..DRAWS / ROWS {
                for choice in chooser.choose(&scores, &mut rows).unwrap() {
                    counts[choice.id as usize] += 1;
                }
            }
            // Rare tokens are counted together: chi-squared wants five of each.
            let (mut rare, mut rare_mean) = (0.0, 0.0);
            let (mut chi, mut parts) = (0.0, 0);
            for (count, chance) in counts.iter().zip(&chances) {
                let (count, mean) = (*count as f64, chance * DRAWS as f64);
                assert!(mean > 0.0 || count == 0.0, "drew what is dropped: {case}");
                if mean < 5.0 {
                    rare += count;
                    rare_mean += mean;
                } else {
                    chi += (count - mean).powi(2) / mean;
                    parts += 1;
                }
            }
            if rare_mean >= 5.0 {
                chi += (rare - rare_mean).powi(2) / rare_mean;
                parts += 1;
            }
            let limit = limits[parts - 2];
            assert!(chi < limit, "chi-squared {chi}, at most {limit}: {case}");
        }
    }
}
