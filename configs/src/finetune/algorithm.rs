//! `[algorithm]`: what the model learns from, and how.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The method and its settings.
///
/// A setting that a kind does not use is kept at its default, is never written into a file
/// and may not be set (see [`Field::when`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlgorithmConfig {
    /// What the model learns from, and how.
    pub kind: Algorithm,
    /// Which of SPPO's losses, by what the log-ratios are regressed on.
    pub form: SppoForm,
    /// SPPO's eta, one over the released code's and TRL's beta.
    pub step_size: f64,
    /// SPPO's log Z over eta, one half in the paper.
    pub baseline_c: f64,
    /// The beta of DPO and SimPO: how strongly the policy is held to the reference.
    pub preference_strength: f64,
    /// Share of labels taken to be the wrong way round.
    pub label_smoothing: f64,
    /// IPO's tau, TRL's beta.
    pub regularisation: f64,
    /// Whether IPO divides each log-ratio by its response's length, as TRL does.
    pub per_token: bool,
    /// SimPO's gamma.
    pub target_margin: f64,
    /// The preference loss that BVPO mixes over traces and empty traces.
    pub base: BaseLoss,
    /// Whether the share of the trace loss is fixed or estimated from the gradients.
    pub mixing: MixingKind,
    /// BVPO's alpha: share of the trace loss, 1 is the base loss on traces alone and 0 on empty traces alone.
    pub trace_share: f64,
    /// Updates between two measurements of what the gradients of both halves are like; 0 for 8 where the share is estimated and none where it is fixed.
    pub mixing_interval: u64,
    /// Prompts on which the gradients are measured.
    pub mixing_prompts: usize,
    /// What happens to a response whose trace never closes.
    pub unclosed: UnclosedTraces,
}

/// What the model learns from, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Demonstrations: cross-entropy of their responses.
    Sft,
    /// Direct preference optimisation (Rafailov et al. 2023).
    Dpo,
    /// Identity preference optimisation (Azar et al. 2023).
    Ipo,
    /// SimPO, without a reference (Meng et al. 2024).
    Simpo,
    /// Self-play preference optimisation (Wu et al. 2024).
    #[default]
    Sppo,
    /// Bias-variance optimised preference optimisation (Zhu et al. 2025).
    Bvpo,
}

/// Which of SPPO's losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SppoForm {
    /// On win rates against the policy, eq. 4.6 and 4.7.
    #[default]
    Paper,
    /// On the pair alone, eq. 4.12.
    Pair,
    /// Half of the pair form, as the released code has it.
    Single,
    /// The pair form with hard labels, as TRL has it.
    Hard,
}

/// The preference loss that BVPO mixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BaseLoss {
    /// Direct preference optimisation.
    #[default]
    Dpo,
    /// Identity preference optimisation.
    Ipo,
    /// SimPO.
    Simpo,
    /// Self-play preference optimisation.
    Sppo,
}

/// Where the share of the trace loss comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MixingKind {
    /// The setting, all through.
    #[default]
    Fixed,
    /// From the gradients, by the closed form with measured moments.
    Estimated,
}

/// What happens to a response whose trace never closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnclosedTraces {
    /// It has no answer: it loses every comparison.
    #[default]
    Lose,
    /// It is left out.
    Drop,
}

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self {
            kind: Algorithm::Sppo,
            form: SppoForm::Paper,
            step_size: 1_000.0,
            baseline_c: 0.5,
            preference_strength: 0.1,
            label_smoothing: 0.0,
            regularisation: 0.1,
            per_token: false,
            target_margin: 0.5,
            base: BaseLoss::Dpo,
            mixing: MixingKind::Fixed,
            trace_share: 0.5,
            mixing_interval: 0,
            mixing_prompts: 16,
            unclosed: UnclosedTraces::Lose,
        }
    }
}

impl AlgorithmConfig {
    /// Whether both halves of BVPO are trained: at the ends of a fixed share one of them is no work
    /// at all.
    pub fn mixes(&self) -> bool {
        let inside = self.trace_share > 0.0 && self.trace_share < 1.0;
        self.kind == Algorithm::Bvpo && (inside || self.mixing == MixingKind::Estimated)
    }

    /// Updates between two measurements of BVPO's gradients; none where they are not measured.
    pub fn measured_every(&self) -> Option<u64> {
        if self.kind != Algorithm::Bvpo {
            return None;
        }
        match (self.mixing_interval, self.mixing) {
            (0, MixingKind::Fixed) => None,
            (0, MixingKind::Estimated) => Some(8),
            (updates, _) => Some(updates),
        }
    }

    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("algorithm.kind", "Algorithm", FieldKind::Variant { values: &["sft", "dpo", "ipo", "simpo", "sppo", "bvpo"] }, "What the model learns from, and how."),
        Field::new("algorithm.form", "Form of SPPO", FieldKind::Choice { values: &["paper", "pair", "single", "hard"] }, "Which of SPPO's losses, by what the log-ratios are regressed on.").known_as(&["loss_type"]).when("algorithm.kind", &["sppo", "bvpo"]),
        Field::new("algorithm.step_size", "Step size", FieldKind::Number { min: 0.0, max: 1_000_000_000.0, min_excluded: true }, "SPPO's eta, one over the released code's and TRL's beta.").known_as(&["eta"]).when("algorithm.kind", &["sppo", "bvpo"]),
        Field::new("algorithm.baseline_c", "Baseline", FieldKind::Number { min: 0.0, max: 1.0, min_excluded: false }, "SPPO's log Z over eta, one half in the paper.").advanced().when("algorithm.kind", &["sppo", "bvpo"]),
        Field::new("algorithm.preference_strength", "Preference strength", FieldKind::Number { min: 0.0, max: 1_000_000.0, min_excluded: true }, "The beta of DPO and SimPO: how strongly the policy is held to the reference.").known_as(&["beta"]).when("algorithm.kind", &["dpo", "simpo", "bvpo"]),
        Field::new("algorithm.label_smoothing", "Label smoothing", FieldKind::Number { min: 0.0, max: 0.499, min_excluded: false }, "Share of labels taken to be the wrong way round.").advanced().when("algorithm.kind", &["dpo", "simpo", "bvpo"]),
        Field::new("algorithm.regularisation", "Regularisation", FieldKind::Number { min: 0.0, max: 1_000_000.0, min_excluded: true }, "IPO's tau, TRL's beta.").known_as(&["tau"]).when("algorithm.kind", &["ipo", "bvpo"]),
        Field::new("algorithm.per_token", "Per token", FieldKind::Boolean, "Whether IPO divides each log-ratio by its response's length, as TRL does.").advanced().when("algorithm.kind", &["ipo", "bvpo"]),
        Field::new("algorithm.target_margin", "Target margin", FieldKind::Number { min: 0.0, max: 1_000_000.0, min_excluded: false }, "SimPO's gamma.").known_as(&["gamma", "simpo_gamma"]).when("algorithm.kind", &["simpo", "bvpo"]),
        Field::new("algorithm.base", "Base loss of BVPO", FieldKind::Choice { values: &["dpo", "ipo", "simpo", "sppo"] }, "The preference loss that BVPO mixes over traces and empty traces.").when("algorithm.kind", &["bvpo"]),
        Field::new("algorithm.mixing", "Mixing", FieldKind::Choice { values: &["fixed", "estimated"] }, "Whether the share of the trace loss is fixed or estimated from the gradients.").when("algorithm.kind", &["bvpo"]),
        Field::new("algorithm.trace_share", "Trace share", FieldKind::Number { min: 0.0, max: 1.0, min_excluded: false }, "BVPO's alpha: share of the trace loss, 1 is the base loss on traces alone and 0 on empty traces alone.").known_as(&["alpha"]).when("algorithm.kind", &["bvpo"]),
        Field::new("algorithm.mixing_interval", "Gradients measured every", FieldKind::Integer { min: 0, max: i64::MAX }, "Updates between two measurements of what the gradients of both halves are like; 0 for 8 where the share is estimated and none where it is fixed.").unit("updates").advanced().when("algorithm.kind", &["bvpo"]),
        Field::new("algorithm.mixing_prompts", "Gradients measured on", FieldKind::Integer { min: 2, max: 4_096 }, "Prompts on which the gradients are measured.").unit("prompts").advanced().when("algorithm.kind", &["bvpo"]),
        Field::new("algorithm.unclosed", "Unclosed traces", FieldKind::Choice { values: &["lose", "drop"] }, "What happens to a response whose trace never closes.").advanced().when("algorithm.kind", &["bvpo"]),
    ];
}
