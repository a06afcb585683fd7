//! The derivatives of [`super::decoding`]'s norms, gates and scores, for training.

use super::dispatch;
use super::rowwise::Gate;
use super::rowwise_backward::{GatedBackward, RmsNormBackward, SoftGradient};

/// Backward through [`super::decoding::rms_norm`]: adds to `input_gradient` `[rows, width]`
/// and to `gain_gradient` `[width]`.
///
/// # Panics
/// When the lengths disagree.
pub fn rms_norm_backward(
    input: &[f32],
    gain: &[f32],
    epsilon: f32,
    output_gradient: &[f32],
    input_gradient: &mut [f32],
    gain_gradient: &mut [f32],
) {
    assert_eq!(input.len(), output_gradient.len(), "a norm keeps the shape");
    assert_eq!(input.len(), input_gradient.len(), "a norm keeps the shape");
    assert_eq!(gain.len(), gain_gradient.len(), "a gradient for each gain");
    assert!(input.len().is_multiple_of(gain.len()), "rows are whole");
    (dispatch::best().rms_norm_backward)(&mut RmsNormBackward {
        input,
        gain,
        epsilon,
        output_gradient,
        input_gradient,
        gain_gradient,
    });
}

/// Backward through [`super::decoding::gated`]: `both_gradient` `[rows, 2 width]`.
///
/// # Panics
/// When the lengths disagree.
pub fn gated_backward(
    gate: Gate,
    both: &[f32],
    width: usize,
    output_gradient: &[f32],
    both_gradient: &mut [f32],
) {
    assert_eq!(both.len(), both_gradient.len(), "a gradient for each input");
    assert_eq!(both.len(), 2 * output_gradient.len(), "two for each output");
    assert!(output_gradient.len().is_multiple_of(width), "whole rows");
    (dispatch::best().gated_backward)(&mut GatedBackward {
        gate,
        both,
        width,
        output_gradient,
        both_gradient,
    });
}

/// Replaces `scores` `[vocabulary]` by `weight` times the gradient of `target`'s
/// log-probability with respect to them; where they were capped with `cap`, with respect to
/// those before.
///
/// # Panics
/// When `target` is not below the number of scores.
pub fn soft_gradient(scores: &mut [f32], target: usize, weight: f32, cap: Option<f32>) {
    assert!(target < scores.len(), "a target of the vocabulary");
    (dispatch::best().soft_gradient)(&mut SoftGradient {
        scores,
        target,
        weight,
        cap,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::flat_values;
    use crate::random::RandomStream;
    use tch::{Kind, Tensor};

    fn drawn(stream: &mut RandomStream, count: usize) -> Vec<f32> {
        (0..count).map(|_| 4.0 * (stream.uniform() - 0.5)).collect()
    }

    fn leaf(values: &[f32], width: usize) -> Tensor {
        let tensor = Tensor::from_slice(values).view([-1, width as i64]);
        tensor.set_requires_grad(true)
    }

    fn pulled(output: &Tensor, behind: &[f32], leaves: &[&Tensor]) -> Vec<Tensor> {
        let behind = Tensor::from_slice(behind).view(&output.size()[..]);
        let product = (output * behind).sum(Kind::Float);
        Tensor::f_run_backward(&[&product], leaves, false, false).unwrap()
    }

    fn near(ours: &[f32], theirs: &Tensor, what: &str) {
        let theirs = flat_values(&theirs.reshape([-1]));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let off = (ours - theirs).abs() / theirs.abs().max(1.0);
            assert!(off < 5e-6, "{what}: {ours} against {theirs}");
        }
    }

    #[test]
    fn norms_are_autograd_s() {
        let mut stream = RandomStream::new(1, "norm", 0);
        for width in [3, 24, 64, 131] {
            let (input, gain) = (drawn(&mut stream, 5 * width), drawn(&mut stream, width));
            let behind = drawn(&mut stream, 5 * width);
            let (mut before, mut of_gain) = (vec![1.0; 5 * width], vec![2.0; width]);
            rms_norm_backward(&input, &gain, 1e-5, &behind, &mut before, &mut of_gain);
            let (x, g) = (leaf(&input, width), leaf(&gain, width));
            let mean = x.square().mean_dim(-1, true, Kind::Float);
            let output = &x * (mean + 1e-5).rsqrt() * &g;
            let wanted = pulled(&output, &behind, &[&x, &g]);
            near(&before, &(&wanted[0] + 1.0), "input");
            near(&of_gain, &(&wanted[1] + 2.0), "gain");
        }
    }

    #[test]
    fn gates_are_autograd_s() {
        let mut stream = RandomStream::new(2, "gates", 0);
        for (gate, width) in [(Gate::Silu, 37), (Gate::GeluTanh, 16), (Gate::Gelu, 50)] {
            let (both, behind) = (drawn(&mut stream, 6 * width), drawn(&mut stream, 3 * width));
            let mut before = vec![f32::NAN; 6 * width];
            gated_backward(gate, &both, width, &behind, &mut before);
            let leaf = leaf(&both, 2 * width);
            let parts = leaf.chunk(2, -1);
            let opened = match gate {
                Gate::Silu => parts[0].silu(),
                Gate::GeluTanh => parts[0].gelu("tanh"),
                Gate::Gelu => parts[0].gelu("none"),
            };
            let wanted = pulled(&(opened * &parts[1]), &behind, &[&leaf]);
            near(&before, &wanted[0], "gate");
        }
    }

    #[test]
    fn scores_are_autograd_s() {
        let mut stream = RandomStream::new(3, "scores", 0);
        for (count, target, cap) in [(7, 0, None), (131, 130, None), (100, 31, Some(1.5))] {
            let raw = leaf(&drawn(&mut stream, count), count);
            let capped = match cap {
                Some(cap) => (&raw / f64::from(cap)).tanh() * f64::from(cap),
                None => raw.shallow_clone(),
            };
            let log = capped.log_softmax(-1, Kind::Float).narrow(1, target, 1);
            let wanted = pulled(&log, &[0.7], &[&raw]);
            let mut scores = flat_values(&capped.detach().view([-1]));
            soft_gradient(&mut scores, target as usize, 0.7, cap);
            near(&scores, &wanted[0], "scores");
        }
    }
}
