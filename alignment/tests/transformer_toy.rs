//! BVPO's toy B: a transformer whose traces are all listed (the specification's section 6).
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use alignment::games::trace_language::{ANSWERS, PROMPTS, TRACES, Text, Texts};
use alignment::games::trace_transformer::{log_probabilities, parameter_count, scores};
use alignment::games::transformer_descent::{Share, Steps, descend, descend_exactly};
use alignment::games::transformer_toy::{Listed, TransformerToy};
use nn::random::RandomStream;
use tch::{Tensor, no_grad};

const STRENGTH: f64 = 0.5;
const DRIFT: f64 = 0.1;

fn toy() -> TransformerToy {
    seeded(false)
}

fn seeded(empty_swapped: bool) -> TransformerToy {
    // Handing such small tensors over to another thread costs more than computing them.
    tch::set_num_threads(1);
    TransformerToy::random(STRENGTH, empty_swapped, 0).unwrap()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor).unwrap()
}

#[track_caller]
fn assert_close(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} within {tolerance}"
    );
}

#[track_caller]
fn assert_all_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert_close(*actual, *expected, tolerance);
    }
}

#[test]
fn responses_of_a_prompt_are_all_listed_and_a_texts_gradient_is_its_own() {
    let toy = toy();
    let mut texts = Vec::new();
    for prompt in 0..PROMPTS {
        for trace in 0..TRACES {
            texts.extend((0..ANSWERS).map(|answer| Text {
                prompt,
                trace,
                answer,
                trace_scored: true,
            }));
        }
    }
    let all = Texts::new(&texts).unwrap();
    let log = no_grad(|| log_probabilities(&toy.reference().unsqueeze(0), &all)).unwrap();
    for prompt in numbers(&log.exp()).chunks_exact(TRACES * ANSWERS) {
        assert_close(prompt.iter().sum(), 1.0, 1e-12);
    }

    // The answer after an empty trace, given that trace: log pi(r, y|x) - log pi(r|x).
    let given = |trace_scored| Text {
        prompt: 1,
        trace: 0,
        answer: 7,
        trace_scored,
    };
    let few = [texts[100], given(true), given(false)];
    let (log, gradients) = scores(toy.reference(), &Texts::new(&few).unwrap()).unwrap();
    assert!(numbers(&log)[1] < numbers(&log)[2]);
    for (row, text) in few.iter().enumerate() {
        let gradient = numbers(&gradients.get(row as i64));
        let alone = Texts::new(&[*text]).unwrap();
        let mut stream = RandomStream::new(row as u64, "places", 0);
        for place in stream.distinct(25, parameter_count()) {
            let moved = |by: f64| {
                let policy = toy.reference().copy();
                let _ = policy.get(place as i64).g_add_scalar_(by);
                let log = no_grad(|| log_probabilities(&policy.unsqueeze(0), &alone)).unwrap();
                log.double_value(&[0])
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert_close(gradient[place], difference, 1e-7);
        }
    }
}

/// The three gradients by their definitions against the sums over listed traces.
#[test]
fn listed_gradients_are_those_of_the_losses() {
    let toy = toy();
    let policy = toy.drifted(DRIFT, 1).unwrap();
    let listed = toy.listed(&policy).unwrap();
    let traces = toy.drawn_traces(&mut RandomStream::new(1, "draw", 0));
    let trace = listed
        .gradient(&toy.trace_weights(&listed, &traces))
        .unwrap();
    let empty = listed.gradient(&toy.empty_weights(&listed)).unwrap();
    let by_loss = |share| numbers(&toy.mixed_gradient(&policy, &traces, share).unwrap());
    assert_all_close(&by_loss(1.0), &trace, 1e-13);
    assert_all_close(&by_loss(0.0), &empty, 1e-13);
    let mixed: Vec<f64> = trace
        .iter()
        .zip(&empty)
        .map(|(t, e)| 0.3 * t + 0.7 * e)
        .collect();
    assert_all_close(&by_loss(0.3), &mixed, 1e-13);

    let mean = listed.gradient(&toy.marginal_weights(&listed)).unwrap();
    let mut stream = RandomStream::new(2, "places", 0);
    for place in stream.distinct(25, parameter_count()) {
        let moved = |by: f64| {
            let policy = policy.copy();
            let _ = policy.get(place as i64).g_add_scalar_(by);
            toy.marginal_loss(&policy).unwrap()
        };
        let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert_close(mean[place], difference, 1e-8);
    }
}

#[test]
fn the_closed_form_is_the_best_share_and_beats_both_ends() {
    let toy = toy();
    let start = toy.moments(&toy.listed(toy.reference()).unwrap());
    // Traces of the reference are unbiased at the reference only.
    assert!(start.trace_bias.abs() < 1e-20, "{}", start.trace_bias);
    for drift in [0.0, 0.05, 0.1, 0.2] {
        let moments = toy.moments(&toy.listed(&toy.drifted(drift, 1).unwrap()).unwrap());
        assert!(drift == 0.0 || moments.trace_bias > 1e-8);
        let share = moments.best_share();
        let grid = (0..=10_000).map(|place| f64::from(place) / 10_000.0);
        let best = grid
            .min_by(|a, b| {
                let error = |share: &f64| moments.mean_square_error(*share);
                error(a).total_cmp(&error(b))
            })
            .unwrap();
        assert_close(share, best, 0.000_051);
        assert!(share > 0.0 && share < 1.0, "{share}");
        let least = moments.mean_square_error(share);
        assert!(least < moments.mean_square_error(0.0));
        assert!(least < moments.mean_square_error(1.0));
    }
}

/// Sums over draws of a gradient and of its squared length and distance from `mu`.
struct Draws {
    sum: Vec<f64>,
    square: f64,
    error: f64,
    count: f64,
}

impl Draws {
    fn new() -> Self {
        Self {
            sum: vec![0.0; parameter_count()],
            square: 0.0,
            error: 0.0,
            count: 0.0,
        }
    }

    fn see(&mut self, gradient: &[f64], mean: &[f64]) {
        self.square += dot(gradient, gradient);
        for ((sum, number), mean) in self.sum.iter_mut().zip(gradient).zip(mean) {
            *sum += number;
            self.error += (number - mean) * (number - mean);
        }
        self.count += 1.0;
    }

    fn variance(&self) -> f64 {
        (self.square - dot(&self.sum, &self.sum) / self.count) / (self.count - 1.0)
    }
}

#[test]
fn drawn_mixtures_have_the_variance_and_error_of_theory() {
    let toy = toy();
    let policy = toy.drifted(DRIFT, 1).unwrap();
    let listed = toy.listed(&policy).unwrap();
    let moments = toy.moments(&listed);
    let mean = listed.gradient(&toy.marginal_weights(&listed)).unwrap();
    let shares = [0.0, 0.25, 0.5, 0.75, 1.0];
    let mut draws: Vec<Draws> = shares.iter().map(|_| Draws::new()).collect();
    let mut four = Draws::new();
    let mut stream = RandomStream::new(3, "draws", 0);
    let mut kept = Vec::new();
    for _ in 0..4000 {
        // Both halves through the loss of a run, so that the empty one's variance is measured too.
        let traces = toy.drawn_traces(&mut stream);
        let half = |share| numbers(&toy.mixed_gradient(&policy, &traces, share).unwrap());
        let (trace, empty) = (half(1.0), half(0.0));
        for (share, draws) in shares.iter().zip(&mut draws) {
            let mixed = trace.iter().zip(&empty);
            let mixed: Vec<f64> = mixed.map(|(t, e)| share * t + (1.0 - share) * e).collect();
            draws.see(&mixed, &mean);
        }
        kept.push(trace);
        if kept.len() == 4 {
            let average = (0..mean.len())
                .map(|place| kept.iter().map(|gradient| gradient[place]).sum::<f64>() / 4.0);
            four.see(&average.collect::<Vec<_>>(), &mean);
            kept.clear();
        }
    }
    let whole = draws[4].variance();
    assert_close(whole / moments.trace_variance, 1.0, 0.05);
    assert!(draws[0].variance().abs() < 1e-9 * whole);
    for (share, draws) in shares.iter().zip(&draws) {
        assert_close(draws.variance() / whole, share * share, 1e-9);
        let expected = moments.mean_square_error(*share);
        assert_close(draws.error / draws.count / expected, 1.0, 0.05);
    }
    // The mean over four traces.
    let expected = moments.trace_variance / 4.0 + moments.trace_bias;
    assert_close(four.error / four.count / expected, 1.0, 0.08);
}

#[test]
fn an_empty_trace_that_contradicts_the_rest_is_given_up() {
    // The pairs without traces prefer the other answers. The further the policy has come in what the
    // whole wants, the more they pull it back.
    let (toy, swapped) = (toy(), seeded(true));
    let policies = descend_exactly(&toy, 0.03, &[0, 20, 150]).unwrap();
    let shares = |toy: &TransformerToy| -> Vec<f64> {
        let of = |policy| toy.moments(&toy.listed(policy).unwrap()).best_share();
        policies.iter().map(of).collect()
    };
    let (agreeing, contradicting) = (shares(&toy), shares(&swapped));
    assert!(contradicting[0] > agreeing[0] && contradicting[1] > contradicting[0]);
    assert!(contradicting[2] > 0.9, "{contradicting:?}");
    assert!(agreeing[2] < 0.01, "{agreeing:?}");
}

#[test]
fn descents_lower_the_exact_loss_and_repeat_themselves() {
    let toy = toy();
    let steps = Steps {
        count: 40,
        interval: 20,
    };
    let run = |share, seed| descend(&toy, share, 0.03, steps, seed).unwrap();
    let half = run(Share::Fixed(0.5), 1);
    assert_eq!(
        half.iter().map(|point| point.step).collect::<Vec<_>>(),
        [0, 20, 40]
    );
    assert_close(half[0].loss, std::f64::consts::LN_2, 1e-12);
    assert!(half[1].loss < half[0].loss && half[2].loss < half[1].loss);
    assert_eq!(half, run(Share::Fixed(0.5), 1));
    assert_ne!(half, run(Share::Fixed(0.5), 2));
    // Nothing in the empty-trace gradient is drawn.
    assert_eq!(run(Share::Fixed(0.0), 1), run(Share::Fixed(0.0), 2));
    let best = run(Share::Best, 1);
    assert!(best[2].loss < best[0].loss);
    let listed: Listed = toy.listed(toy.reference()).unwrap();
    assert_eq!(best[0].share, toy.moments(&listed).best_share());
}
