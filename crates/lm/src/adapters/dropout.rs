//! Masks that come out the same whenever they are asked for.

use tch::{Kind, Tensor, no_grad};

/// Dropout of one pass. A layer that is computed a second time for its gradient must drop
/// the same inputs, so that a mask is a hash of the seed, the module and the place: no state,
/// and the same on every device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dropout {
    pub(crate) seed: u64,
    pub(crate) probability: f64,
}

const WORD: i64 = 0xFFFF_FFFF;

impl Dropout {
    /// `input` `[tokens, inputs]` with some values 0 and the others scaled up. `stream` tells
    /// the modules apart.
    pub(crate) fn apply(&self, input: &Tensor, stream: u64) -> Tensor {
        let kept = no_grad(|| {
            let hash = self.hash(input, stream);
            let from = (self.probability * (1u64 << 32) as f64).round() as i64;
            let scale = 1.0 / (1.0 - self.probability);
            (hash.ge(from).to_kind(Kind::Float) * scale).to_kind(input.kind())
        });
        input * kept.view(&input.size()[..])
    }

    /// 32 mixed bits for each value, in i64 (the `lowbias32` finaliser of Wellons).
    fn hash(&self, input: &Tensor, stream: u64) -> Tensor {
        let key = mixed(self.seed ^ mixed(stream));
        let (first, second) = ((key & 0xFFFF_FFFF) as i64, (key >> 32) as i64);
        let options = (Kind::Int64, input.device());
        let mut word = Tensor::arange(input.numel() as i64, options);
        let mut scratch = word.empty_like();
        let mut fold = |word: &mut Tensor, shift: i64, factor: i64, key: i64| {
            scratch.copy_(word);
            let _ = scratch.bitwise_right_shift_tensor_scalar_(shift);
            let _ = word.bitwise_xor_tensor_(&scratch);
            let _ = word.g_mul_scalar_(factor);
            let _ = word.bitwise_and_(WORD);
            let _ = word.bitwise_xor_(key);
        };
        let _ = word.bitwise_xor_(first);
        fold(&mut word, 16, 0x7FEB_352D, second);
        fold(&mut word, 15, 0x846C_A68B, 0);
        fold(&mut word, 16, 1, 0);
        word
    }
}

/// The finaliser of splitmix64.
fn mixed(mut state: u64) -> u64 {
    state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn masks_repeat_keep_the_mean_and_differ_by_seed_and_module() {
        let ones = Tensor::ones([500, 200], (Kind::Float, Device::Cpu));
        let dropout = |seed| Dropout {
            seed,
            probability: 0.2,
        };
        let first = dropout(1).apply(&ones, 7);
        assert_eq!(first, dropout(1).apply(&ones, 7));
        let kept = |mask: &Tensor| mask.ne(0.0).to_kind(Kind::Double);
        let share = kept(&first).mean(Kind::Double).double_value(&[]);
        // Five standard deviations of 100,000 draws.
        assert!((share - 0.8).abs() < 0.0064, "{share} kept");
        assert_eq!(first.max().double_value(&[]), 1.25);
        // Independent masks agree in 0.8^2 + 0.2^2 of all places, neighbours too.
        for other in [
            dropout(2).apply(&ones, 7),
            dropout(1).apply(&ones, 8),
            first.roll([1], [1]),
        ] {
            let same = kept(&first).eq_tensor(&kept(&other)).to_kind(Kind::Double);
            let same = same.mean(Kind::Double).double_value(&[]);
            assert!((same - 0.68).abs() < 0.0075, "{same} the same");
        }
    }
}
