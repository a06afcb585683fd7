//! One table of kernels per instruction set, chosen once per process.

use std::sync::OnceLock;

use super::attend::{self, Attend};
use super::gates::{self, GruGates, GruStep};
use super::kernels::{self, ColumnSums, Product, TransposedProduct};
use super::mix::{self, Mix, MixBackward};
use super::rowwise::{self, Capped, Gated, RmsNorm, RmsNormInPlace, SoftRow, SoftSum, SoftWeights};
use super::rowwise_backward::{
    self, GatedBackward, RmsNormBackward, SoftGradient, SoftRowBackward,
};
use super::update::{self, Squares, Update};

/// The kernels of one instruction set.
#[derive(Debug)]
pub(super) struct Kernels {
    /// The instruction set, for reports.
    pub(super) name: &'static str,
    /// Floats per vector.
    pub(super) lanes: usize,
    pub(super) product: fn(&mut Product<'_>),
    pub(super) transposed_product: fn(&mut TransposedProduct<'_>),
    pub(super) column_sums: fn(&mut ColumnSums<'_>),
    pub(super) gru_step: fn(&mut GruStep<'_>),
    pub(super) gru_gates: fn(&mut GruGates<'_>),
    pub(super) mix: fn(&mut Mix<'_>),
    pub(super) mix_backward: fn(&mut MixBackward<'_>),
    pub(super) rms_norm: fn(&mut RmsNorm<'_>),
    pub(super) rms_norm_in_place: fn(&mut RmsNormInPlace<'_>),
    pub(super) gated: fn(&mut Gated<'_>),
    pub(super) capped: fn(&mut Capped<'_>),
    pub(super) soft_sum: fn(&mut SoftSum<'_>),
    pub(super) soft_weights: fn(&mut SoftWeights<'_>),
    pub(super) attend: fn(&mut Attend<'_>),
    pub(super) rms_norm_backward: fn(&mut RmsNormBackward<'_>),
    pub(super) gated_backward: fn(&mut GatedBackward<'_>),
    pub(super) soft_gradient: fn(&mut SoftGradient<'_>),
    pub(super) soft_row: fn(&mut SoftRow<'_>),
    pub(super) soft_row_backward: fn(&mut SoftRowBackward<'_>),
    pub(super) update: fn(&mut Update<'_>),
    pub(super) squares: fn(&mut Squares<'_>),
}

/// A module of kernels compiled for `$features`.
macro_rules! level {
    ($name:ident, $features:literal, $fused:literal, $lanes:literal, $rows:literal) => {
        mod $name {
            use super::*;

            pub(super) static KERNELS: Kernels = Kernels {
                name: stringify!($name),
                lanes: $lanes,
                product: |task| enter!(product(task)),
                transposed_product: |task| enter!(transposed_product(task)),
                column_sums: |task| enter!(column_sums(task)),
                gru_step: |task| enter!(gru_step(task)),
                gru_gates: |task| enter!(gru_gates(task)),
                mix: |task| enter!(mix(task)),
                mix_backward: |task| enter!(mix_backward(task)),
                rms_norm: |task| enter!(rms_norm(task)),
                rms_norm_in_place: |task| enter!(rms_norm_in_place(task)),
                gated: |task| enter!(gated(task)),
                capped: |task| enter!(capped(task)),
                soft_sum: |task| enter!(soft_sum(task)),
                soft_weights: |task| enter!(soft_weights(task)),
                attend: |task| enter!(attend(task)),
                rms_norm_backward: |task| enter!(rms_norm_backward(task)),
                gated_backward: |task| enter!(gated_backward(task)),
                soft_gradient: |task| enter!(soft_gradient(task)),
                soft_row: |task| enter!(soft_row(task)),
                soft_row_backward: |task| enter!(soft_row_backward(task)),
                update: |task| enter!(update(task)),
                squares: |task| enter!(squares(task)),
            };

            #[target_feature(enable = $features)]
            fn product(task: &mut Product<'_>) {
                kernels::product::<$fused, $lanes, $rows>(task);
            }

            #[target_feature(enable = $features)]
            fn transposed_product(task: &mut TransposedProduct<'_>) {
                kernels::transposed_product::<$fused, $lanes, $rows>(task);
            }

            #[target_feature(enable = $features)]
            fn column_sums(task: &mut ColumnSums<'_>) {
                kernels::column_sums::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn gru_step(task: &mut GruStep<'_>) {
                gates::gru_step::<$fused, $lanes, $rows>(task);
            }

            #[target_feature(enable = $features)]
            fn gru_gates(task: &mut GruGates<'_>) {
                gates::gru_gates::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn mix(task: &mut Mix<'_>) {
                mix::mix::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn mix_backward(task: &mut MixBackward<'_>) {
                mix::mix_backward::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn rms_norm(task: &mut RmsNorm<'_>) {
                rowwise::rms_norm::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn rms_norm_in_place(task: &mut RmsNormInPlace<'_>) {
                rowwise::rms_norm_in_place::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn gated(task: &mut Gated<'_>) {
                rowwise::gated::<$fused>(task);
            }

            #[target_feature(enable = $features)]
            fn capped(task: &mut Capped<'_>) {
                rowwise::capped::<$fused>(task);
            }

            #[target_feature(enable = $features)]
            fn soft_sum(task: &mut SoftSum<'_>) {
                rowwise::soft_sum::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn soft_weights(task: &mut SoftWeights<'_>) {
                rowwise::soft_weights::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn attend(task: &mut Attend<'_>) {
                attend::attend::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn rms_norm_backward(task: &mut RmsNormBackward<'_>) {
                rowwise_backward::rms_norm_backward::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn gated_backward(task: &mut GatedBackward<'_>) {
                rowwise_backward::gated_backward::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn soft_gradient(task: &mut SoftGradient<'_>) {
                rowwise_backward::soft_gradient::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn soft_row(task: &mut SoftRow<'_>) {
                rowwise::soft_row::<$fused, $lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn soft_row_backward(task: &mut SoftRowBackward<'_>) {
                rowwise_backward::soft_row_backward::<$lanes>(task);
            }

            #[target_feature(enable = $features)]
            fn update(task: &mut Update<'_>) {
                update::update::<$fused>(task);
            }

            #[target_feature(enable = $features)]
            fn squares(task: &mut Squares<'_>) {
                update::squares::<$lanes>(task);
            }
        }
    };
}

/// Calls a function of a [`level!`].
#[cfg(target_arch = "x86_64")]
macro_rules! enter {
    ($function:ident($task:ident)) => {{
        #[expect(
            unsafe_code,
            reason = "the border between detected and assumed features"
        )]
        // SAFETY: `available` hands out a table only where its features were detected.
        unsafe {
            $function($task)
        }
    }};
}

#[cfg(target_arch = "x86_64")]
level!(
    avx512,
    "avx512f,avx512vl,avx512dq,avx512bw,fma",
    true,
    16,
    8
);
#[cfg(target_arch = "x86_64")]
level!(avx2, "avx2,fma", true, 8, 4);

/// What every machine of the target has; four lanes fit SSE2 and NEON.
static BASELINE: Kernels = Kernels {
    name: "baseline",
    lanes: 4,
    product: kernels::product::<false, 4, 4>,
    transposed_product: kernels::transposed_product::<false, 4, 4>,
    column_sums: kernels::column_sums::<4>,
    gru_step: gates::gru_step::<false, 4, 4>,
    gru_gates: gates::gru_gates::<4>,
    mix: mix::mix::<false, 4>,
    mix_backward: mix::mix_backward::<false, 4>,
    rms_norm: rowwise::rms_norm::<4>,
    rms_norm_in_place: rowwise::rms_norm_in_place::<4>,
    gated: rowwise::gated::<false>,
    capped: rowwise::capped::<false>,
    soft_sum: rowwise::soft_sum::<false, 4>,
    soft_weights: rowwise::soft_weights::<false, 4>,
    attend: attend::attend::<false, 4>,
    rms_norm_backward: rowwise_backward::rms_norm_backward::<4>,
    gated_backward: rowwise_backward::gated_backward::<false, 4>,
    soft_gradient: rowwise_backward::soft_gradient::<false, 4>,
    soft_row: rowwise::soft_row::<false, 4>,
    soft_row_backward: rowwise_backward::soft_row_backward::<4>,
    update: update::update::<false>,
    squares: update::squares::<4>,
};

/// The tables this machine can run, best first.
pub(super) fn available() -> Vec<&'static Kernels> {
    let mut tables = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("fma")
        {
            tables.push(&avx512::KERNELS);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            tables.push(&avx2::KERNELS);
        }
    }
    tables.push(&BASELINE);
    tables
}

/// The best table of this machine.
pub(super) fn best() -> &'static Kernels {
    static BEST: OnceLock<&'static Kernels> = OnceLock::new();
    BEST.get_or_init(|| available()[0])
}
