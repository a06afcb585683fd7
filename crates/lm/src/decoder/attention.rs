//! Attention of grouped heads, with windows, caps and padding.

use nn::fused::causal::{Segment, Tree};
use tch::{Device, Kind, Tensor};

use super::{Decoder, Surroundings};
use crate::cache::Cache;

/// Which keys each query sees.
#[derive(Debug)]
pub enum Mask {
    /// All of them; `from` is the first key of the window.
    All {
        /// The first key that is seen.
        from: i64,
    },
    /// Those up to the query's own place.
    Causal,
    /// Those where this, added to the score, leaves something.
    /// `[rows or 1, 1, queries, keys - from]`, in the model's type.
    Added {
        /// The first key that is seen by any query.
        from: i64,
        /// 0 or the lowest number.
        mask: Tensor,
    },
    /// Those of the query's own text, of the texts of one row, up to its own place.
    Texts(Vec<TextMask>),
}

/// Places of one row that see a stem and themselves.
#[derive(Debug)]
pub struct TextMask {
    tree: i64, // the first place of the stem
    segment: Segment,
    mask: Mask,
}

impl Mask {
    fn from(&self) -> i64 {
        match self {
            Self::All { from } | Self::Added { from, .. } => *from,
            Self::Causal | Self::Texts(_) => 0,
        }
    }

    /// 0 where `seen`, else the lowest number of `kind`: a query that sees nothing, which
    /// only padding is, then gets a mean rather than not-a-number.
    pub(crate) fn added(seen: &Tensor, from: i64, kind: Kind) -> Self {
        let lowest = match kind {
            Kind::Half => -65_504.0,
            Kind::BFloat16 => -3.389_531_389_251_535_5e38,
            _ => f64::from(f32::MIN),
        };
        let mask = Tensor::zeros(seen.size(), (kind, seen.device()));
        let mask = mask.masked_fill(&seen.logical_not(), lowest);
        Self::Added { from, mask }
    }
}

impl Decoder {
    /// The attention part of a layer. `normed` `[rows, tokens, hidden]` to the same.
    pub(super) fn attention(
        &self,
        layer: usize,
        normed: &Tensor,
        surroundings: &Surroundings,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let config = &self.config;
        let weights = &self.weights.layout().layers[layer];
        let (rows, tokens) = (normed.size()[0], normed.size()[1]);
        let all = (config.heads + 2 * config.kv_heads) as i64;
        let heads = self.affine(weights.query_key_value, normed, surroundings);
        let heads = heads.view([rows, tokens, all, config.head_dim as i64]);
        let attended = self.attended(layer, &heads, surroundings, cache);
        self.affine(weights.output, &attended, surroundings)
    }

    /// What stands between the two products of attention: `all` `[rows, tokens, heads + 2
    /// kv_heads, head_dim]`, queries, keys and values, to `[rows, tokens, heads * head_dim]`.
    pub(crate) fn attended(
        &self,
        layer: usize,
        all: &Tensor,
        surroundings: &Surroundings,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let config = &self.config;
        let weights = &self.weights.layout().layers[layer];
        let plan = config.layers[layer];
        let (heads, kv_heads) = (config.heads as i64, config.kv_heads as i64);
        let turn = plan.rope.map(|rope| &surroundings.turns[rope]);
        let (queries, keys) = self.turned(weights, turn, all);
        let values = all.narrow(2, heads + kv_heads, kv_heads);
        let queries = queries.transpose(1, 2); // [rows, heads, tokens, head_dim]
        let (mut keys, mut values) = (keys.transpose(1, 2), values.transpose(1, 2));
        let mask = surroundings.mask(plan.window);
        if let Some(cache) = cache {
            (keys, values) = cache.extend(layer, &keys, &values, mask.from());
        }
        self.attend(&queries, &keys, &values, mask)
    }

    /// `queries` `[rows, heads, tokens, head_dim]`, `keys` and `values`
    /// `[rows, kv_heads, places, head_dim]` to `[rows, tokens, heads * head_dim]`.
    fn attend(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, mask: &Mask) -> Tensor {
        let (rows, heads, tokens, width) = queries.size4().unwrap_or_default();
        let kv_heads = self.config.kv_heads as i64;
        if let Mask::Texts(texts) = mask {
            return self.attend_texts([queries, keys, values], texts);
        }
        if let Some(cap) = self.config.attention_cap {
            let attended = self.attend_capped(queries, keys, values, mask, cap);
            return attended
                .transpose(1, 2)
                .reshape([rows, tokens, heads * width]);
        }
        let added = match mask {
            Mask::Added { mask, .. } => Some(mask),
            _ => None,
        };
        let scale = self.config.attention_scale;
        let attend = |queries: &Tensor, causal: bool, grouped: bool| {
            Tensor::scaled_dot_product_attention(
                queries, keys, values, added, 0.0, causal, scale, grouped,
            )
        };
        if tokens == 1 {
            // The query heads that share a key head are so many queries of it.
            let grouped = queries.reshape([rows, kv_heads, heads / kv_heads, width]);
            return attend(&grouped, false, false).reshape([rows, 1, heads * width]);
        }
        let causal = matches!(mask, Mask::Causal);
        attend(queries, causal, kv_heads != heads)
            .transpose(1, 2)
            .reshape([rows, tokens, heads * width])
    }

    /// Attention of many texts in one row, one after the other: the products of a text with
    /// the others' keys are never made.
    fn attend_texts(&self, [queries, keys, values]: [&Tensor; 3], texts: &[TextMask]) -> Tensor {
        let parts = texts.iter().map(|text| {
            let segment = &text.segment;
            let start = text.tree + segment.own.start as i64;
            let own = |all: &Tensor| all.narrow(2, start, segment.own.len() as i64);
            let seen = |all: &Tensor| match segment.seen as i64 {
                0 => own(all),
                seen => Tensor::cat(&[all.narrow(2, text.tree, seen), own(all)], 2),
            };
            self.attend(&own(queries), &seen(keys), &seen(values), &text.mask)
        });
        Tensor::cat(&parts.collect::<Vec<_>>(), 1)
    }

    /// Attention with capped scores, which no fused kernel offers.
    fn attend_capped(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        mask: &Mask,
        cap: f64,
    ) -> Tensor {
        let (rows, heads, tokens, width) = queries.size4().unwrap_or_default();
        let kv_heads = self.config.kv_heads as i64;
        let group = heads / kv_heads;
        let places = keys.size()[2];
        let grouped = queries.reshape([rows, kv_heads, group * tokens, width]);
        let scores = grouped.matmul(&keys.transpose(2, 3)) * self.config.attention_scale;
        let scores = (scores / cap).tanh() * cap;
        let scores = scores.view([rows, heads, tokens, places]);
        let scores = match mask {
            Mask::All { .. } | Mask::Texts(_) => scores,
            Mask::Added { mask, .. } => scores + mask,
            Mask::Causal => {
                let shape = [tokens, places];
                let seen = Tensor::ones(shape, (Kind::Bool, scores.device())).tril(0);
                match Mask::added(&seen, 0, scores.kind()) {
                    Mask::Added { mask, .. } => scores + mask,
                    _ => scores,
                }
            }
        };
        let chances = scores.softmax(-1, Kind::Float).to_kind(queries.kind());
        let chances = chances.view([rows, kv_heads, group * tokens, places]);
        chances.matmul(values).view([rows, heads, tokens, width])
    }
}

impl Mask {
    /// Those of the query's own text, for texts that lie in one row.
    pub(crate) fn texts(trees: &[Tree], window: Option<usize>, kind: Kind, device: Device) -> Self {
        let texts = trees.iter().flat_map(|tree| {
            tree.segments().map(move |segment| TextMask {
                tree: tree.start as i64,
                mask: segment_mask(&segment, window, kind, device),
                segment,
            })
        });
        Self::Texts(texts.collect())
    }
}

/// What the places of a segment see of the stem and of themselves.
fn segment_mask(segment: &Segment, window: Option<usize>, kind: Kind, device: Device) -> Mask {
    let keys = (segment.seen + segment.own.len()) as i64;
    let window = window.filter(|window| (*window as i64) < keys);
    if segment.seen == 0 && window.is_none() {
        return Mask::Causal;
    }
    let place = Tensor::arange(keys, (Kind::Int64, device));
    let queries = place.narrow(0, segment.seen as i64, segment.own.len() as i64);
    let distance = queries.unsqueeze(1) - place.unsqueeze(0);
    let mut seen = distance.ge(0);
    if let Some(window) = window {
        seen = seen.logical_and(&distance.lt(window as i64));
    }
    Mask::added(&seen.unsqueeze(0).unsqueeze(0), 0, kind)
}

impl Surroundings {
    fn mask(&self, window: Option<usize>) -> &Mask {
        let found = self.masks.iter().find(|(of, _)| *of == window);
        &found.expect("every window of the model has a mask").1
    }
}
