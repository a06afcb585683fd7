//! The losses by name: against TRL 1.16's own arithmetic (`xtask/parity/make_loss_golden.py`), their
//! gradients against finite differences, and BVPO's mixture of them.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::cell::Cell;

use alignment::AlignmentError;
use alignment::losses::bvpo::mixed_gradient;
use alignment::losses::log_ratios::PairLogRatios;
use alignment::losses::preference::{PairBatch, PreferenceLoss, SppoForm, Wins};
use serde::Deserialize;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    policy: [Vec<f64>; 2],
    reference: [Vec<f64>; 2],
    tokens: [Vec<i64>; 2],
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss: PreferenceLoss,
    losses: Vec<f64>,
    chosen_gradient: Vec<f64>,
    rejected_gradient: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/losses.json")).unwrap()
}

fn pair<T: tch::kind::Element>(parts: &[Vec<T>; 2]) -> PairLogRatios {
    PairLogRatios {
        chosen: Tensor::from_slice(&parts[0]),
        rejected: Tensor::from_slice(&parts[1]),
    }
}

/// The golden batch with win rates and the policy's sums replaced.
fn batch(policy: &[Vec<f64>; 2], wins: Option<Wins>) -> PairBatch {
    let golden = golden();
    PairBatch {
        policy: pair(policy),
        reference: Some(pair(&golden.reference)),
        tokens: Some(pair(&golden.tokens)),
        wins,
    }
}

fn rates() -> Wins {
    Wins::Rates(pair(&[
        vec![0.9, 0.7, 0.55, 0.8, 0.6, 0.5],
        vec![0.2, 0.1, 0.45, 0.3, 0.4, 0.35],
    ]))
}

fn probabilities() -> Wins {
    Wins::Pair(Tensor::from_slice(&[0.95, 0.8, 0.5, 0.7, 0.65, 0.9]))
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double)).unwrap()
}

#[track_caller]
fn assert_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (left, right) in actual.iter().zip(expected) {
        let close = (left - right).abs() <= tolerance * right.abs().max(1.0);
        assert!(close, "{actual:?} is not {expected:?}");
    }
}

#[test]
fn losses_and_gradients_equal_trl() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 12);
    for case in &golden.cases {
        let result = case.loss.gradient(&batch(&golden.policy, None)).unwrap();
        assert_close(&numbers(&result.losses), &case.losses, 1e-12);
        assert_close(&numbers(&result.chosen), &case.chosen_gradient, 1e-12);
        assert_close(&numbers(&result.rejected), &case.rejected_gradient, 1e-12);
    }
}

fn every_loss() -> Vec<(PreferenceLoss, Option<Wins>)> {
    let sppo = |form| PreferenceLoss::Sppo {
        form,
        step_size: 10.0,
        baseline_c: 0.55,
    };
    vec![
        (sppo(SppoForm::Paper), Some(rates())),
        (sppo(SppoForm::Pair), Some(probabilities())),
        (sppo(SppoForm::Single), Some(probabilities())),
        (sppo(SppoForm::Hard), None),
        (
            PreferenceLoss::Dpo {
                preference_strength: 0.3,
                label_smoothing: 0.2,
            },
            None,
        ),
        (
            PreferenceLoss::Ipo {
                regularisation: 0.2,
                per_token: true,
            },
            None,
        ),
        (
            PreferenceLoss::Simpo {
                preference_strength: 2.5,
                target_margin: 0.8,
                label_smoothing: 0.0,
            },
            None,
        ),
        (PreferenceLoss::Sft, None),
    ]
}

#[test]
fn gradients_equal_finite_differences() {
    let policy = golden().policy;
    for (loss, wins) in every_loss() {
        let mut batch = batch(&policy, wins);
        let gradient = loss.gradient(&batch).unwrap();
        let step = 1e-5;
        for side in 0..2 {
            let mut differences = Vec::new();
            for place in 0..policy[side].len() {
                let mut mean = |by: f64| {
                    let mut moved = policy.clone();
                    moved[side][place] += by;
                    batch.policy = pair(&moved);
                    let losses = loss.evaluate(&batch).unwrap().losses;
                    losses.mean(Kind::Double).double_value(&[])
                };
                differences.push((mean(step) - mean(-step)) / (2.0 * step));
            }
            let autograd = [&gradient.chosen, &gradient.rejected][side];
            assert_close(&numbers(autograd), &differences, 1e-6);
        }
    }
}

#[test]
fn forms_of_sppo_differ_by_their_factors_and_targets() {
    let policy = golden().policy;
    let form = |form, wins| {
        let loss = PreferenceLoss::Sppo {
            form,
            step_size: 10.0,
            baseline_c: 0.5,
        };
        loss.gradient(&batch(&policy, wins)).unwrap()
    };
    let both = form(SppoForm::Pair, Some(probabilities()));
    let half = form(SppoForm::Single, Some(probabilities()));
    assert_close(
        &numbers(&(&half.losses * 2.0)),
        &numbers(&both.losses),
        1e-14,
    );
    assert_close(
        &numbers(&(&half.chosen * 2.0)),
        &numbers(&both.chosen),
        1e-14,
    );
    // With the pair's own probabilities as win rates, the paper's form is the single one.
    let complement = Wins::Rates(PairLogRatios {
        chosen: Tensor::from_slice(&[0.95, 0.8, 0.5, 0.7, 0.65, 0.9]),
        rejected: Tensor::from_slice(&[0.05, 0.2, 0.5, 0.3, 0.35, 0.1]),
    });
    let paper = form(SppoForm::Paper, Some(complement));
    assert_close(&numbers(&paper.losses), &numbers(&half.losses), 1e-13);
    // d_w - 5 and d_l + 5 under hard labels.
    let hard = form(SppoForm::Hard, None).metrics;
    assert_eq!(numbers(hard.chosen_target.as_ref().unwrap()), [5.0; 6]);
    assert_eq!(numbers(hard.rejected_target.as_ref().unwrap()), [-5.0; 6]);
}

#[test]
fn metrics_are_means_of_what_the_loss_takes_for_rewards() {
    let policy = [vec![-3.0, -5.0], vec![-4.0, -4.0]];
    let loss = PreferenceLoss::Sppo {
        form: SppoForm::Hard,
        step_size: 10.0,
        baseline_c: 0.5,
    };
    let mut batch = batch(&policy, None);
    batch.reference = Some(pair(&[vec![-4.0, -4.0], vec![-4.0, -4.5]]));
    let means = loss.evaluate(&batch).unwrap().metrics.means().unwrap();
    // d_w 1 and -1, d_l 0 and 0.5; rewards a tenth of them.
    assert_eq!(means.chosen_log_ratio, 0.0);
    assert_eq!(means.rejected_log_ratio, 0.25);
    assert!((means.reward_margin + 0.025).abs() < 1e-15);
    assert_eq!(means.reward_accuracy, 0.5);
    assert_eq!(means.chosen_target, Some(5.0));
}

#[test]
fn what_is_missing_is_told() {
    let policy = golden().policy;
    let told = |loss: &PreferenceLoss, change: fn(&mut PairBatch)| {
        let mut batch = batch(&policy, None);
        change(&mut batch);
        loss.gradient(&batch).unwrap_err().to_string()
    };
    let text = told(&PreferenceLoss::sppo(), |_| ());
    assert!(
        text.starts_with("win rates against all samples: missing"),
        "{text}"
    );
    let text = told(&PreferenceLoss::sppo(), |batch| batch.reference = None);
    assert!(
        text.starts_with("log-probabilities of the reference"),
        "{text}"
    );
    let text = told(&PreferenceLoss::Sft, |batch| batch.tokens = None);
    assert!(text.starts_with("lengths in tokens"), "{text}");
    let text = told(&PreferenceLoss::Sft, |batch| {
        batch.tokens.as_mut().unwrap().chosen = Tensor::from_slice(&[0_i64; 6]);
    });
    assert!(
        text.starts_with("mean tokens of the chosen responses: 0"),
        "{text}"
    );
    let unknown: Result<PreferenceLoss, _> = serde_json::from_str(r#"{"name":"dpo","beta":0.1}"#);
    assert!(unknown.unwrap_err().to_string().contains("beta"));
}

#[test]
fn bvpo_at_its_ends_is_the_base_loss_bit_for_bit_and_skips_the_other_half() {
    let policy = golden().policy;
    let shifted = [policy[1].clone(), policy[0].clone()];
    for (base, _) in every_loss() {
        let wins = || match base {
            PreferenceLoss::Sppo {
                form: SppoForm::Paper,
                ..
            } => Some(rates()),
            PreferenceLoss::Sppo { .. } => Some(probabilities()),
            _ => None,
        };
        let skipped = || -> Result<PairBatch, AlignmentError> { panic!("not to be computed") };
        let on = |sums: &[Vec<f64>; 2]| base.gradient(&batch(sums, wins())).unwrap();
        let trace = mixed_gradient(&base, 1.0, || Ok(batch(&policy, wins())), skipped).unwrap();
        let empty = mixed_gradient(&base, 0.0, skipped, || Ok(batch(&shifted, wins()))).unwrap();
        assert!(trace.empty.is_none() && empty.trace.is_none());
        for (half, sums) in [
            (trace.trace.unwrap(), &policy),
            (empty.empty.unwrap(), &shifted),
        ] {
            let alone = on(sums);
            assert_eq!(numbers(&half.losses), numbers(&alone.losses));
            assert_eq!(numbers(&half.chosen), numbers(&alone.chosen));
            assert_eq!(numbers(&half.rejected), numbers(&alone.rejected));
        }
        let calls = Cell::new(0);
        let counted = |sums: &[Vec<f64>; 2]| {
            calls.set(calls.get() + 1);
            Ok(batch(sums, wins()))
        };
        let mixed = mixed_gradient(&base, 0.25, || counted(&policy), || counted(&shifted)).unwrap();
        assert_eq!(calls.get(), 2);
        let quarter: Vec<f64> = numbers(&on(&policy).chosen)
            .iter()
            .map(|slope| slope * 0.25)
            .collect();
        assert_close(&numbers(&mixed.trace.unwrap().chosen), &quarter, 1e-15);
        let rest: Vec<f64> = numbers(&on(&shifted).rejected)
            .iter()
            .map(|slope| slope * 0.75)
            .collect();
        assert_close(&numbers(&mixed.empty.unwrap().rejected), &rest, 1e-15);
        assert!(mixed_gradient(&base, f64::NAN, skipped, skipped).is_err());
    }
}
