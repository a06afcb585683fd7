//! The losses against numbers computed by hand and by PyTorch 2.11 in f64, their gradients against
//! finite differences.

use alignment::losses::bvpo::mixed_loss;
use alignment::losses::dpo::dpo_loss;
use alignment::losses::log_ratios::{PairLogRatios, log_ratios, sequence_log_probabilities};
use alignment::losses::sppo::{Target, sppo_loss, sppo_pair_loss, win_rates};
use tch::{Kind, Tensor};

const CHOSEN: [f64; 3] = [0.7, -1.3, 2.0];
const REJECTED: [f64; 3] = [-0.4, 0.2, 2.5];

const TARGET: Target = Target {
    step_size: 10.0,
    baseline: 0.5,
};

fn pairs() -> PairLogRatios {
    PairLogRatios {
        chosen: Tensor::from_slice(&CHOSEN),
        rejected: Tensor::from_slice(&REJECTED),
    }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_kind(Kind::Double).flatten(0, -1);
    Vec::try_from(flat).expect("a tensor of numbers")
}

#[track_caller]
fn assert_close(tensor: &Tensor, expected: &[f64], tolerance: f64) {
    let actual = numbers(tensor);
    assert_eq!(actual.len(), expected.len());
    for (left, right) in actual.iter().zip(expected) {
        assert!(
            (left - right).abs() <= tolerance,
            "{actual:?} is not {expected:?}"
        );
    }
}

/// The gradient of the sum of `loss` at `point`, `[n]` in f64, checked by central differences.
#[track_caller]
fn checked_gradient(point: &[f64], loss: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let input = Tensor::from_slice(point).set_requires_grad(true);
    loss(&input).sum(Kind::Double).backward();
    let gradient = input.grad();
    let step = 1e-6;
    let differences: Vec<f64> = (0..point.len())
        .map(|index| {
            let moved = |by: f64| {
                let mut moved = point.to_vec();
                moved[index] += by;
                numbers(&loss(&Tensor::from_slice(&moved)).sum(Kind::Double))[0]
            };
            (moved(step) - moved(-step)) / (2.0 * step)
        })
        .collect();
    assert_close(&gradient, &differences, 1e-6);
    gradient
}

/// Three pairs from six numbers: the chosen ones first.
fn split(input: &Tensor) -> PairLogRatios {
    PairLogRatios {
        chosen: input.narrow(0, 0, 3),
        rejected: input.narrow(0, 3, 3),
    }
}

#[test]
fn token_log_probabilities_are_summed_over_the_completion() {
    let (infinite, unknown) = (f32::NEG_INFINITY, f32::NAN);
    let tokens = [-0.5_f32, -1.25, -0.25, infinite, -2.0, unknown, -1.5, -0.75];
    let tokens = Tensor::from_slice(&tokens)
        .view([2, 4])
        .set_requires_grad(true);
    let completion = Tensor::from_slice(&[false, true, true, false, true, false, true, true]);
    let sums = sequence_log_probabilities(&tokens, &completion.view([2, 4])).unwrap();
    assert_eq!(numbers(&sums), [-1.5, -4.25]);
    sums.sum(Kind::Float).backward();
    // What is masked out, infinities and all, has no part in the gradient.
    assert_eq!(numbers(&tokens.grad()), [0., 1., 1., 0., 1., 0., 1., 1.]);
}

#[test]
fn half_precision_is_summed_in_f32() {
    // In bf16, 256 + 1 is 256: a running sum of 400 ones would stop there.
    let tokens = Tensor::full([1, 400], -1.0, (Kind::BFloat16, tch::Device::Cpu));
    let completion = tokens.ones_like().to_kind(Kind::Bool);
    let sums = sequence_log_probabilities(&tokens, &completion).unwrap();
    assert_eq!(sums.kind(), Kind::Float);
    assert_eq!(numbers(&sums), [-400.0]);
    let ratios = log_ratios(
        &sums.to_kind(Kind::BFloat16),
        &Tensor::from_slice(&[-401.0_f32]),
    );
    assert_eq!(numbers(&ratios.unwrap()), [1.0]);
    // 0.25 - 500 is -499.75; the nearest in bf16 is -500.
    let ratio = Tensor::from_slice(&[0.25_f32]).to_kind(Kind::BFloat16);
    let loss = sppo_loss(&ratio, &Tensor::from_slice(&[1.0_f32]), Target::default()).unwrap();
    assert_eq!(loss.kind(), Kind::Float);
    assert_close(&loss, &[249_750.062_5], 0.02);
}

#[test]
fn no_gradient_reaches_reference_or_win_rates() {
    let input = |numbers: [f64; 2]| Tensor::from_slice(&numbers).set_requires_grad(true);
    let (policy, reference, wins) = (input([-3.0, -4.0]), input([-3.5, -3.0]), input([0.8, 0.3]));
    let ratios = log_ratios(&policy, &reference).unwrap();
    assert_eq!(numbers(&ratios), [0.5, -1.0]);
    let loss = sppo_loss(&ratios, &wins, TARGET).unwrap();
    loss.sum(Kind::Double).backward();
    // 2 (d - 10 (p - 1/2)): 2 (0.5 - 3), 2 (-1 + 2).
    assert_close(&policy.grad(), &[-5.0, 2.0], 1e-12);
    assert!(!reference.grad().defined());
    assert!(!wins.grad().defined());
}

#[test]
fn dpo() {
    let loss = dpo_loss(&pairs(), 0.3, 0.0).unwrap();
    assert_close(
        &loss,
        &[
            0.541_698_358_593_861_4,
            0.943_248_945_997_454_9,
            0.770_957_047_789_532_1,
        ],
        1e-15,
    );
    let point = [CHOSEN, REJECTED].concat();
    let gradient = checked_gradient(&point, |input| dpo_loss(&split(input), 0.3, 0.0).unwrap());
    let slopes = [
        0.125_472_186_947_449_13,
        0.183_191_770_184_766_57,
        0.161_228_953_603_124_86,
    ];
    let both = [slopes.map(|slope| -slope), slopes].concat();
    assert_close(&gradient, &both, 1e-15);
}

#[test]
fn dpo_starts_at_log_two_and_stays_finite() {
    let margins = |chosen: [f32; 3]| PairLogRatios {
        chosen: Tensor::from_slice(&chosen),
        rejected: Tensor::zeros([3], (Kind::Float, tch::Device::Cpu)),
    };
    let loss = dpo_loss(&margins([0.0, -1e4, 1e4]), 1.0, 0.0).unwrap();
    assert_close(&loss, &[std::f64::consts::LN_2, 1e4, 0.0], 1e-7);
}

#[test]
fn sppo_regresses_each_response_on_its_win_rate() {
    let wins = Tensor::from_slice(&[0.9, 0.55, 0.7]);
    // (0.7 - 4)^2, (-1.3 - 0.5)^2, (2 - 2)^2
    let ratios = Tensor::from_slice(&CHOSEN);
    let loss = sppo_loss(&ratios, &wins, TARGET).unwrap();
    assert_close(&loss, &[10.89, 3.24, 0.0], 1e-12);
    let gradient = checked_gradient(&CHOSEN, |input| sppo_loss(input, &wins, TARGET).unwrap());
    assert_close(&gradient, &[-6.6, -3.6, 0.0], 1e-12);
    // (0.7 - 3)^2, (-1.3 + 0.5)^2, (2 - 1)^2: a larger log Z asks for less.
    let tuned = Target {
        baseline: 0.6,
        ..TARGET
    };
    let loss = sppo_loss(&ratios, &wins, tuned).unwrap();
    assert_close(&loss, &[5.29, 0.64, 1.0], 1e-12);
}

#[test]
fn sppo_of_pairs() {
    let wins = Tensor::from_slice(&[0.9, 0.55, 0.7]);
    // (0.7 - 4)^2 + (-0.4 + 4)^2, (-1.3 - 0.5)^2 + (0.2 + 0.5)^2, (2 - 2)^2 + (2.5 + 2)^2
    let loss = sppo_pair_loss(&pairs(), &wins, TARGET).unwrap();
    assert_close(&loss, &[23.85, 3.73, 20.25], 1e-12);
    let point = [CHOSEN, REJECTED].concat();
    let gradient = checked_gradient(&point, |input| {
        sppo_pair_loss(&split(input), &wins, TARGET).unwrap()
    });
    assert_close(&gradient, &[-6.6, -3.6, 0.0, 7.2, 1.4, 9.0], 1e-12);
    // Half of it is the mean over the two responses: the released code's `sppo`.
    let both = Tensor::stack(&[&pairs().chosen, &pairs().rejected], 1); // [pairs, 2]
    let rates = Tensor::stack(&[&wins, &(1.0 - &wins)], 1);
    let each = sppo_loss(&both, &rates, TARGET).unwrap();
    let mean = each.mean_dim([1_i64].as_slice(), false, Kind::Double);
    assert_close(&(mean * 2.0), &numbers(&loss), 1e-12);
}

#[test]
fn hard_labels_give_the_loss_of_trl() {
    // beta 1e-3: the first update starts at two squares of 500.
    let ratios = PairLogRatios {
        chosen: Tensor::from_slice(&[0.7_f32, 0.0]),
        rejected: Tensor::from_slice(&[-0.4_f32, 0.0]),
    };
    let wins = Tensor::from_slice(&[1.0_f32, 1.0]);
    let loss = sppo_pair_loss(&ratios, &wins, Target::default()).unwrap();
    assert_close(&loss, &[498_900.65, 500_000.0], 0.05);
}

#[test]
fn win_rates_count_the_response_itself_as_a_half() {
    // Rock, paper, scissors at 0.9 (not transitive), then a strict order.
    let preferences = Tensor::from_slice(&[
        0.5, 0.9, 0.1, 0.1, 0.5, 0.9, 0.9, 0.1, 0.5, //
        0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.5,
    ])
    .view([2, 3, 3]);
    let rates = win_rates(&preferences).unwrap();
    assert_eq!(rates.size(), [2, 3]);
    let expected = [0.5, 0.5, 0.5, 2.5 / 3.0, 0.5, 0.5 / 3.0];
    assert_close(&rates, &expected, 1e-15);
}

#[test]
fn preferences_that_are_none_are_told() {
    let refused = |numbers: [f64; 4]| {
        let preferences = Tensor::from_slice(&numbers).view([1, 2, 2]);
        win_rates(&preferences).unwrap_err().to_string()
    };
    let text = refused([0.5, 0.8, 0.3, 0.5]);
    assert!(
        text.starts_with("distance of P(i > k) + P(k > i) from 1: 0.1"),
        "{text}"
    );
    assert!(refused([0.4, 0.8, 0.2, 0.5]).contains("from 1"));
    assert!(refused([0.5, 1.5, -0.5, 0.5]).contains("from 0 to 1"));
    assert!(refused([0.5, f64::NAN, 0.5, 0.5]).contains("NaN"));
    assert!(win_rates(&Tensor::from_slice(&[0.5])).is_err());
}

#[test]
fn bvpo_mixes_losses_and_gradients() {
    // Means 2 and 10: each over its own number of pairs.
    let trace = || Ok(Tensor::from_slice(&[1.0, 3.0]));
    let empty = || Ok(Tensor::from_slice(&[9.0, 10.0, 11.0]));
    assert_close(&mixed_loss(0.25, trace, empty).unwrap(), &[8.0], 1e-12);
    let point = [CHOSEN, REJECTED].concat();
    let part = |share: f64| {
        checked_gradient(&point, |input| {
            mixed_loss(
                share,
                || dpo_loss(&split(input), 0.3, 0.0),
                || dpo_loss(&split(&input.square()), 0.3, 0.0),
            )
            .unwrap()
        })
    };
    let expected = part(1.0) * 0.3 + part(0.0) * 0.7;
    assert_close(&part(0.3), &numbers(&expected), 1e-14);
}

#[test]
fn bvpo_at_the_ends_is_one_loss_and_skips_the_other() {
    let loss = || dpo_loss(&pairs(), 0.3, 0.0);
    let skipped = || -> Result<Tensor, _> { panic!("not to be computed") };
    let alone = numbers(&loss().unwrap().mean(Kind::Double));
    assert_eq!(numbers(&mixed_loss(1.0, loss, skipped).unwrap()), alone);
    assert_eq!(numbers(&mixed_loss(0.0, skipped, loss).unwrap()), alone);
    let none = || Ok(Tensor::from_slice::<f64>(&[]));
    for (share, told) in [(1.5, "trace_share: 1.5"), (f64::NAN, "trace_share: NaN")] {
        let text = mixed_loss(share, loss, loss).unwrap_err().to_string();
        assert!(text.starts_with(told), "{text}");
    }
    let text = mixed_loss(0.5, loss, none).unwrap_err().to_string();
    assert!(text.starts_with("empty-trace losses: shape [0]"), "{text}");
}

#[test]
fn shapes_kinds_and_numbers_are_checked() {
    let three = Tensor::from_slice(&CHOSEN);
    let column = three.view([3, 1]);
    // Broadcast, these would make [3, 3].
    let uneven = PairLogRatios {
        chosen: three.shallow_clone(),
        rejected: column.shallow_clone(),
    };
    let text = dpo_loss(&uneven, 0.1, 0.0).unwrap_err().to_string();
    assert!(text.contains("shapes [3] and [3, 1]"), "{text}");
    assert!(log_ratios(&three, &column).is_err());
    assert!(sppo_loss(&three, &column, Target::default()).is_err());
    assert!(sppo_pair_loss(&uneven, &three, Target::default()).is_err());
    let text = sequence_log_probabilities(&column, &column).unwrap_err();
    assert!(text.to_string().contains("allowed is bool"), "{text}");
    assert!(sequence_log_probabilities(&three, &three.gt(0.0)).is_err());
    for strength in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        assert!(dpo_loss(&pairs(), strength, 0.0).is_err(), "{strength}");
        let target = Target {
            step_size: strength,
            ..Target::default()
        };
        assert!(sppo_loss(&three, &three, target).is_err(), "{strength}");
    }
    let mut target = TARGET;
    target.baseline = 1.5;
    assert!(sppo_loss(&three, &three, target).is_err());
}
