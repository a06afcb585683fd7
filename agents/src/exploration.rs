//! Choosing actions on the host: epsilon-greedy by values, or by the softmax of logits.

use nn::random::RandomStream;

/// Chooses one action per row: uniform among the allowed ones with probability `epsilon`,
/// otherwise the allowed action of the highest value (the first one on a tie).
///
/// `values` `[rows, actions]`; `mask` `[rows, actions]`, 1 = allowed; `chosen` `[rows]`.
pub fn epsilon_greedy(
    values: &[f32],
    mask: Option<&[u8]>,
    actions: usize,
    epsilon: f64,
    stream: &mut RandomStream,
    chosen: &mut [u8],
) {
    for (row, choice) in chosen.iter_mut().enumerate() {
        let values = &values[row * actions..(row + 1) * actions];
        let allowed = mask.map(|mask| &mask[row * actions..(row + 1) * actions]);
        let explore = epsilon > 0.0 && f64::from(stream.uniform()) < epsilon;
        *choice = if explore {
            uniform(allowed, actions, stream)
        } else {
            best(values, allowed)
        };
    }
}

/// Draws one action per row from the softmax of its logits over the allowed actions, or
/// takes the likeliest (the first one on a tie).
///
/// `logits` `[rows, actions]`; `mask` `[rows, actions]`, 1 = allowed; `chosen` `[rows]`.
pub fn softmax_choice(
    logits: &[f32],
    mask: Option<&[u8]>,
    actions: usize,
    sample: bool,
    stream: &mut RandomStream,
    chosen: &mut [u8],
) {
    for (row, choice) in chosen.iter_mut().enumerate() {
        let logits = &logits[row * actions..(row + 1) * actions];
        let allowed = mask.map(|mask| &mask[row * actions..(row + 1) * actions]);
        *choice = if sample {
            draw(logits, allowed, stream)
        } else {
            best(logits, allowed)
        };
    }
}

fn draw(logits: &[f32], allowed: Option<&[u8]>, stream: &mut RandomStream) -> u8 {
    let legal = |action: usize| allowed.is_none_or(|allowed| allowed[action] != 0);
    let logits = || {
        logits
            .iter()
            .enumerate()
            .filter(|(action, _)| legal(*action))
    };
    let highest = logits().fold(f32::NEG_INFINITY, |highest, (_, &logit)| highest.max(logit));
    let weight = |logit: f32| f64::from(logit - highest).exp();
    let total: f64 = logits().map(|(_, &logit)| weight(logit)).sum();
    let mut left = f64::from(stream.uniform()) * total;
    let mut last = 0;
    for (action, &logit) in logits() {
        last = action;
        left -= weight(logit);
        if left < 0.0 {
            break;
        }
    }
    last as u8
}

fn uniform(allowed: Option<&[u8]>, actions: usize, stream: &mut RandomStream) -> u8 {
    let Some(allowed) = allowed else {
        return stream.below(actions) as u8;
    };
    let count = allowed.iter().filter(|&&flag| flag != 0).count();
    let pick = stream.below(count);
    let mut candidates = (0..actions).filter(|&action| allowed[action] != 0);
    candidates.nth(pick).unwrap_or(0) as u8
}

fn best(values: &[f32], allowed: Option<&[u8]>) -> u8 {
    let mut best = None;
    for (action, &value) in values.iter().enumerate() {
        let legal = allowed.is_none_or(|allowed| allowed[action] != 0);
        if legal && best.is_none_or(|(_, highest)| value > highest) {
            best = Some((action, value));
        }
    }
    best.map_or(0, |(action, _)| action as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_respects_the_mask_and_takes_the_first_of_equals() {
        let mut stream = RandomStream::new(1, "exploration", 0);
        let mut chosen = [9u8; 2];
        let values = [1.0, 3.0, 3.0, 5.0, 0.0, 0.0];
        epsilon_greedy(&values, None, 3, 0.0, &mut stream, &mut chosen);
        assert_eq!(chosen, [1, 0]);
        let mask = [1, 0, 1, 0, 1, 1];
        epsilon_greedy(&values, Some(&mask), 3, 0.0, &mut stream, &mut chosen);
        assert_eq!(chosen, [2, 1]);
    }

    #[test]
    fn the_softmax_is_drawn_at_its_rates_without_the_forbidden() {
        let mut stream = RandomStream::new(1, "exploration", 2);
        let (logits, mask) = ([0.0, 1.0, 5.0, 0.0], [1, 1, 0, 1]);
        let mut counts = [0u32; 4];
        for _ in 0..30_000 {
            let mut chosen = [0u8];
            softmax_choice(&logits, Some(&mask), 4, true, &mut stream, &mut chosen);
            counts[chosen[0] as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        // e / (e + 2) = 0.5761 of 30,000; four standard deviations are 343.
        assert!(counts[1].abs_diff(17_283) < 343, "{counts:?}");
        let mut chosen = [9u8];
        softmax_choice(&logits, Some(&mask), 4, false, &mut stream, &mut chosen);
        assert_eq!(chosen, [1]);
    }

    #[test]
    fn exploration_has_the_asked_rate_and_never_takes_a_forbidden_action() {
        let mut stream = RandomStream::new(1, "exploration", 1);
        let (values, mask) = ([0.0, 9.0, 0.0, 0.0], [1, 1, 0, 1]);
        let mut counts = [0u32; 4];
        for _ in 0..30_000 {
            let mut chosen = [0u8];
            epsilon_greedy(&values, Some(&mask), 4, 0.3, &mut stream, &mut chosen);
            counts[chosen[0] as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        // Best action: 0.7 + 0.3 / 3 = 0.8 of 30,000, four standard deviations are 277.
        assert!(counts[1].abs_diff(24_000) < 277, "{counts:?}");
    }
}
