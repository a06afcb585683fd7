//! Disentangled attention: He et al. 2021, section 3.
//!
//! The score of query i and key j is `(q_i k_j + q_i r_d + k_j s_d) / sqrt(terms width)`, where
//! d is the bucket of i - j, r the key product and s the query product of the vectors of the
//! distances. The reference looks up the last term by -(j - i), which is the same bucket.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Device, Kind, Tensor};

use super::Run;
use super::config::EncoderConfig;
use super::weights::{Affine, Source, Trunk};
use crate::LmError;

/// Scalars of the position terms that exist at the same time, heads taken as they fit.
const MOST_SCALARS: i64 = 1 << 24;

/// Which vector of a distance each query and key take, by the length of the text. Empty
/// where distances do not enter the scores.
pub(super) struct Buckets(BTreeMap<i64, Table>);

#[derive(Clone, Copy)]
struct Shape {
    buckets: Option<i64>,
    furthest: i64,
    span: i64,
}

/// The buckets of one length.
struct Table {
    first: i64,     // the lowest row in use
    rows: i64,      // how many are
    index: Tensor,  // [query, key], from `first`
    turned: Tensor, // [key, query]
}

impl Buckets {
    /// Those of all lengths in `runs`.
    pub(super) fn of(
        config: &EncoderConfig,
        runs: &[Run],
        device: Device,
    ) -> Result<Self, LmError> {
        let Some(relative) = &config.relative else {
            return Ok(Self(BTreeMap::new()));
        };
        let shape = Shape {
            buckets: relative.buckets.map(|buckets| buckets as i64),
            furthest: relative.furthest as i64,
            span: relative.span() as i64,
        };
        let lengths: BTreeSet<i64> = runs.iter().map(|run| run.tokens).collect();
        let tables = lengths
            .into_iter()
            .map(|tokens| Ok((tokens, shape.table(tokens, device)?)));
        Ok(Self(tables.collect::<Result<_, LmError>>()?))
    }
}

impl Shape {
    fn table(self, tokens: i64, device: Device) -> Result<Table, LmError> {
        // On the CPU and in f32 as the reference, so that both round to the same bucket.
        let distances = Tensor::f_arange_start(1 - tokens, tokens, (Kind::Int64, Device::Cpu))?;
        let rows = self.bucket(&distances)?.f_add_scalar(self.span)?;
        let rows = rows.f_clamp(0, 2 * self.span - 1)?;
        let (first, last) = (rows.min().int64_value(&[]), rows.max().int64_value(&[]));
        let rows = rows.f_sub_scalar(first)?.f_to_device(device)?;
        let place = Tensor::f_arange(tokens, (Kind::Int64, device))?;
        let distance = place.f_unsqueeze(1)?.f_sub(&place.f_unsqueeze(0)?)?; // query - key
        let distance = distance.f_add_scalar(tokens - 1)?;
        let index = rows.f_take(&distance)?;
        Ok(Table {
            first,
            rows: last - first + 1,
            turned: index.f_transpose(0, 1)?.f_contiguous()?,
            index,
        })
    }

    /// The bucket of each distance; those up to half the buckets are their own.
    fn bucket(self, distances: &Tensor) -> Result<Tensor, LmError> {
        let Some(buckets) = self.buckets else {
            return Ok(distances.shallow_clone());
        };
        let middle = buckets / 2;
        let far = distances.f_abs()?;
        let near = far.f_le(middle)?;
        // Near distances are not looked at, so that any other number does for them.
        let inside = far.f_lt(middle)?;
        let far = far.f_masked_fill(&inside, middle - 1)?;
        let ratio = far
            .f_divide_scalar(middle)?
            .f_to_kind(Kind::Float)?
            .f_log()?;
        let whole = Tensor::from((self.furthest - 1) as f64 / middle as f64)
            .f_to_kind(Kind::Float)?
            .f_log()?;
        let logarithm = ratio.f_div(&whole)?.f_mul_scalar(middle - 1)?.f_ceil()?;
        let logarithm = logarithm.f_add_scalar(middle)?;
        let signed = logarithm.f_mul(&distances.f_sign()?)?;
        Ok(signed
            .f_to_kind(Kind::Int64)?
            .f_where_self(&near.f_logical_not()?, distances)?)
    }
}

/// The attention part of a layer.
pub(super) struct Attention {
    /// Queries, keys and values as one product.
    all: Affine,
    /// `r`, scaled, turned for a product. `[heads, width, 2 span]`.
    position_keys: Option<Tensor>,
    /// `s`, scaled, turned for a product. `[heads, width, 2 span]`.
    position_queries: Option<Tensor>,
    scale: f64,
}

impl Attention {
    pub(super) fn of(
        config: &EncoderConfig,
        trunk: &Trunk,
        name: &str,
        source: &mut Source<'_>,
    ) -> Result<Self, LmError> {
        let hidden = config.hidden;
        let mut product =
            |part: &str| source.affine(&format!("{name}.{part}_proj"), hidden, hidden);
        let (query, key, value) = (product("query")?, product("key")?, product("value")?);
        let width = (hidden / config.heads) as f64;
        let scale = (width * config.terms as f64).sqrt().recip();
        let positions = |distances: &Tensor, product: &Affine| -> Result<Tensor, LmError> {
            let heads = [distances.size()[0], config.heads as i64, width as i64];
            let turned = product
                .forward(distances)?
                .f_view(heads)?
                .f_permute([1, 2, 0])?;
            Ok(turned.f_mul_scalar(scale)?.f_contiguous()?)
        };
        let (mut position_keys, mut position_queries) = (None, None);
        if let (Some(relative), Some(distances)) = (&config.relative, &trunk.distances) {
            if relative.content_to_position {
                position_keys = Some(match relative.shared_keys {
                    true => positions(distances, &key)?,
                    false => positions(distances, &product("pos_key")?)?,
                });
            }
            if relative.position_to_content {
                position_queries = Some(match relative.shared_keys {
                    true => positions(distances, &query)?,
                    false => positions(distances, &product("pos_query")?)?,
                });
            }
        }
        let all = Affine {
            weight: Tensor::f_cat(&[&query.weight, &key.weight, &value.weight], 0)?,
            bias: Tensor::f_cat(&[&query.bias, &key.bias, &value.bias], 0)?,
        };
        Ok(Self {
            all,
            position_keys,
            position_queries,
            scale,
        })
    }

    /// `[tokens, hidden]` to the same.
    pub(super) fn forward(
        &self,
        config: &EncoderConfig,
        stream: &Tensor,
        runs: &[Run],
        buckets: &Buckets,
    ) -> Result<Tensor, LmError> {
        let (heads, hidden) = (config.heads as i64, config.hidden as i64);
        let all = self.all.forward(stream)?;
        let mut parts = Vec::with_capacity(runs.len());
        for run in runs {
            let part = all.f_narrow(0, run.start, run.rows * run.tokens)?;
            let part = part.f_view([run.rows, run.tokens, 3, heads, hidden / heads])?;
            let part = part.f_permute([2, 0, 3, 1, 4])?; // [3, rows, heads, tokens, width]
            let table = buckets.0.get(&run.tokens);
            // A text alone, and as many of its heads as the memory allows, when it is long.
            let square = run.tokens * run.tokens;
            let together = (MOST_SCALARS / square).clamp(1, heads);
            let rows = if together < heads {
                1
            } else {
                (MOST_SCALARS / (square * heads)).clamp(1, run.rows)
            };
            let mut texts = Vec::new();
            for row in (0..run.rows).step_by(rows as usize) {
                let count = rows.min(run.rows - row);
                let mut attended = Vec::new();
                for head in (0..heads).step_by(together as usize) {
                    let some = together.min(heads - head);
                    let part = part.f_narrow(1, row, count)?.f_narrow(2, head, some)?;
                    attended.push(self.attend(&part, head, table)?);
                }
                let attended = Tensor::f_cat(&attended, 1)?.f_transpose(1, 2)?;
                texts.push(attended.f_reshape([-1, hidden])?);
            }
            parts.push(Tensor::f_cat(&texts, 0)?);
        }
        Ok(Tensor::f_cat(&parts, 0)?)
    }

    /// Some heads, from `head` on, of texts of one length.
    /// `[3, rows, heads, tokens, width]` to `[rows, heads, tokens, width]`.
    fn attend(&self, part: &Tensor, head: i64, table: Option<&Table>) -> Result<Tensor, LmError> {
        let (queries, keys, values) = (part.get(0), part.get(1), part.get(2));
        let mut added = None;
        if let Some(table) = table {
            let size = queries.size();
            let shape = [size[0], size[1], size[2], size[2]];
            let looked_up = |content: &Tensor, positions: &Tensor, index: &Tensor| {
                let positions = positions.f_narrow(0, head, size[1])?;
                let positions = positions.f_narrow(2, table.first, table.rows)?;
                let all = content.f_matmul(&positions)?; // [rows, heads, tokens, buckets]
                all.f_gather(-1, &index.f_expand(shape, false)?, false)
            };
            if let Some(positions) = &self.position_keys {
                added = Some(looked_up(&queries, positions, &table.index)?);
            }
            if let Some(positions) = &self.position_queries {
                let term = looked_up(&keys, positions, &table.turned)?.f_transpose(2, 3)?;
                added = Some(match added {
                    Some(mut added) => added.f_add_(&term)?,
                    None => term.f_contiguous()?,
                });
            }
        }
        Ok(Tensor::f_scaled_dot_product_attention(
            &queries,
            &keys,
            &values,
            added.as_ref(),
            0.0,
            false,
            self.scale,
            false,
        )?)
    }
}
