//! One table of kernels per instruction set, chosen once per process.

use std::sync::OnceLock;

use super::gates::{self, GruGates, GruStep};
use super::kernels::{self, ColumnSums, Product, TransposedProduct};
use super::mix::{self, Mix, MixBackward};

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
