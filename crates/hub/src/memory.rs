//! What training or generating with a model takes in memory, from its `config.json` alone.
//!
//! Not one tensor is made: the command line and the terminal ask before a worker starts. The
//! items are those that `lm` has at its peak; `docs/data/model-memory.json` holds what was
//! measured beside them.

mod shape;

use crate::error::HubError;
use crate::folder::ModelFolder;

pub use shape::ModelShape;

/// The worker with LibTorch and an empty model, on a CPU.
const PROGRAM: u64 = 126_000_000;
/// What a training's operations keep beside their results: packed matrices, and what the
/// allocator takes ahead.
const WORKING: u64 = 64_000_000;
/// Tokens whose logits exist at the same time.
const CHUNK: u64 = 512;

/// The type that a model computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// 32 bits.
    F32,
    /// 16 bits.
    Bf16,
}

impl Numbers {
    fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// What of a model is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adaptation {
    /// All weights.
    Full,
    /// Two thin matrices beside each product of a layer, of this rank.
    Lora {
        /// Their smaller side.
        rank: u64,
    },
}

/// The state of an optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Two numbers a weight.
    AdamW,
    /// One number a weight.
    RmsProp,
    /// None without momentum, else one.
    Sgd {
        /// Whether there is momentum.
        momentum: bool,
    },
}

impl Rule {
    fn numbers(self) -> u64 {
        match self {
            Self::AdamW => 2,
            Self::RmsProp => 1,
            Self::Sgd { momentum } => u64::from(momentum),
        }
    }
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activations {
    /// All of it.
    Kept,
    /// The input of each layer.
    Recomputed,
}

/// How a model is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Training {
    /// What of it.
    pub adaptation: Adaptation,
    /// By which rule.
    pub rule: Rule,
    /// What is kept.
    pub activations: Activations,
}

/// What a model is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Steps of a training.
    Train(Training),
    /// Continuing texts.
    Generate,
}

/// A part of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryItem {
    /// What it is.
    pub name: &'static str,
    /// Bytes.
    pub bytes: u64,
}

/// All parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// In the order they come.
    pub items: Vec<MemoryItem>,
}

impl MemoryEstimate {
    /// Bytes of all parts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

/// The most memory that `task` takes with batches of `rows` texts of `length` tokens each; packed
/// texts are one row of them all.
///
/// # Errors
///
/// [`HubError::Broken`] for a config that does not tell the sizes of a decoder, or tells sizes
/// whose bytes are more than a number of 64 bits can count.
pub fn estimate(
    folder: &ModelFolder,
    numbers: Numbers,
    task: Task,
    rows: u64,
    length: u64,
) -> Result<MemoryEstimate, HubError> {
    let shape = ModelShape::of(folder)?;
    shape.check_countable(folder, rows.saturating_mul(length))?;
    let mut items = vec![
        MemoryItem {
            name: "program",
            bytes: PROGRAM,
        },
        MemoryItem {
            name: "weights",
            bytes: shape.parameters() * numbers.bytes(),
        },
    ];
    let mut add = |name, bytes| {
        if bytes > 0 {
            items.push(MemoryItem { name, bytes });
        }
    };
    match task {
        Task::Train(training) => train(&shape, numbers, training, rows, length, &mut add),
        Task::Generate => generate(&shape, numbers, rows, length, &mut add),
    }
    // The files are mapped while they are read, and their largest tensor is copied once more.
    if let Ok(files) = folder.weights() {
        let width = files.bytes() / files.parameters().max(1);
        let reading = files.bytes() + shape.vocabulary * shape.hidden * width;
        let later: u64 = items.iter().skip(2).map(|item| item.bytes).sum();
        if reading > later {
            items.push(MemoryItem {
                name: "files while they are read",
                bytes: reading - later,
            });
        }
    }
    Ok(MemoryEstimate { items })
}

fn train(
    shape: &ModelShape,
    numbers: Numbers,
    training: Training,
    rows: u64,
    length: u64,
    add: &mut impl FnMut(&'static str, u64),
) {
    let size = numbers.bytes();
    let tokens = rows * length;
    let (trained, full) = match training.adaptation {
        Adaptation::Full => (shape.parameters(), true),
        Adaptation::Lora { rank } => (shape.adapter_numbers(rank), false),
    };
    if full {
        add(
            "masters",
            if numbers == Numbers::Bf16 {
                4 * trained
            } else {
                0
            },
        );
    } else {
        add("adapter", 4 * trained);
    }
    add("working memory", WORKING);
    add("gradient", 4 * trained);
    add("optimiser", 4 * trained * training.rule.numbers());
    // The hand-made pass is for weights in f32 without an adapter.
    let hand_made = full && numbers == Numbers::F32;
    let layer = shape.activations(tokens, size, hand_made);
    let stream = tokens * shape.hidden * size;
    let kept = match training.activations {
        Activations::Kept => shape.layers * layer,
        Activations::Recomputed => shape.layers * stream,
    };
    add("activations", kept);
    // The peak comes either at the head, or in the layers.
    let embedding = shape.vocabulary * shape.hidden * size;
    let of_head = if full { embedding } else { 0 };
    let head = shape.logits(tokens.min(CHUNK), size) + of_head + 2 * stream;
    let of_layers = match training.activations {
        Activations::Kept => {
            // Gradients of weights come while activations go.
            let parts = if full { shape.parameters() * size } else { 0 };
            parts.saturating_sub(kept) + shape.passing(tokens, size)
        }
        Activations::Recomputed => {
            let parts = if full {
                shape.layer_parameters() * size
            } else {
                0
            };
            (layer + shape.passing(tokens, size) + parts).max(of_head)
        }
    };
    if head > of_layers {
        add("logits", head);
    } else {
        add("backward", of_layers);
    }
}

fn generate(
    shape: &ModelShape,
    numbers: Numbers,
    rows: u64,
    length: u64,
    add: &mut impl FnMut(&'static str, u64),
) {
    let size = numbers.bytes();
    add(
        "cache",
        2 * shape.layers * rows * length * shape.key_width() * size,
    );
    add("prompt", rows * length * shape.intermediate * size);
    add("logits", rows * shape.vocabulary * (size + 4));
    if numbers == Numbers::F32 && shape.parameters() <= 500_000_000 {
        add("packed weights", shape.parameters() * 4);
    }
}
