//! The hand-made step against LibTorch's operations, for every family.

use std::rc::Rc;

use crate::golden::{CASES, Expected, model};
use lm::cache::{Cache, Rotations};
use lm::decoder::{Batch, Decoder};
use lm::fused_step::FusedStep;
use tch::{Device, Kind, Tensor, no_grad};

const STEPS: usize = 24;

/// A cache filled with texts of different lengths.
fn filled(decoder: &Decoder, texts: &[&[i64]]) -> Cache {
    let longest = texts.iter().map(|text| text.len()).max().unwrap();
    let starts = texts.iter().map(|text| (longest - text.len()) as i64);
    let options = (Kind::Float, Device::Cpu);
    let limit = longest + STEPS;
    let rotations = Rc::new(Rotations::new(decoder.config(), limit, options));
    // A text of each kind, where there are two kinds.
    let long = texts.iter().map(|text| text.len() == longest);
    let (starts, long) = (starts.collect(), long.collect());
    let mut cache = Cache::new(decoder.config(), &rotations, starts, long, limit).unwrap();
    let batch = Batch::padded(texts, Device::Cpu);
    let _ = no_grad(|| decoder.forward_cached(batch.ids(), &mut cache)).unwrap();
    cache
}

fn by_libtorch(decoder: &Decoder, ids: &[i64], cache: &mut Cache) -> Vec<f32> {
    no_grad(|| {
        let ids = Tensor::from_slice(ids).unsqueeze(1);
        let stream = decoder.forward_cached(&ids, cache).unwrap();
        nn::parameters::flat_values(&decoder.logits(&stream).reshape([-1]))
    })
}

fn best(logits: &[f32]) -> usize {
    let places = 0..logits.len();
    places
        .max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
        .unwrap()
}

#[test]
fn scores_are_those_of_libtorch_s_operations() {
    for case in CASES {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let texts: [&[i64]; 3] = [&ids[..40], &ids[30..37], &ids[40..59]];
        let mut fused = FusedStep::new(&decoder).unwrap();
        let (mut ours, mut theirs) = (filled(&decoder, &texts), filled(&decoder, &texts));
        let vocabulary = decoder.config().vocabulary;
        let mut newest = vec![5i64, 17, 80];
        for step in 0..STEPS {
            let scores = fused.scores(&decoder, &newest, &mut ours).unwrap().to_vec();
            let wanted = by_libtorch(&decoder, &newest, &mut theirs);
            for (row, scores) in scores.chunks_exact(vocabulary).enumerate() {
                let wanted = &wanted[row * vocabulary..][..vocabulary];
                let pairs = scores.iter().zip(wanted);
                let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off <= 1e-4, "{case}, step {step}, row {row}: off by {off}");
                assert_eq!(best(scores), best(wanted), "{case}, step {step}, row {row}");
                newest[row] = best(wanted) as i64;
            }
        }
        assert_eq!(ours.length(), theirs.length());
    }
}

#[test]
fn a_row_s_bits_do_not_depend_on_the_rows_beside_it() {
    for case in ["llama", "gemma3", "phi3_partial"] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        let texts: Vec<&[i64]> = (0..8).map(|row| &ids[row..20 + 4 * row]).collect();
        let mut fused = FusedStep::new(&decoder).unwrap();
        let mut together = filled(&decoder, &texts);
        let newest: Vec<i64> = (10..18).collect();
        let scores = fused
            .scores(&decoder, &newest, &mut together)
            .unwrap()
            .to_vec();
        for rows in [vec![6], vec![1, 5], vec![0, 2, 7], vec![7, 6, 5, 4, 3]] {
            let mut some = filled(&decoder, &texts);
            some.select(&rows).unwrap();
            let newest: Vec<i64> = rows.iter().map(|row| newest[*row]).collect();
            let alone = fused.scores(&decoder, &newest, &mut some).unwrap();
            let vocabulary = decoder.config().vocabulary;
            for (row, scores_alone) in rows.iter().zip(alone.chunks_exact(vocabulary)) {
                let beside = &scores[row * vocabulary..][..vocabulary];
                assert_eq!(scores_alone, beside, "{case}, row {row} of {rows:?}");
            }
        }
    }
}

#[test]
fn rows_have_the_same_bits_on_any_number_of_threads() {
    for case in ["llama", "gemma3", "phi3_partial"] {
        let decoder = model(case, Kind::Float, false);
        let ids = Expected::of(case).ids("ids");
        // Enough for three threads, and no multiple of any number of them.
        let texts: Vec<&[i64]> = (0..25).map(|row| &ids[row..34 + row % 7]).collect();
        let mut told: Option<Vec<f32>> = None;
        for threads in [1, 2, 3] {
            tch::set_num_threads(threads);
            let mut fused = FusedStep::new(&decoder).unwrap();
            let mut cache = filled(&decoder, &texts);
            let mut all = Vec::new();
            for step in 0..3 {
                let newest: Vec<i64> = (10 + step..35 + step).collect();
                let scores = fused.scores(&decoder, &newest, &mut cache).unwrap();
                all.extend_from_slice(scores);
            }
            let first = told.get_or_insert_with(|| all.clone());
            assert!(*first == all, "{case}, {threads} threads");
        }
    }
}

#[test]
fn ids_that_do_not_fit_are_refused() {
    let decoder = model("llama", Kind::Float, false);
    let mut fused = FusedStep::new(&decoder).unwrap();
    let mut cache = filled(&decoder, &[&[1, 2, 3]]);
    let mut refuse = |ids: &[i64]| {
        let answer = fused.scores(&decoder, ids, &mut cache);
        answer.unwrap_err().to_string()
    };
    assert!(refuse(&[131]).contains("token id 131 - allowed: 0 to 130"));
    assert!(refuse(&[-1]).contains("token id -1"));
    assert!(refuse(&[1, 2]).contains("2 tokens for 1 rows"));
    assert!(FusedStep::new(&model("llama", Kind::BFloat16, false)).is_none());
}
