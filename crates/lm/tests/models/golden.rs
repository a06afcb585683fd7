//! The fixtures of `xtask/parity/make_lm_golden.py`, and the weights they were made with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lm::checkpoint::WHOLE;
use lm::config::{Family, ModelConfig};
use lm::decoder::Decoder;
use lm::weights::WeightLayout;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

/// Every case but `saved`.
pub const CASES: [&str; 20] = [
    "llama",
    "llama_tied_biased",
    "llama_llama3",
    "llama_linear",
    "llama_yarn",
    "llama_yarn_mscale",
    "mistral",
    "qwen2",
    "qwen2_sliding",
    "qwen3",
    "qwen3_yarn",
    "gemma2",
    "gemma3",
    "gemma3_full",
    "gemma3_full_linear",
    "phi3",
    "phi3_partial",
    "phi3_longrope_short",
    "phi3_longrope_long",
    "smollm3",
];

pub fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(case)
}

/// `count` numbers in `[-0.5, 0.5)` from the FNV-1a hash of `name` and splitmix64.
pub fn hashed(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let word = |index: u64| {
        let mut state = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^ (state >> 31)
    };
    (1..=count as u64)
        .map(|index| ((word(index) >> 40) as i64 - (1 << 23)) as f32 / (1 << 24) as f32)
        .collect()
}

/// Writes the weights of a model into `folder/model.safetensors`, in f32.
pub fn write_weights(config: &ModelConfig, folder: &Path) {
    let gemma = matches!(config.family, Family::Gemma2 | Family::Gemma3);
    let layout = WeightLayout::of(config);
    let centred = |name: &str| name.ends_with("norm.weight") && !gemma;
    write_tensors(layout.names(), centred, folder);
}

/// Writes tensors drawn from their names, around 1 where `centred`.
pub fn write_tensors<N: AsRef<str>>(
    names: impl Iterator<Item = (N, Vec<i64>)>,
    centred: impl Fn(&str) -> bool,
    folder: &Path,
) {
    let mut tensors = BTreeMap::new();
    for (name, shape) in names {
        let name = name.as_ref();
        let shape: Vec<usize> = shape.iter().map(|size| *size as usize).collect();
        let centre = if centred(name) { 1.0 } else { 0.0 };
        let values = hashed(name, shape.iter().product());
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| (value * 0.6875 + centre).to_le_bytes())
            .collect();
        tensors.insert(name.to_owned(), (shape, bytes));
    }
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(folder.join(WHOLE), bytes).unwrap();
}

/// A case's folder with its weights, as a user's would be.
pub fn whole_folder(case: &str) -> TempDir {
    // The matrices are too small to share, and tests run side by side.
    nn::runtime::prepare(1);
    let target = tempfile::tempdir().unwrap();
    let config = folder(case).join("config.json");
    fs::copy(&config, target.path().join("config.json")).unwrap();
    write_weights(&ModelConfig::read(target.path()).unwrap(), target.path());
    target
}

/// A case's model, read from such a folder.
pub fn model(case: &str, kind: Kind, trainable: bool) -> Decoder {
    let target = whole_folder(case);
    Decoder::load(target.path(), Some(kind), Device::Cpu, trainable).unwrap()
}

/// What `transformers` computed.
pub struct Expected {
    bytes: Vec<u8>,
}

impl Expected {
    pub fn of(case: &str) -> Self {
        let bytes = fs::read(folder(case).join("expected.safetensors")).unwrap();
        Self { bytes }
    }

    pub fn tensor(&self, name: &str) -> Tensor {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).unwrap();
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::I32 => Kind::Int,
            // The upper half of an f32.
            Dtype::U16 => Kind::BFloat16,
            other => panic!("{other:?}"),
        };
        Tensor::from_data_size(view.data(), &shape, kind)
    }

    pub fn ids(&self, name: &str) -> Vec<i64> {
        Vec::<i64>::try_from(self.tensor(name).to_kind(Kind::Int64).reshape([-1])).unwrap()
    }

    pub fn metadata(&self, key: &str) -> String {
        let (_, metadata) = SafeTensors::read_metadata(&self.bytes).unwrap();
        metadata.metadata().as_ref().unwrap()[key].clone()
    }

    /// The tensors' names, in the order of the gradients' rows.
    pub fn names(&self) -> Vec<String> {
        serde_json::from_str(&self.metadata("tensors")).unwrap()
    }

    /// How many of the ids come before the greedy continuation.
    pub fn prompt(&self) -> usize {
        self.metadata("prompt").parse().unwrap()
    }
}

/// The largest absolute difference.
pub fn difference(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    (left.to_kind(Kind::Double) - right.to_kind(Kind::Double))
        .abs()
        .max()
        .double_value(&[])
}
