//! How a step runs over a flat buffer: by hand-made kernels and threads, or by LibTorch.

use std::thread;

use tch::{Kind, Tensor, no_grad};

use super::{Optimiser, OptimiserKind, StepSettings};
use crate::fused::{self, Update};
use crate::slices;

/// Numbers of one task of a thread.
const PIECE: usize = 1 << 16;

/// From this many numbers on, starting a thread costs little beside its work.
const SHARED_FROM: usize = 1 << 20;

impl Optimiser {
    /// One pass over memory; none where some buffer is not plain memory of this process.
    pub(super) fn by_kernels(
        &mut self,
        values: &mut Tensor,
        gradient: &mut Tensor,
        rounded: Option<&mut Tensor>,
        settings: &StepSettings<'_>,
    ) -> Option<()> {
        let mut whole = Update {
            rule: self.kind.rule(settings.learning_rate, self.steps),
            scale: settings.gradient_scale as f32,
            shrink: 1.0,
            penalty: 0.0,
            values: slices::of_f32_mut(values)?,
            gradient: slices::of_f32_mut(gradient)?,
            first: buffer(&mut self.first)?,
            second: buffer(&mut self.second)?,
            rounded: match rounded {
                Some(tensor) => slices::of_bf16_mut(tensor)?,
                None => &mut [],
            },
        };
        if settings.decayed.is_empty() || settings.weight_decay == 0.0 {
            if whole.values.len() < SHARED_FROM {
                fused::update(&mut whole);
            } else {
                run(cut(whole, PIECE, Vec::new()));
            }
            return Some(());
        }
        let mut tasks = Vec::new();
        let mut place = 0;
        for range in settings.decayed {
            let (before, rest) = divide(whole, range.start - place);
            let (mut within, after) = divide(rest, range.len());
            decay(&mut within, self.kind, settings);
            tasks = cut(within, PIECE, cut(before, PIECE, tasks));
            whole = after;
            place = range.end;
        }
        run(cut(whole, PIECE, tasks));
        Some(())
    }

    /// The same by LibTorch, a call for each operation.
    pub(super) fn by_calls(
        &mut self,
        values: &mut Tensor,
        gradient: &Tensor,
        settings: &StepSettings<'_>,
    ) {
        let plain = settings.gradient_scale == 1.0 && settings.decayed.is_empty();
        let mut slope = if plain {
            gradient.shallow_clone()
        } else {
            gradient * settings.gradient_scale
        };
        for range in settings.decayed {
            let within = |all: &Tensor| all.narrow(0, range.start as i64, range.len() as i64);
            let mut decayed = within(values);
            if decouples(self.kind) {
                let _ = decayed.g_mul_scalar_(1.0 - settings.learning_rate * settings.weight_decay);
            } else {
                let _ = within(&slope).g_add_(&(decayed * settings.weight_decay));
            }
        }
        let rate = settings.learning_rate;
        match (self.kind, &mut self.first, &mut self.second) {
            (
                OptimiserKind::Adam {
                    beta1,
                    beta2,
                    epsilon,
                },
                Some(first),
                Some(second),
            ) => {
                let power = self.steps as f64;
                let correction1 = 1.0 - beta1.powf(power);
                let correction2 = 1.0 - beta2.powf(power);
                let _ = first.lerp_(&slope, 1.0 - beta1);
                let _ = second.g_mul_scalar_(beta2);
                let _ = second.addcmul_(&(&slope * (1.0 - beta2)), &slope);
                let mut denominator = second.sqrt();
                let _ = denominator
                    .g_div_scalar_(correction2.sqrt())
                    .g_add_scalar_(epsilon);
                let _ = denominator.reciprocal_().g_mul_(first);
                let _ = denominator.g_mul_scalar_(-rate / correction1);
                let _ = values.g_add_(&denominator);
            }
            (OptimiserKind::RmsProp { alpha, epsilon }, _, Some(second)) => {
                let _ = second.g_mul_scalar_(alpha);
                let _ = second.addcmul_(&(&slope * (1.0 - alpha)), &slope);
                let mut denominator = second.sqrt();
                let _ = denominator.g_add_scalar_(epsilon);
                let _ = values.g_add_(&(slope / denominator * -rate));
            }
            (OptimiserKind::Sgd { momentum }, first, _) => {
                if let Some(first) = first {
                    let _ = first.g_mul_scalar_(momentum).g_add_(&slope);
                    slope = first.shallow_clone();
                }
                let _ = values.g_add_(&(slope * -rate));
            }
            _ => unreachable!("each rule has the buffers it asked for"),
        }
    }
}

/// The numbers of a buffer, none where the rule has no such buffer.
fn buffer(tensor: &mut Option<Tensor>) -> Option<&mut [f32]> {
    match tensor {
        Some(tensor) => slices::of_f32_mut(tensor),
        None => Some(&mut []),
    }
}

fn decouples(kind: OptimiserKind) -> bool {
    matches!(kind, OptimiserKind::Adam { .. })
}

fn decay(task: &mut Update<'_>, kind: OptimiserKind, settings: &StepSettings<'_>) {
    if decouples(kind) {
        task.shrink = (1.0 - settings.learning_rate * settings.weight_decay) as f32;
    } else {
        task.penalty = settings.weight_decay as f32;
    }
}

/// The first `count` numbers of a task, and the rest.
fn divide(task: Update<'_>, count: usize) -> (Update<'_>, Update<'_>) {
    fn at<T>(values: &mut [T], count: usize) -> (&mut [T], &mut [T]) {
        let count = count.min(values.len());
        values.split_at_mut(count)
    }
    let Update {
        rule,
        scale,
        shrink,
        penalty,
        values,
        gradient,
        first,
        second,
        rounded,
    } = task;
    let values = at(values, count);
    let gradient = at(gradient, count);
    let first = at(first, count);
    let second = at(second, count);
    let rounded = at(rounded, count);
    let part = |values, gradient, first, second, rounded| Update {
        rule,
        scale,
        shrink,
        penalty,
        values,
        gradient,
        first,
        second,
        rounded,
    };
    (
        part(values.0, gradient.0, first.0, second.0, rounded.0),
        part(values.1, gradient.1, first.1, second.1, rounded.1),
    )
}

/// Adds `task` to `tasks` in pieces.
fn cut<'a>(mut task: Update<'a>, piece: usize, mut tasks: Vec<Update<'a>>) -> Vec<Update<'a>> {
    while task.values.len() > piece {
        let (first, rest) = divide(task, piece);
        tasks.push(first);
        task = rest;
    }
    tasks.push(task);
    tasks
}

/// Runs all tasks, on as many threads as LibTorch has, where there is enough to do.
fn run(mut tasks: Vec<Update<'_>>) {
    let numbers: usize = tasks.iter().map(|task| task.values.len()).sum();
    shared(&mut tasks, numbers, |tasks| {
        for task in tasks {
            fused::update(task);
        }
    });
}

/// Calls `work` on parts of `tasks`, `numbers` in all, on this thread and others.
fn shared<T: Send>(tasks: &mut [T], numbers: usize, work: impl Fn(&mut [T]) + Sync) {
    let threads = tch::get_num_threads().max(1) as usize;
    if threads == 1 || numbers < SHARED_FROM {
        work(tasks);
        return;
    }
    let share = tasks.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let mut parts = tasks.chunks_mut(share);
        let own = parts.next();
        for part in parts {
            scope.spawn(|| work(part));
        }
        work(own.unwrap_or_default());
    });
}

/// The Euclidean norm of a gradient, its squares summed in f64. Not a finite number where the
/// gradient holds one that is not.
pub fn gradient_norm(gradient: &Tensor) -> f64 {
    let Some(values) = slices::of_f32(gradient) else {
        let norm = no_grad(|| gradient.norm().to_kind(Kind::Double));
        return norm.double_value(&[]);
    };
    // The same pieces whatever the threads: the same sum.
    let mut sums: Vec<(&[f32], f64)> = values.chunks(PIECE).map(|piece| (piece, 0.0)).collect();
    shared(&mut sums, values.len(), |sums| {
        for (piece, sum) in sums {
            *sum = fused::squares(piece);
        }
    });
    sums.iter().map(|(_, sum)| sum).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomStream;

    fn drawn(count: usize, index: u64) -> Tensor {
        let mut stream = RandomStream::new(5, "flat", index);
        let values: Vec<f32> = (0..count).map(|_| 2.0 * stream.uniform() - 1.0).collect();
        Tensor::from_slice(&values)
    }

    #[test]
    fn kernels_do_what_the_calls_do() {
        const COUNT: usize = SHARED_FROM + 77;
        let settings = StepSettings {
            learning_rate: 3e-3,
            gradient_scale: 0.5,
            weight_decay: 0.1,
            decayed: &[10..70_000, 300_000..300_001],
        };
        let rms_prop = OptimiserKind::RmsProp {
            alpha: 0.99,
            epsilon: 1e-5,
        };
        let momentum = OptimiserKind::Sgd { momentum: 0.9 };
        let plain = OptimiserKind::Sgd { momentum: 0.0 };
        for kind in [OptimiserKind::ADAM, rms_prop, momentum, plain] {
            let [mut left, mut right] = [0, 0].map(|index| drawn(COUNT, index));
            let mut short = right.to_kind(Kind::BFloat16);
            let mut kernels = Optimiser::over(kind, 0.0, &left).unwrap();
            let mut calls = Optimiser::over(kind, 0.0, &left).unwrap();
            for step in 1..4 {
                let mut gradient = drawn(COUNT, step);
                calls.steps += 1;
                no_grad(|| calls.by_calls(&mut right, &gradient, &settings));
                kernels.step_over(&mut left, &mut gradient, Some(&mut short), &settings);
                assert_eq!(gradient.abs().max().double_value(&[]), 0.0);
                let off = (&left - &right).abs().max().double_value(&[]);
                assert!(off < 1e-6, "{kind:?}, step {step}: off by {off}");
                let off = (&short - left.to_kind(Kind::BFloat16)).abs().max();
                assert_eq!(
                    off.double_value(&[]),
                    0.0,
                    "{kind:?}: rounded as LibTorch rounds"
                );
            }
        }
    }

    #[test]
    fn norms_are_sums_in_double_precision() {
        const COUNT: usize = SHARED_FROM + 77;
        let norm = gradient_norm(&drawn(COUNT, 1));
        let wanted = drawn(COUNT, 1)
            .to_kind(Kind::Double)
            .norm()
            .double_value(&[]);
        assert!((norm - wanted).abs() < 1e-9 * wanted);
        let broken = drawn(COUNT, 1);
        let _ = broken.get(COUNT as i64 - 1).fill_(f64::NAN);
        assert!(gradient_norm(&broken).is_nan());
    }
}
