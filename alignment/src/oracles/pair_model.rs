//! PairRM: logits of every ordered pair of responses (Jiang et al. 2023).
//!
//! The prompt is the source text as it stands, without a chat template. The numbers are those of
//! `concord model score --pair`.

use std::path::Path;

use hub::{ModelFolder, ModelTokenizer};
use lm::classification::DEFAULT_CEILING;
use lm::config::ModelConfig;
use lm::encoder::{
    ENCODER_TYPE, EncoderConfig, EncoderHead, PairLimits, PairRanker, PairText, Segments,
};
use tch::{Device, Kind};

use super::reward_model::finite;
use super::{
    Aggregation, Candidates, Judgement, OracleError, OracleKind, PairLogits, PreferenceOracle, Raw,
    distinct,
};
use crate::text_model::wide;

/// An oracle over a folder in the form of `llm-blender/PairRM-hf`.
pub struct PairModel {
    name: String,
    ranker: PairRanker,
    tokenizer: ModelTokenizer,
    aggregation: Aggregation,
    limits: PairLimits,
    ceiling: usize,
    compared: u64,
    cut: u64,
}

/// One prompt's texts among those of a batch.
struct Part {
    /// For each response the place of its text among the distinct ones.
    places: Vec<usize>,
    /// Distinct responses.
    distinct: usize,
}

impl PairModel {
    /// Loads a folder; `name` is the model as the user named it. Without `kind` the weights keep the type
    /// of their files.
    ///
    /// # Errors
    /// Before the weights are read: a model that is no PairRM, a tokenizer of another model or without the
    /// markers. Then what the weights are refused for.
    pub fn load(
        name: &str,
        folder: &Path,
        aggregation: Aggregation,
        kind: Option<Kind>,
        device: Device,
    ) -> Result<Self, OracleError> {
        let opened = ModelFolder::open(folder)?;
        let refuse = |what: String| {
            OracleError::Model(format!(
                "oracle.model: {name} {what} - allowed with oracle.kind = pair_model: a PairRM, such as llm-blender/PairRM-hf"
            ))
        };
        if opened.family() != Some(ENCODER_TYPE) {
            let reward = ModelConfig::read(folder)?.labels.is_some();
            return Err(refuse(if reward {
                "is a reward model, which scores one response; set oracle.kind = reward_model"
                    .to_owned()
            } else {
                "is a language model, which compares nothing".to_owned()
            }));
        }
        let config = EncoderConfig::read(folder)?;
        let EncoderHead::Pair { markers, .. } = config.head else {
            return Err(refuse(match config.head {
                EncoderHead::Classification { .. } => {
                    "is a reward model, which scores one response; set oracle.kind = reward_model"
                        .to_owned()
                }
                _ => "is an encoder without a head".to_owned(),
            }));
        };
        let tokenizer = opened.tokenizer()?;
        for marker in markers {
            let known = u32::try_from(marker)
                .ok()
                .and_then(|id| tokenizer.token(id));
            if known.is_none() {
                return Err(OracleError::Model(format!(
                    "oracle.model: {name}: its tokenizer has no token {marker}, which marks a text - take the tokenizer of llm-blender/PairRM-hf"
                )));
            }
        }
        Ok(Self {
            name: name.to_owned(),
            ranker: PairRanker::load(folder, kind, device)?,
            tokenizer,
            aggregation,
            limits: PairLimits::default(),
            ceiling: DEFAULT_CEILING,
            compared: 0,
            cut: 0,
        })
    }

    /// The same with another number of tokens that are computed together at most.
    #[must_use]
    pub fn with_ceiling(mut self, tokens: usize) -> Self {
        self.ceiling = tokens.max(1);
        self
    }

    /// `[CLS] marker text.. [SEP]`
    fn segment(&self, marker: i64, text: &str) -> Result<Vec<i64>, OracleError> {
        let id = u32::try_from(marker).unwrap_or_default();
        let marker = self.tokenizer.token(id).unwrap_or_default();
        let ids = self.tokenizer.encode(&format!("{marker}{text}"), true)?;
        Ok(wide(&ids))
    }

    /// Adds the texts of all ordered pairs of a prompt's distinct responses, row by row.
    fn assemble(
        &self,
        candidates: &Candidates,
        texts: &mut Vec<PairText>,
    ) -> Result<Part, OracleError> {
        let (unlike, places) = distinct(&candidates.responses);
        let [source, marker, _] = self.ranker.markers();
        let source = self.segment(source, &candidates.prompt)?;
        let segments = unlike
            .iter()
            .map(|response| self.segment(marker, response))
            .collect::<Result<Vec<_>, _>>()?;
        for (row, first) in segments.iter().enumerate() {
            for (column, second) in segments.iter().enumerate() {
                if row == column {
                    continue;
                }
                let text = self.ranker.assemble(
                    Segments {
                        source: &source,
                        first,
                        second,
                    },
                    self.limits,
                )?;
                self.ranker.encoder().check(&text.ids)?;
                texts.push(text);
            }
        }
        Ok(Part {
            places,
            distinct: unlike.len(),
        })
    }
}

impl PreferenceOracle for PairModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Pairwise
    }

    /// Identical responses are not compared: their logit is 0.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        let mut texts = Vec::new();
        let mut parts = Vec::with_capacity(batch.len());
        for candidates in batch {
            let part = self.assemble(candidates, &mut texts);
            parts.push(part.map_err(|error| OracleError::About {
                id: candidates.id.clone(),
                problem: error.to_string(),
            })?);
        }
        self.compared += texts.len() as u64;
        self.cut += texts.iter().filter(|text| text.truncated).count() as u64;
        let logits = self.ranker.logits(&texts, self.ceiling)?;
        let mut logits = logits.into_iter().map(f64::from);
        batch
            .iter()
            .zip(parts)
            .map(|(candidates, part)| {
                let mut unlike = vec![vec![0.0; part.distinct]; part.distinct];
                for (row, entries) in unlike.iter_mut().enumerate() {
                    for (column, entry) in entries.iter_mut().enumerate() {
                        if row != column {
                            *entry = logits.next().unwrap_or(f64::NAN);
                        }
                    }
                }
                let logits: Vec<Vec<f64>> = part
                    .places
                    .iter()
                    .map(|row| part.places.iter().map(|at| unlike[*row][*at]).collect())
                    .collect();
                for (row, entries) in logits.iter().enumerate() {
                    let what = format!("the logit against response {}", row + 1);
                    finite(&candidates.id, &what, entries)?;
                }
                Ok(Judgement {
                    wins: PairLogits::new(&logits)?.wins(self.aggregation)?,
                    raw: Raw::Logits(logits),
                    failures: 0,
                })
            })
            .collect()
    }

    fn notes(&self) -> Vec<String> {
        if self.cut == 0 {
            return Vec::new();
        }
        vec![format!(
            "{} of {} comparisons were cut to {} tokens for the prompt and what it leaves of {} for two responses, as the reference does",
            self.cut, self.compared, self.limits.source, self.limits.total
        )]
    }
}
