//! What stands between the products of attention: turned queries and keys, weights, values.

use nn::fused::causal::{CausalAttention, Turns};
use nn::slices::{values, values_mut};
use tch::{Tensor, no_grad};

use super::{Kept, empty, threads, zeros};
use crate::LmError;
use crate::decoder::{Batch, Decoder, Surroundings};
use crate::scoring::pulled;
use crate::trained::Leaf;

impl Decoder {
    /// Whether hand-made kernels attend: caps on the scores are LibTorch's.
    fn attends_fused(&self) -> bool {
        self.config().attention_cap.is_none()
    }

    /// What the layers of a pass need to know.
    pub(crate) fn fused_surroundings(&self, batch: &Batch) -> Surroundings {
        if self.attends_fused() {
            self.turned_texts(batch)
        } else {
            self.surroundings(batch)
        }
    }

    /// `heads` `[rows, tokens, heads + 2 kv_heads, head_dim]`, as they are to be kept, and
    /// `[rows, tokens, heads * head_dim]`.
    pub(super) fn fused_attention(
        &self,
        layer: usize,
        heads: Tensor,
        surroundings: &Surroundings,
        keeps: bool,
    ) -> Result<(Tensor, Tensor), LmError> {
        if !self.attends_fused() {
            if !keeps {
                let attended = no_grad(|| self.attended(layer, &heads, surroundings, None));
                return Ok((heads, attended.contiguous()));
            }
            let heads = heads.detach().set_requires_grad(true);
            let attended = self.attended(layer, &heads, surroundings, None);
            return Ok((heads, attended.contiguous()));
        }
        let config = self.config();
        let width = (config.heads * config.head_dim) as i64;
        let shape = heads.size();
        let mut attended = empty(&[shape[0], shape[1], width])?;
        let gains = self.head_gains(layer);
        self.kernel(layer, surroundings, gains.as_ref()).forward(
            values(&heads),
            &surroundings.trees,
            values_mut(&mut attended),
            threads(),
        );
        Ok((heads, attended))
    }

    /// The gradient of the heads, given that of what was attended, `[tokens, heads *
    /// head_dim]`; those of the norms between are added to `flat`.
    pub(super) fn fused_attention_backward(
        &self,
        layer: usize,
        kept: &Kept,
        of_attended: &Tensor,
        surroundings: &Surroundings,
        flat: &mut Tensor,
    ) -> Result<Tensor, LmError> {
        let weights = &self.weights().layout().layers[layer];
        let norms = weights.query_key_norms.into_iter().flatten();
        let norms: Vec<Leaf<'_>> = norms.map(|norm| self.leaf(norm)).collect();
        if !self.attends_fused() {
            let of_attended = of_attended.view_as(&kept.attended);
            let heads = Some(&kept.heads);
            let (of_heads, parts) = pulled(&kept.attended, &of_attended, heads, &norms)?;
            for (leaf, part) in norms.iter().zip(&parts) {
                let mut place = flat.narrow(0, leaf.start, part.numel() as i64);
                let _ = no_grad(|| place.g_add_(part));
            }
            return match of_heads {
                Some(found) => Ok(found.contiguous()),
                None => zeros(&kept.heads.size()),
            };
        }
        let mut of_heads = empty(&kept.heads.size())?;
        let gains = self.head_gains(layer);
        let width = self.config().head_dim;
        let mut of_gains = gains
            .as_ref()
            .map(|_| [vec![0f32; width], vec![0f32; width]]);
        let sums = of_gains.as_mut();
        self.kernel(layer, surroundings, gains.as_ref()).backward(
            values(&kept.heads),
            &surroundings.trees,
            values(of_attended),
            values_mut(&mut of_heads),
            sums.map(|[query, key]| [&mut query[..], &mut key[..]]),
            threads(),
        );
        for (leaf, sums) in norms.iter().zip(of_gains.iter().flatten()) {
            let place = &mut values_mut(flat)[leaf.start as usize..][..width];
            for (sum, value) in place.iter_mut().zip(sums) {
                *sum += value;
            }
        }
        Ok(of_heads)
    }

    /// What the norms of query and key heads multiply by, where there are some.
    fn head_gains(&self, layer: usize) -> Option<[Vec<f32>; 2]> {
        let norms = self.weights().layout().layers[layer].query_key_norms?;
        Some(norms.map(|norm| self.gain(norm)))
    }

    fn kernel<'a>(
        &self,
        layer: usize,
        surroundings: &'a Surroundings,
        gains: Option<&'a [Vec<f32>; 2]>,
    ) -> CausalAttention<'a> {
        let config = self.config();
        let plan = config.layers[layer];
        CausalAttention {
            heads: config.heads,
            kv_heads: config.kv_heads,
            width: config.head_dim,
            scale: config.attention_scale as f32,
            window: plan.window,
            turns: plan.rope.map(|rope| {
                let turn = &surroundings.turns[rope];
                Turns {
                    cosine: values(&turn.cosine),
                    sine: values(&turn.sine),
                    turned: config.ropes[rope].width,
                }
            }),
            norms: gains.map(|[query, key]| [&query[..], &key[..]]),
            epsilon: config.norm_epsilon as f32,
        }
    }
}
