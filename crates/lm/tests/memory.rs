//! What `hub::memory` tells of a model, beside the model: a test in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};

use hub::ModelFolder;
use hub::memory::{
    Activations as Keep, Adaptation, ModelShape, Numbers, Rule, Task, Training, estimate,
};
use lm::config::ModelConfig;
use lm::decoder::{Batch, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use lm::training::{Trainer, TrainerSettings};
use lm::weights::{WeightLayout, Weights};
use tch::{Device, Kind, Tensor};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_family_has_as_many_parameters_as_the_decoder() {
    let mut count = 0;
    for entry in fs::read_dir(crates().join("lm/tests/fixtures")).unwrap() {
        let path = entry.unwrap().path();
        if !path.join("config.json").exists() {
            continue;
        }
        let Ok(config) = ModelConfig::read(&path) else {
            continue;
        };
        if config.labels.is_some() {
            continue;
        }
        let shape = ModelShape::of(&ModelFolder::open(&path).unwrap()).unwrap();
        assert_eq!(
            shape.parameters(),
            config.scalars() as u64,
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count >= 20, "{count} models");
}

#[cfg(target_os = "linux")]
#[test]
fn a_training_s_peak_is_the_estimated_one() {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    let config = crates().join("worker/src/language/create/llama-5m.json");
    fs::copy(config, folder.path().join("config.json")).unwrap();
    let (rows, length) = (8, 256);
    let told = estimate(
        &ModelFolder::open(folder.path()).unwrap(),
        Numbers::F32,
        Task::Train(Training {
            adaptation: Adaptation::Full,
            rule: Rule::AdamW,
            activations: Keep::Kept,
        }),
        rows,
        length,
    );
    let told = told.unwrap();
    let config = ModelConfig::read(folder.path()).unwrap();
    let layout = WeightLayout::of(&config);
    let weights = Weights::random(layout, &config, Kind::Float, Device::Cpu, 0).unwrap();
    let mut decoder = Decoder::new(config, weights.into_trainable());
    let mut trainer = Trainer::new(&decoder, TrainerSettings::default()).unwrap();
    let mut gradient = Gradient::zeros(&decoder).unwrap();
    let texts: Vec<Vec<i64>> = (0..rows as i64)
        .map(|row| {
            (0..length as i64)
                .map(|at| 3 + (row * 31 + at * at) % 4000)
                .collect()
        })
        .collect();
    let slices: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
    let batch = Batch::padded(&slices, Device::Cpu);
    let targets = Tensor::from_slice(&texts.concat()).view([rows as i64, length as i64]);
    let settings = ScoreSettings {
        activations: Activations::Kept,
        ..ScoreSettings::default()
    };
    for _ in 0..2 {
        let scored = decoder.score(&batch, &targets, settings).unwrap();
        let derivative = scored.log_probabilities().full_like(-1e-3);
        decoder
            .accumulate(&batch, scored, &derivative, &mut gradient)
            .unwrap();
        trainer.step(&mut decoder, &mut gradient).unwrap();
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes: f64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let error = told.total() as f64 / (1024.0 * kilobytes) - 1.0;
    assert!(
        error.abs() < 0.25,
        "off by {:.0} % of {kilobytes} kB",
        100.0 * error
    );
}
