//! Against LibTorch, text by text, with autograd.

use tch::{Device, Kind, Tensor};

use super::*;
use crate::parameters::flat_values;
use crate::random::RandomStream;

struct Case {
    heads: usize,
    kv_heads: usize,
    width: usize,
    turned: usize,
    window: Option<usize>,
    norms: bool,
}

fn drawn(stream: &mut RandomStream, count: usize) -> Vec<f32> {
    (0..count).map(|_| 2.0 * (stream.uniform() - 0.5)).collect()
}

fn matrix(values: &[f32], width: usize) -> Tensor {
    Tensor::from_slice(values).view([-1, width as i64])
}

/// `heads` `[places, heads, width]`, normed and turned.
fn placed(heads: &Tensor, gain: Option<&Tensor>, cosine: &Tensor, sine: &Tensor) -> Tensor {
    let turned = cosine.size()[1];
    let width = heads.size()[2];
    let heads = match gain {
        Some(gain) => {
            let mean = heads.square().mean_dim(-1, true, Kind::Float);
            heads * (mean + 1e-5).rsqrt() * gain
        }
        None => heads.shallow_clone(),
    };
    let own = heads.narrow(2, 0, turned);
    let swapped = own.roll([turned / 2], [-1]);
    let own = own * cosine.unsqueeze(1) + swapped * sine.unsqueeze(1);
    Tensor::cat(&[own, heads.narrow(2, turned, width - turned)], 2)
}

/// The output at the places of every tree, by one masked softmax over all places.
fn wanted(
    case: &Case,
    all: &Tensor,
    trees: &[Tree],
    turns: [&Tensor; 2],
    gains: &[Tensor],
) -> Tensor {
    let (heads, kv_heads) = (case.heads as i64, case.kv_heads as i64);
    let places = all.size()[0];
    let all = all.view([places, heads + 2 * kv_heads, case.width as i64]);
    let queries = placed(&all.narrow(1, 0, heads), gains.first(), turns[0], turns[1]);
    let keys = placed(
        &all.narrow(1, heads, kv_heads),
        gains.get(1),
        turns[0],
        turns[1],
    );
    let values = all.narrow(1, heads + kv_heads, kv_heads);
    let group = heads / kv_heads;
    let [keys, values] = [keys, values].map(|part| part.repeat_interleave_self_int(group, 1, None));
    let [queries, keys, values] = [queries, keys, values].map(|part| part.transpose(0, 1));
    let scores = queries.matmul(&keys.transpose(1, 2)) * 0.37;
    let mut seen = vec![false; (places * places) as usize];
    let mut real = vec![0f32; places as usize];
    for tree in trees {
        for segment in tree.segments() {
            let stem = tree.start..tree.start + segment.seen;
            let own = tree.start + segment.own.start..tree.start + segment.own.end;
            for query in own.clone() {
                real[query] = 1.0;
                let chain: Vec<usize> = stem.clone().chain(own.start..query + 1).collect();
                let hidden = case
                    .window
                    .map_or(0, |window| chain.len().saturating_sub(window));
                for key in &chain[hidden..] {
                    seen[query * places as usize + key] = true;
                }
            }
        }
    }
    let seen = Tensor::from_slice(&seen).view([places, places]);
    let scores = scores.masked_fill(&seen.logical_not(), -1e9);
    let output = scores
        .softmax(-1, Kind::Float)
        .matmul(&values)
        .transpose(0, 1);
    output.contiguous().view([places, -1]) * Tensor::from_slice(&real).unsqueeze(1)
}

#[track_caller]
fn near(ours: &[f32], theirs: &Tensor, what: &str) {
    let theirs = flat_values(&theirs.reshape([-1]));
    assert_eq!(ours.len(), theirs.len());
    let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0, f32::max);
    assert!(off < 2e-5, "{what}: {off}");
}

#[test]
fn trees_texts_windows_and_norms_are_autograd_s() {
    let tree = |start, stem, branches: &[usize]| Tree {
        start,
        stem,
        branches: branches.to_vec(),
    };
    // A gap before the second, as padding leaves one; the third is longer than a block.
    let trees = [
        tree(0, 5, &[3, 1, 0]),
        tree(12, 7, &[]),
        tree(19, 70, &[66, 2]),
        tree(157, 1, &[4, 4]),
    ];
    let places = 167;
    let case = |heads, kv_heads, width, turned, window, norms| Case {
        heads,
        kv_heads,
        width,
        turned,
        window,
        norms,
    };
    let cases = [
        case(4, 2, 16, 16, None, false),
        case(3, 1, 24, 12, None, false),
        case(2, 2, 64, 64, Some(9), true),
        case(6, 2, 10, 10, Some(1), true),
    ];
    let mut stream = RandomStream::new(1, "causal", 0);
    for (number, case) in cases.iter().enumerate() {
        let row = (case.heads + 2 * case.kv_heads) * case.width;
        let all = drawn(&mut stream, places * row);
        let behind = drawn(&mut stream, places * case.heads * case.width);
        let [cosine, sine] = [0, 1].map(|_| drawn(&mut stream, places * case.turned));
        let gains = [0, 1].map(|_| drawn(&mut stream, case.width));
        let attention = CausalAttention {
            heads: case.heads,
            kv_heads: case.kv_heads,
            width: case.width,
            scale: 0.37,
            window: case.window,
            turns: Some(Turns {
                cosine: &cosine,
                sine: &sine,
                turned: case.turned,
            }),
            norms: case.norms.then_some([&gains[0], &gains[1]]),
            epsilon: 1e-5,
        };
        let leaf = matrix(&all, row).set_requires_grad(true);
        let mut leaves = vec![leaf.shallow_clone()];
        if case.norms {
            let gains = gains.iter().map(|gain| Tensor::from_slice(gain));
            leaves.extend(gains.map(|gain| gain.set_requires_grad(true)));
        }
        let turns = [&matrix(&cosine, case.turned), &matrix(&sine, case.turned)];
        let theirs = wanted(case, &leaf, &trees, turns, &leaves[1..]);
        let product = (&theirs * matrix(&behind, case.heads * case.width)).sum(Kind::Float);
        let pulled = Tensor::f_run_backward(&[product], &leaves, false, false).unwrap();
        for threads in [1, 3] {
            let what = format!("case {number}, {threads} threads");
            let mut output = vec![f32::NAN; behind.len()];
            attention.forward(&all, &trees, &mut output, threads);
            near(&output, &theirs, &what);
            let mut before = vec![f32::NAN; all.len()];
            let (mut query, mut key) = (vec![1.0; case.width], vec![1.0; case.width]);
            let of_norms = case.norms.then_some([&mut query[..], &mut key[..]]);
            attention.backward(&all, &trees, &behind, &mut before, of_norms, threads);
            near(&before, &pulled[0], &what);
            if case.norms {
                near(&query, &(&pulled[1] + 1.0), &what);
                near(&key, &(&pulled[2] + 1.0), &what);
            }
        }
    }
    assert_eq!(leaves_of_nothing(), 0.0);
}

/// A batch of no trees is all zeros.
fn leaves_of_nothing() -> f64 {
    let attention = CausalAttention {
        heads: 1,
        kv_heads: 1,
        width: 4,
        scale: 1.0,
        window: None,
        turns: None,
        norms: None,
        epsilon: 0.0,
    };
    let mut output = vec![f32::NAN; 8];
    attention.forward(&[1.0; 24], &[], &mut output, 2);
    let tensor = Tensor::from_slice(&output).to_device(Device::Cpu);
    tensor.abs().max().double_value(&[])
}
