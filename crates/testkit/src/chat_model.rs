//! A tiny model that can be talked to: a Llama of some thousand parameters with a byte-level tokenizer
//! and a chat template, written as a folder in the form of `transformers`. The same every time.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// Rows of the embedding; the last ones have no token, as in many models.
pub const VOCABULARY: usize = 304;
/// The end of a text.
pub const END_OF_TEXT: u32 = 0;
/// The end of a turn.
pub const END_OF_TURN: u32 = 2;

/// Special tokens first, then two that are only added, the bytes, and merges.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
const ADDED: [&str; 2] = ["<think>", "</think>"];
const FIRST_BYTE: usize = SPECIAL.len() + ADDED.len();
/// Pairs that become one token, in the order of their rank. `Ġ` is a space.
const MERGES: [(&str, &str); 24] = [
    ("h", "e"),
    ("i", "n"),
    ("Ġ", "t"),
    ("Ġ", "a"),
    ("e", "r"),
    ("Ġt", "he"),
    ("o", "u"),
    ("r", "e"),
    ("o", "n"),
    ("l", "l"),
    ("a", "t"),
    ("Ġ", "w"),
    ("u", "s"),
    ("us", "er"),
    ("a", "s"),
    ("as", "s"),
    ("i", "s"),
    ("ass", "is"),
    ("a", "n"),
    ("t", "an"),
    ("assis", "tan"),
    ("assistan", "t"),
    ("he", "ll"),
    ("hell", "o"),
];

/// A turn after a turn, each between its marks.
pub const CHATML: &str = "\
{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
";

/// As [`CHATML`], with a thought before each answer that is left out once the conversation goes on;
/// `enable_thinking=false` puts an empty one. Refuses system messages.
pub const REASONING: &str = "\
{%- for message in messages -%}
{%- if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif -%}
{%- set content = message['content'] -%}
{%- if '</think>' in content and not loop.last %}{% set content = content.split('</think>')[-1] %}{% endif -%}
{{ '<|im_start|>' + message['role'] + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think></think>\\n' }}{% endif -%}
{% endif -%}
";

/// What the model says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Whatever random weights say; mostly printable characters. Every token depends on all before.
    Random {
        /// Of the weights.
        seed: u64,
    },
    /// This text, byte by byte, and the end of the turn; each token is taken with probability 0.78 and
    /// depends on the one before alone, so that no byte may come twice. `<think>` and `</think>` are tokens.
    Phrase(&'static str),
}

/// The folder to be written.
#[derive(Clone, Debug)]
pub struct ChatModel {
    /// What it says.
    pub voice: Voice,
    /// Its chat template; none for a model that only continues text.
    pub template: Option<String>,
    /// Tokens that it has room for.
    pub context: usize,
    /// `generation_config.json`; none without one.
    pub generation: Option<Value>,
}

impl Default for ChatModel {
    fn default() -> Self {
        ChatModel {
            voice: Voice::Random { seed: 1 },
            template: Some(CHATML.to_owned()),
            context: 512,
            generation: None,
        }
    }
}

impl ChatModel {
    /// A model that answers with a phrase.
    #[must_use]
    pub fn saying(phrase: &'static str) -> Self {
        ChatModel {
            voice: Voice::Phrase(phrase),
            ..ChatModel::default()
        }
    }

    /// Writes the folder, which need not be there.
    ///
    /// # Errors
    ///
    /// The disk's.
    ///
    /// # Panics
    ///
    /// On a phrase that says a byte twice.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let write =
            |name: &str, value: &Value| fs::write(folder.join(name), format!("{value:#}\n"));
        write("tokenizer.json", &tokenizer())?;
        write(
            "tokenizer_config.json",
            &json!({
                "tokenizer_class": "PreTrainedTokenizerFast",
                "clean_up_tokenization_spaces": false,
                "eos_token": SPECIAL[END_OF_TURN as usize],
                "pad_token": SPECIAL[END_OF_TEXT as usize],
            }),
        )?;
        if let Some(template) = &self.template {
            fs::write(folder.join("chat_template.jinja"), template)?;
        }
        if let Some(generation) = &self.generation {
            write("generation_config.json", generation)?;
        }
        let shape = self.shape();
        fs::write(folder.join("model.safetensors"), weights(self.voice, shape))?;
        write(
            "config.json",
            &json!({
                "architectures": ["LlamaForCausalLM"],
                "model_type": "llama",
                "vocab_size": VOCABULARY,
                "hidden_size": shape.hidden,
                "intermediate_size": shape.intermediate,
                "num_hidden_layers": shape.layers,
                "num_attention_heads": HEADS,
                "num_key_value_heads": KV_HEADS,
                "head_dim": HEAD_DIM,
                "hidden_act": "silu",
                "rms_norm_eps": 1e-5,
                "rope_theta": 10000.0,
                "max_position_embeddings": self.context,
                "tie_word_embeddings": false,
                "eos_token_id": END_OF_TEXT,
                "torch_dtype": "float32",
            }),
        )
    }

    fn shape(&self) -> Shape {
        match self.voice {
            Voice::Random { .. } => Shape {
                hidden: 64,
                intermediate: 96,
                layers: 2,
            },
            // One dimension for each token.
            Voice::Phrase(_) => Shape {
                hidden: VOCABULARY,
                intermediate: 2,
                layers: 1,
            },
        }
    }
}

const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
/// Random weights lie between these.
const SPREAD: f32 = 0.35;
/// The norm makes `sqrt(VOCABULARY)` = 17.4 of the one dimension that is not 0, and this 7 of it.
const CERTAINTY: f32 = 0.4;

#[derive(Clone, Copy)]
struct Shape {
    hidden: usize,
    intermediate: usize,
    layers: usize,
}

/// Bytes as the visible characters that byte-level tokenizers write for them.
fn alphabet() -> Vec<char> {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut others = 256u32..;
    (0..=255u8)
        .map(|byte| {
            if visible(byte) {
                char::from(byte)
            } else {
                others.next().and_then(char::from_u32).unwrap_or('?')
            }
        })
        .collect()
}

fn tokenizer() -> Value {
    let mut vocabulary = BTreeMap::new();
    let mut names: Vec<String> = SPECIAL
        .iter()
        .chain(&ADDED)
        .map(|t| (*t).to_owned())
        .collect();
    let added: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({
                "id": id, "content": content, "special": id < SPECIAL.len(), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    names.extend(alphabet().into_iter().map(String::from));
    names.extend(MERGES.iter().map(|(left, right)| format!("{left}{right}")));
    for (id, name) in names.into_iter().enumerate() {
        vocabulary.insert(name, id);
    }
    let merges: Vec<[&str; 2]> = MERGES.iter().map(|(left, right)| [*left, *right]).collect();
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": bytes,
        "post_processor": null,
        "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocabulary, "merges": merges,
        },
    })
}

/// The ids of a phrase, a token for each byte.
fn ids(phrase: &str) -> Vec<usize> {
    let mut ids = Vec::new();
    let mut rest = phrase;
    while let Some(byte) = rest.bytes().next() {
        let added = ADDED.iter().position(|token| rest.starts_with(token));
        if let Some(index) = added {
            ids.push(SPECIAL.len() + index);
            rest = &rest[ADDED[index].len()..];
        } else {
            ids.push(FIRST_BYTE + usize::from(byte));
            let length = rest.chars().next().map_or(1, char::len_utf8);
            ids.extend(
                rest.bytes()
                    .take(length)
                    .skip(1)
                    .map(|byte| FIRST_BYTE + usize::from(byte)),
            );
            rest = &rest[length..];
        }
    }
    ids
}

/// `lm_head`: each token's dimension is what the token before it adds. `[VOCABULARY, VOCABULARY]`.
fn successions(phrase: &str) -> Vec<f32> {
    let mut chain = ids(phrase);
    chain.push(END_OF_TURN as usize);
    let mut next = vec![chain[0]; VOCABULARY];
    for pair in chain.windows(2) {
        assert_eq!(next[pair[0]], chain[0], "`{phrase}` says a byte twice");
        next[pair[0]] = pair[1];
    }
    let mut head = vec![0.0; VOCABULARY * VOCABULARY];
    for (before, after) in next.into_iter().enumerate() {
        head[after * VOCABULARY + before] = CERTAINTY;
    }
    head
}

/// Uniform numbers in `-SPREAD..SPREAD` (splitmix64).
fn uniform(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            ((word >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0) * SPREAD
        })
        .collect()
}

/// Without the rows of bytes that are no printable characters, so that these are rarely said.
fn printable(mut head: Vec<f32>, hidden: usize) -> Vec<f32> {
    for byte in (0..=255u8).filter(|byte| !(b' '..=b'~').contains(byte)) {
        let row = (FIRST_BYTE + usize::from(byte)) * hidden;
        head[row..row + hidden].fill(0.0);
    }
    head[(FIRST_BYTE + 256 + MERGES.len()) * hidden..].fill(0.0);
    head
}

/// `model.safetensors`.
fn weights(voice: Voice, shape: Shape) -> Vec<u8> {
    let Shape {
        hidden,
        intermediate,
        layers,
    } = shape;
    let (queries, keys) = (HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
    let mut names = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            vec![VOCABULARY, hidden],
        ),
        ("model.norm.weight".to_owned(), vec![hidden]),
        ("lm_head.weight".to_owned(), vec![VOCABULARY, hidden]),
    ];
    for layer in 0..layers {
        let mut weight = |name: &str, shape: Vec<usize>| {
            names.push((format!("model.layers.{layer}.{name}.weight"), shape));
        };
        weight("input_layernorm", vec![hidden]);
        weight("self_attn.q_proj", vec![queries, hidden]);
        weight("self_attn.k_proj", vec![keys, hidden]);
        weight("self_attn.v_proj", vec![keys, hidden]);
        weight("self_attn.o_proj", vec![hidden, queries]);
        weight("post_attention_layernorm", vec![hidden]);
        weight("mlp.gate_proj", vec![intermediate, hidden]);
        weight("mlp.up_proj", vec![intermediate, hidden]);
        weight("mlp.down_proj", vec![hidden, intermediate]);
    }
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut data = Vec::new();
    for (number, (name, shape)) in names.into_iter().enumerate() {
        let count: usize = shape.iter().product();
        let values = match voice {
            _ if name.contains("norm") => vec![1.0; count],
            Voice::Phrase(phrase) if name == "lm_head.weight" => successions(phrase),
            Voice::Phrase(_) if name.contains("embed") => (0..count)
                .map(|place| f32::from(u8::from(place / hidden == place % hidden)))
                .collect(),
            Voice::Phrase(_) => vec![0.0; count],
            Voice::Random { seed } => {
                let values = uniform(seed.wrapping_mul(1000) + number as u64, count);
                if name == "lm_head.weight" {
                    printable(values, hidden)
                } else {
                    values
                }
            }
        };
        let begin = data.len();
        data.extend(values.into_iter().flat_map(f32::to_le_bytes));
        header.insert(
            name,
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }),
        );
    }
    let mut header = Value::Object(header).to_string();
    // Readers map the file: the numbers begin at a multiple of eight bytes.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.into_bytes());
    file.extend(data);
    file
}
