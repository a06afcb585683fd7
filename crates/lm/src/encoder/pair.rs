//! PairRM: which of two candidates answers a prompt better (Jiang et al. 2023).
//!
//! Prompt and candidates are three segments, each with the encoder's own special tokens and
//! a marker before its text. The vectors of the markers in the last layer are all that the
//! head sees: `h(source, candidate)` scores each candidate, and the logit is the difference.

use std::path::Path;

use tch::{Device, Kind, Tensor, no_grad};

use super::config::EncoderHead;
use super::weights::Affine;
use super::{Encoder, Opened, starts};
use crate::LmError;
use crate::grouping::groups;

/// How long the segments may be, in tokens with their special ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairLimits {
    /// The prompt.
    pub source: usize,
    /// All three; what the prompt leaves is halved between the candidates.
    pub total: usize,
}

impl Default for PairLimits {
    /// Those of `llm-blender/PairRM`: 1224 and twice 412.
    fn default() -> Self {
        Self {
            source: 1224,
            total: 2048,
        }
    }
}

/// The ids of a prompt and two candidates, as one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairText {
    /// The ids.
    pub ids: Vec<i64>,
    /// Where the three markers stand.
    pub markers: [usize; 3],
    /// Something was cut.
    pub truncated: bool,
}

/// The ids of three texts, each with its special tokens: `[CLS] marker text.. [SEP]`. The
/// candidates may carry either marker.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    /// The prompt, after `<|source|>`.
    pub source: &'a [i64],
    /// The candidate that is asked about.
    pub first: &'a [i64],
    /// The one it is compared with.
    pub second: &'a [i64],
}

/// The encoder with PairRM's head.
pub struct PairRanker {
    encoder: Encoder,
    markers: [i64; 3],
    inner: Affine,
    outer: Affine,
}

impl PairRanker {
    /// Loads a folder in the form of `llm-blender/PairRM-hf`; `kind` as for [`Encoder::load`].
    ///
    /// # Errors
    /// As [`Encoder::load`]; a folder of another head, or whose head is missing; a marker
    /// outside the vocabulary.
    pub fn load(folder: &Path, kind: Option<Kind>, device: Device) -> Result<Self, LmError> {
        let opened = Opened::of(folder, kind, device)?;
        let problem = |problem: String| LmError::Config {
            path: folder.join("config.json"),
            problem,
        };
        let EncoderHead::Pair { markers, tasks } = opened.config.head else {
            return Err(problem(format!(
                "{} - allowed here: DebertaV2PairRM, which compares two candidates",
                opened.config.head.described()
            )));
        };
        let vocabulary = opened.config.vocabulary as i64;
        if let Some(marker) = markers.iter().find(|id| !(0..vocabulary).contains(*id)) {
            return Err(problem(format!(
                "marker id {marker} - allowed: 0 to {} - `vocab_size` lacks the rows of the markers; fetch the model again",
                vocabulary - 1
            )));
        }
        let hidden = opened.config.hidden as i64;
        let affine = |name: &str, outputs: i64, inputs: i64| -> Result<Affine, LmError> {
            Ok(Affine {
                weight: opened.of_head(&format!("{name}.weight"), &[outputs, inputs])?,
                bias: opened.of_head(&format!("{name}.bias"), &[outputs])?,
            })
        };
        Ok(Self {
            markers,
            inner: affine("head_layer.1", hidden, 2 * hidden)?,
            outer: affine("head_layer.4", tasks as i64, hidden)?,
            encoder: opened.encoder()?,
        })
    }

    /// The encoder.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Ids of `<|source|>`, `<|candidate1|>` and `<|candidate2|>`.
    pub fn markers(&self) -> [i64; 3] {
        self.markers
    }

    /// One text of three segments, each cut at its end to its limit.
    ///
    /// # Errors
    /// A segment without its marker, limits below three tokens for a segment.
    pub fn assemble(
        &self,
        segments: Segments<'_>,
        limits: PairLimits,
    ) -> Result<PairText, LmError> {
        assemble(segments, self.markers, limits)
    }

    /// The logit of each text, in groups of at most `ceiling` tokens: above 0 when its first
    /// candidate is the better one.
    ///
    /// # Errors
    /// As [`Encoder::check`], for any text; LibTorch's own.
    pub fn logits(&self, texts: &[PairText], ceiling: usize) -> Result<Vec<f32>, LmError> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.ids.len()).collect();
        let mut logits = vec![0.0; texts.len()];
        for group in groups(&lengths, ceiling, |_| false) {
            let members: Vec<&[i64]> = group
                .iter()
                .map(|&text| texts[text].ids.as_slice())
                .collect();
            let vectors = self.encoder.forward(&members)?;
            let starts = starts(&members);
            let marked = |marker: usize| {
                let places = group
                    .iter()
                    .zip(&starts)
                    .map(|(&text, start)| start + texts[text].markers[marker] as i64);
                Tensor::from_slice(&places.collect::<Vec<i64>>()).to_device(vectors.device())
            };
            let found = no_grad(|| -> Result<Tensor, LmError> {
                let source = vectors.f_index_select(0, &marked(0))?;
                let score = |marker: usize| -> Result<Tensor, LmError> {
                    let candidate = vectors.f_index_select(0, &marked(marker))?;
                    let both = Tensor::f_cat(&[&source, &candidate], -1)?;
                    self.outer.forward(&self.inner.forward(&both)?.f_tanh()?)
                };
                let logit = score(1)?.f_sub(&score(2)?)?;
                Ok(logit.f_mean_dim(-1, false, Kind::Float)?)
            })?;
            for (&text, logit) in group.iter().zip(nn::parameters::flat_values(&found)) {
                logits[text] = logit;
            }
        }
        Ok(logits)
    }

    /// The logits of every ordered pair of `candidates`, row against column; 0 on the
    /// diagonal. Says whether something was cut.
    ///
    /// # Errors
    /// As [`PairRanker::assemble`] and [`PairRanker::logits`].
    pub fn compare(
        &self,
        source: &[i64],
        candidates: &[&[i64]],
        limits: PairLimits,
        ceiling: usize,
    ) -> Result<(Vec<Vec<f32>>, bool), LmError> {
        let count = candidates.len();
        let ordered = (0..count).flat_map(|row| (0..count).map(move |column| (row, column)));
        let ordered: Vec<(usize, usize)> = ordered.filter(|(row, column)| row != column).collect();
        let texts = ordered.iter().map(|&(row, column)| {
            let segments = Segments {
                source,
                first: candidates[row],
                second: candidates[column],
            };
            self.assemble(segments, limits)
        });
        let texts: Vec<PairText> = texts.collect::<Result<_, _>>()?;
        let logits = self.logits(&texts, ceiling)?;
        let mut matrix = vec![vec![0.0; count]; count];
        for ((row, column), logit) in ordered.into_iter().zip(logits) {
            matrix[row][column] = logit;
        }
        Ok((matrix, texts.iter().any(|text| text.truncated)))
    }
}

/// The chance that each candidate beats each other, both orders of presentation averaged:
/// `P(i > j) = sigmoid((s_ij - s_ji) / 2)`, so that `P + P' = 1`, with 1/2 on the diagonal.
pub fn win_matrix(logits: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let chance = |row: usize, column: usize| {
        let logit = (f64::from(logits[row][column]) - f64::from(logits[column][row])) / 2.0;
        (1.0 / (1.0 + (-logit).exp())) as f32
    };
    let row = |row: usize| (0..logits.len()).map(move |column| chance(row, column));
    (0..logits.len()).map(|at| row(at).collect()).collect()
}

fn assemble(
    segments: Segments<'_>,
    markers: [i64; 3],
    limits: PairLimits,
) -> Result<PairText, LmError> {
    let source = cut(segments.source, limits.source)?;
    let left = limits.total.saturating_sub(source.len()) / 2;
    let parts = [
        source,
        cut(segments.first, left)?,
        cut(segments.second, left)?,
    ];
    let mut ids = Vec::with_capacity(parts.iter().map(Vec::len).sum());
    let mut places = [0; 3];
    for (number, mut part) in parts.into_iter().enumerate() {
        let known = if number == 0 {
            &markers[..1]
        } else {
            &markers[1..]
        };
        let Some(place) = part.iter().position(|id| known.contains(id)) else {
            return Err(LmError::Input(format!(
                "a segment without its marker, id {} - the tokenizer does not know <|source|>, <|candidate1|> and <|candidate2|> as tokens; take the one of llm-blender/PairRM-hf",
                markers[number]
            )));
        };
        part[place] = markers[number];
        places[number] = ids.len() + place;
        ids.append(&mut part);
    }
    let given = segments.source.len() + segments.first.len() + segments.second.len();
    Ok(PairText {
        truncated: ids.len() < given,
        ids,
        markers: places,
    })
}

/// The first tokens and the last one, which ends the segment.
fn cut(ids: &[i64], most: usize) -> Result<Vec<i64>, LmError> {
    if ids.len() <= most {
        return Ok(ids.to_vec());
    }
    match ids.split_last() {
        Some((end, _)) if most >= 3 => {
            let mut cut = ids[..most - 1].to_vec();
            cut.push(*end);
            Ok(cut)
        }
        _ => Err(LmError::Input(format!(
            "{most} tokens for a segment - allowed: at least 3, for what begins it, its marker and what ends it - raise the limits"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::{PairLimits, Segments, assemble, win_matrix};

    const MARKERS: [i64; 3] = [100, 101, 102];

    #[test]
    fn segments_are_cut_before_their_end_and_the_candidates_share_what_is_left() {
        let source = [1, 100, 5, 6, 7, 2];
        let first = [1, 101, 8, 9, 10, 11, 2];
        let second = [1, 101, 12, 2];
        let limits = PairLimits {
            source: 5,
            total: 16,
        };
        let segments = Segments {
            source: &source,
            first: &first,
            second: &second,
        };
        let text = assemble(segments, MARKERS, limits).unwrap();
        // 5 for the prompt leave 11, 5 for each candidate.
        let wanted = [1, 100, 5, 6, 2, 1, 101, 8, 9, 2, 1, 102, 12, 2];
        assert_eq!(text.ids, wanted);
        assert_eq!(text.markers, [1, 6, 11]);
        assert!(text.truncated);
        let whole = assemble(segments, MARKERS, PairLimits::default()).unwrap();
        assert_eq!(whole.ids.len(), 17);
        assert!(!whole.truncated);
        let none = Segments {
            source: &first,
            ..segments
        };
        let refused = assemble(none, MARKERS, limits).unwrap_err().to_string();
        assert!(refused.contains("without its marker, id 100"), "{refused}");
        let tight = PairLimits {
            source: 5,
            total: 9,
        };
        let refused = assemble(segments, MARKERS, tight).unwrap_err().to_string();
        assert!(refused.contains("2 tokens for a segment"), "{refused}");
    }

    #[test]
    fn both_orders_are_averaged() {
        let matrix = win_matrix(&[vec![0.0, 3.0], vec![1.0, 0.0]]);
        let one = 1.0 / (1.0 + (-1.0f32).exp());
        assert!((matrix[0][1] - one).abs() < 1e-6);
        assert!((matrix[1][0] - (1.0 - one)).abs() < 1e-6);
        assert_eq!([matrix[0][0], matrix[1][1]], [0.5, 0.5]);
    }
}
