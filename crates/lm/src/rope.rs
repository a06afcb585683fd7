//! Rotary position embeddings (Su et al. 2021) and their scalings.
//!
//! Pairs are `(d, d + width / 2)`, the layout of Hugging Face checkpoints. Frequencies are
//! computed with the operations of `transformers`, in f32 and in its order, so that they are
//! the same bits on the CPU.

use tch::{Device, Kind, Tensor};

/// How the frequencies are stretched for longer texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    Plain,
    /// All by the same factor (Chen et al. 2023).
    Linear {
        /// The stretch.
        factor: f64,
    },
    /// The low frequencies only, with a ramp between (Llama 3.1).
    Llama3 {
        /// The stretch of low frequencies.
        factor: f64,
        /// Wavelengths above `original / low` are stretched whole.
        low: f64,
        /// Wavelengths below `original / high` are left alone.
        high: f64,
        /// Tokens of the first training.
        original: usize,
    },
    /// By a ramp over dimensions, with warmer scores (Peng et al. 2023).
    Yarn {
        /// The stretch.
        factor: f64,
        /// Tokens of the first training.
        original: usize,
        /// Multiplies cosine and sine.
        attention: f64,
        /// Turns within `original` above which a dimension is left alone.
        beta_fast: f64,
        /// Turns within `original` below which a dimension is stretched whole.
        beta_slow: f64,
        /// Whether the borders are rounded to dimensions.
        truncate: bool,
    },
    /// By a factor for each dimension, one set for short texts and one for long ones
    /// (Ding et al. 2024).
    LongRope {
        /// Factors up to `original` tokens.
        short: Vec<f64>,
        /// Factors beyond.
        long: Vec<f64>,
        /// Tokens of the first training.
        original: usize,
        /// Multiplies cosine and sine.
        attention: f64,
    },
}

/// One rotation.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Dimensions that turn, the first ones of a head.
    pub width: usize,
    /// The base of the wavelengths.
    pub theta: f64,
    /// The stretch.
    pub scaling: Scaling,
}

impl Rope {
    /// The length beyond which all frequencies change, when there is one. Keys of a cache
    /// made on one side of it are of no use on the other.
    pub fn switch_length(&self) -> Option<usize> {
        match &self.scaling {
            Scaling::LongRope { original, .. } => Some(*original),
            _ => None,
        }
    }

    /// Angles per token for texts of up to `length` tokens. `[width / 2]`, f32, CPU.
    pub fn inverse_frequencies(&self, length: usize) -> Tensor {
        let powers = self.powers();
        match &self.scaling {
            Scaling::Plain => powers.reciprocal(),
            Scaling::Linear { factor } => powers.reciprocal() / *factor,
            Scaling::Llama3 {
                factor,
                low,
                high,
                original,
            } => llama3(&powers.reciprocal(), *factor, [*low, *high], *original),
            Scaling::Yarn {
                factor,
                original,
                beta_fast,
                beta_slow,
                truncate,
                ..
            } => {
                let ramp = self.ramp([*beta_fast, *beta_slow], *original, *truncate);
                let kept: Tensor = 1.0 - ramp;
                let stretched = (&powers * *factor).reciprocal();
                let stretched_part = stretched * (1.0 - &kept);
                stretched_part + powers.reciprocal() * kept
            }
            Scaling::LongRope {
                short,
                long,
                original,
                ..
            } => {
                let factors = if length > *original { long } else { short };
                let factors = Tensor::from_slice(factors).to_kind(Kind::Float);
                (factors * powers).reciprocal()
            }
        }
    }

    fn attention_factor(&self) -> f64 {
        match self.scaling {
            Scaling::Yarn { attention, .. } | Scaling::LongRope { attention, .. } => attention,
            _ => 1.0,
        }
    }

    /// `theta ^ (2 k / width)`. `[width / 2]`.
    fn powers(&self) -> Tensor {
        let even = Tensor::arange_start_step(0, self.width as i64, 2, (Kind::Int64, Device::Cpu));
        let exponents = even.to_kind(Kind::Float) / self.width as f64;
        Tensor::pow_scalar(self.theta, &exponents)
    }

    /// 0 where a dimension is left alone, 1 where it is stretched whole. `[width / 2]`.
    fn ramp(&self, betas: [f64; 2], original: usize, truncate: bool) -> Tensor {
        let width = self.width as f64;
        let border = |turns: f64| {
            let ratio = original as f64 / (turns * 2.0 * std::f64::consts::PI);
            width * ratio.ln() / (2.0 * self.theta.ln())
        };
        let [mut low, mut high] = betas.map(border);
        if truncate {
            low = low.floor();
            high = high.ceil();
        }
        low = low.max(0.0);
        high = high.min(width - 1.0);
        if low == high {
            high += 0.001;
        }
        let dimensions = Tensor::arange(self.width as i64 / 2, (Kind::Float, Device::Cpu));
        ((dimensions - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Cosine and signed sine of every position, `[.., width]` each, of type `kind`.
    ///
    /// The first half of the sine is negative: [`rotate`] then needs no other sign.
    /// `positions` `[..]` i64; `length` is that of the longest text among them.
    pub fn angles(&self, positions: &Tensor, length: usize, kind: Kind) -> (Tensor, Tensor) {
        let frequencies = self.inverse_frequencies(length);
        let frequencies = frequencies.to_device(positions.device());
        let angles = positions.to_kind(Kind::Float).unsqueeze(-1) * frequencies;
        let factor = self.attention_factor();
        let (mut cosine, mut sine) = (calmly(&angles, Tensor::cos), calmly(&angles, Tensor::sin));
        if factor != 1.0 {
            cosine *= factor;
            sine *= factor;
        }
        let cosine = Tensor::cat(&[&cosine, &cosine], -1);
        let sine = Tensor::cat(&[&sine.neg(), &sine], -1);
        (cosine.to_kind(kind), sine.to_kind(kind))
    }
}

/// `function` of every one of `angles`, in pieces that MKL does not share between its
/// threads: those would spin on the cores that the kernels of a pass want next.
fn calmly(angles: &Tensor, function: fn(&Tensor) -> Tensor) -> Tensor {
    const PIECE: i64 = 512;
    if angles.device() != Device::Cpu || angles.numel() as i64 <= PIECE {
        return function(angles);
    }
    let pieces = angles.reshape([-1]).split(PIECE, 0);
    let pieces: Vec<Tensor> = pieces.iter().map(function).collect();
    Tensor::cat(&pieces, 0).view(&angles.size()[..])
}

/// Llama 3.1: waves longer than `original / low` are stretched, those shorter than
/// `original / high` are not, and between them the stretch fades.
fn llama3(inverse: &Tensor, factor: f64, [low, high]: [f64; 2], original: usize) -> Tensor {
    let original = original as f64;
    let wavelength = inverse.reciprocal() * (2.0 * std::f64::consts::PI);
    let stretched = inverse / factor;
    let is_long = wavelength.gt(original / low);
    let is_short = wavelength.lt(original / high);
    let smooth = (wavelength.reciprocal() * original - low) / (high - low);
    let faded: Tensor = (1.0 - &smooth) * &stretched + smooth * inverse;
    let outer = stretched.where_self(&is_long, inverse);
    let between = is_long.logical_or(&is_short).logical_not();
    faded.where_self(&between, &outer)
}

/// Turns the first `width` dimensions of every head: pair `(a, b)` by angle `t` to
/// `(a cos t - b sin t, b cos t + a sin t)`.
///
/// `heads` `[.., head_dim]`; `cosine` and `sine` of [`Rope::angles`], `[.., width]`,
/// broadcast.
pub fn rotate(heads: &Tensor, cosine: &Tensor, sine: &Tensor) -> Tensor {
    let width = cosine.size().last().copied().unwrap_or(0);
    let head_dim = heads.size().last().copied().unwrap_or(0);
    if width == head_dim {
        return turn(heads, cosine, sine);
    }
    let turned = turn(&heads.narrow(-1, 0, width), cosine, sine);
    let rest = heads.narrow(-1, width, head_dim - width);
    Tensor::cat(&[&turned, &rest], -1)
}

fn turn(heads: &Tensor, cosine: &Tensor, sine: &Tensor) -> Tensor {
    let width = cosine.size().last().copied().unwrap_or(0);
    let swapped = heads.roll([width / 2], [-1]);
    (heads * cosine).addcmul(&swapped, sine)
}
