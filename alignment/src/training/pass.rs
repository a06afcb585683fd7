//! One pass of a few texts through the model, forwards and backwards.

use lm::decoder::{Batch, Decoder};
use lm::scoring::{Gradient, ScoreSettings, Scored};
use nn::random::RandomStream;
use tch::{Device, Kind, Tensor};

use super::{PairFigures, PassSettings, layout};
use crate::AlignmentError;
use crate::failure::FinetuneError;
use crate::losses::log_ratios::PairLogRatios;
use crate::losses::preference::{MetricMeans, PairBatch, PreferenceLoss, SppoForm, Wins};
use crate::preparation::{Example, Pair, Sequence};

/// A half of BVPO's examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Trace,
    Empty,
}

impl Half {
    pub(super) fn of(self, example: &Example) -> Option<&Pair> {
        match (self, example) {
            (Self::Trace, Example::Both { trace, .. }) => Some(trace),
            (Self::Empty, Example::Both { empty, .. }) => Some(empty),
            _ => None,
        }
    }
}

/// Texts that went through the model.
pub(super) struct Forward {
    batch: Batch,
    scored: Scored,
    /// Which text each scored token is of. `[scored]`, i64.
    owners: Tensor,
    /// Log-probabilities summed over each text. `[texts]`, f64.
    pub(super) sums: Tensor,
}

/// Texts through the model; with `pack` in one row, where the texts of `pairs`, two and two,
/// share what they have in common.
pub(super) fn forward(
    decoder: &Decoder,
    texts: &[&Sequence],
    pairs: &[[usize; 2]],
    settings: ScoreSettings,
    pack: bool,
) -> Result<Forward, FinetuneError> {
    let device = decoder.weights().device();
    let (batch, asked) = if pack {
        layout::packed(texts, pairs, device)
    } else {
        layout::padded(texts, device)
    };
    let [places, targets, owners] =
        [asked.places, asked.targets, asked.owners].map(|part| Tensor::from_slice(&part));
    let scored = decoder.score_at(&batch, &places, &targets, settings)?;
    let owners = owners.to_device(device);
    let logs = scored
        .log_probabilities()
        .f_to_kind(Kind::Double)
        .map_err(tensor)?;
    let sums = Tensor::f_zeros([texts.len() as i64], (Kind::Double, device))
        .and_then(|zeros| zeros.f_index_add(0, &owners, &logs))
        .map_err(tensor)?;
    Ok(Forward {
        batch,
        scored,
        owners,
        sums,
    })
}

pub(super) fn tensor(error: tch::TchError) -> FinetuneError {
    AlignmentError::from(error).into()
}

/// The passes of one update.
pub(super) struct Passes<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) settings: &'a PassSettings,
    dropout: RandomStream,
    /// Tokens so far, padding apart.
    pub(super) tokens: u64,
}

impl<'a> Passes<'a> {
    pub(super) fn new(decoder: &'a Decoder, settings: &'a PassSettings, number: u64) -> Self {
        Self {
            decoder,
            settings,
            dropout: RandomStream::new(settings.seed, "dropout", number),
            tokens: 0,
        }
    }

    fn score_settings(&mut self) -> ScoreSettings {
        let adapter = self.decoder.adapter();
        let drops = adapter.is_some_and(|adapter| adapter.dropout() > 0.0);
        ScoreSettings {
            activations: self.settings.activations,
            chunk: self.settings.logit_chunk,
            dropout: drops.then(|| self.dropout.word()),
        }
    }

    pub(super) fn forward(
        &mut self,
        texts: &[&Sequence],
        pairs: &[[usize; 2]],
    ) -> Result<Forward, FinetuneError> {
        self.tokens += texts.iter().map(|text| text.ids.len() as u64).sum::<u64>();
        let settings = self.score_settings();
        forward(self.decoder, texts, pairs, settings, self.settings.pack)
    }

    /// `per_text` is the derivative of the objective with respect to each sum. `[texts]`
    pub(super) fn backward(
        &self,
        forward: Forward,
        per_text: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<(), FinetuneError> {
        let derivative = per_text
            .f_to_device(forward.owners.device())
            .and_then(|per_text| per_text.f_index_select(0, &forward.owners))
            .and_then(|derivative| derivative.f_to_kind(Kind::Float))
            .map_err(tensor)?;
        self.decoder
            .accumulate(&forward.batch, forward.scored, &derivative, gradient)?;
        Ok(())
    }

    /// Cross-entropy of demonstrations, the mean over their tokens.
    pub(super) fn imitate(
        &mut self,
        mut lessons: Vec<&Sequence>,
        gradient: &mut Gradient,
    ) -> Result<f64, FinetuneError> {
        lessons.sort_by_key(|lesson| std::cmp::Reverse(lesson.ids.len()));
        let tokens: usize = lessons.iter().map(|lesson| lesson.learnt_tokens()).sum();
        let weight = -1.0 / tokens.max(1) as f64;
        let mut loss = 0.0;
        for texts in lessons.chunks(self.settings.rows) {
            let forward = self.forward(texts, &[])?;
            loss += weight * f64::try_from(forward.sums.sum(Kind::Double)).map_err(tensor)?;
            let per_text = Tensor::full([texts.len() as i64], weight, (Kind::Double, Device::Cpu));
            self.backward(forward, &per_text, gradient)?;
        }
        Ok(loss)
    }

    /// A preference loss, the mean over pairs, times `weight`.
    pub(super) fn prefer(
        &mut self,
        mut pairs: Vec<&Pair>,
        loss: &PreferenceLoss,
        weight: f64,
        gradient: &mut Gradient,
    ) -> Result<PairFigures, FinetuneError> {
        pairs.sort_by_key(|pair| {
            std::cmp::Reverse(pair.chosen.ids.len().max(pair.rejected.ids.len()))
        });
        let all = pairs.len().max(1) as f64;
        let mut figures = PairFigures::default();
        for pairs in pairs.chunks(self.settings.rows) {
            let share = pairs.len() as f64 / all;
            let chosen = pairs.iter().map(|pair| &pair.chosen);
            let texts: Vec<&Sequence> = chosen
                .chain(pairs.iter().map(|pair| &pair.rejected))
                .collect();
            let forward = self.forward(&texts, &layout::halves(pairs.len()))?;
            let sums = forward.sums.f_to_device(Device::Cpu).map_err(tensor)?;
            let batch = pair_batch(pairs, &sums, loss);
            let of_loss = loss.gradient(&batch)?;
            let per_text = Tensor::f_cat(&[&of_loss.chosen, &of_loss.rejected], 0)
                .and_then(|per_text| per_text.f_mul_scalar(share * weight))
                .map_err(tensor)?;
            figures.add(
                share,
                pairs,
                &batch,
                &of_loss.losses,
                of_loss.metrics.means()?,
            );
            self.backward(forward, &per_text, gradient)?;
        }
        Ok(figures)
    }
}

pub(super) fn pair_batch(pairs: &[&Pair], sums: &Tensor, loss: &PreferenceLoss) -> PairBatch {
    let count = pairs.len() as i64;
    let both = |chosen: &dyn Fn(&Pair) -> f64, rejected: &dyn Fn(&Pair) -> f64| PairLogRatios {
        chosen: column(pairs, chosen),
        rejected: column(pairs, rejected),
    };
    let reference =
        |which: usize| move |pair: &Pair| pair.reference.map_or(f64::NAN, |both| both[which]);
    let wins = match loss {
        PreferenceLoss::Sppo {
            form: SppoForm::Pair | SppoForm::Single,
            ..
        } => Wins::Pair(column(pairs, &|pair| pair.chosen_wins)),
        _ => Wins::Rates(both(&|pair| pair.chosen_win_rate, &|pair| {
            pair.rejected_win_rate
        })),
    };
    PairBatch {
        policy: PairLogRatios {
            chosen: sums.narrow(0, 0, count),
            rejected: sums.narrow(0, count, count),
        },
        reference: loss
            .needs_reference()
            .then(|| both(&reference(0), &reference(1))),
        tokens: Some(both(&|pair| pair.chosen.learnt_tokens() as f64, &|pair| {
            pair.rejected.learnt_tokens() as f64
        })),
        wins: Some(wins),
    }
}

fn column(pairs: &[&Pair], value: &dyn Fn(&Pair) -> f64) -> Tensor {
    let values: Vec<f64> = pairs.iter().map(|pair| value(pair)).collect();
    Tensor::from_slice(&values)
}

fn mean(tensor: &Tensor) -> f64 {
    f64::try_from(tensor.mean(Kind::Double)).unwrap_or(f64::NAN)
}

impl PairFigures {
    fn add(
        &mut self,
        share: f64,
        pairs: &[&Pair],
        batch: &PairBatch,
        losses: &Tensor,
        means: MetricMeans,
    ) {
        let count = pairs.len() as f64;
        let length = |tokens: &dyn Fn(&Pair) -> usize| {
            pairs.iter().map(|pair| tokens(pair) as f64).sum::<f64>() / count
        };
        let chosen_length = length(&|pair| pair.chosen.learnt_tokens());
        let rejected_length = length(&|pair| pair.rejected.learnt_tokens());
        let add = |sum: &mut f64, value: f64| *sum += share * value;
        let add_option = |sum: &mut Option<f64>, value: Option<f64>| {
            if let Some(value) = value {
                *sum = Some(sum.unwrap_or(0.0) + share * value);
            }
        };
        add(&mut self.loss, mean(losses));
        add(&mut self.chosen_log_prob, mean(&batch.policy.chosen));
        add(&mut self.rejected_log_prob, mean(&batch.policy.rejected));
        add(&mut self.chosen_log_ratio, means.chosen_log_ratio);
        add(&mut self.rejected_log_ratio, means.rejected_log_ratio);
        add(&mut self.chosen_reward, means.chosen_reward);
        add(&mut self.rejected_reward, means.rejected_reward);
        add(&mut self.reward_accuracy, means.reward_accuracy);
        add_option(&mut self.chosen_target, means.chosen_target);
        add_option(&mut self.rejected_target, means.rejected_target);
        if batch.reference.is_some() {
            let moved = means.chosen_log_ratio + means.rejected_log_ratio;
            add(
                &mut self.kl,
                -moved / (chosen_length + rejected_length).max(1.0),
            );
        }
        add(&mut self.chosen_length, chosen_length);
        add(&mut self.rejected_length, rejected_length);
    }
}
