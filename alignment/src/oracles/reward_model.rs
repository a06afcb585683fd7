//! A reward model: a score of each response, and Bradley and Terry's odds of their differences.
//!
//! A decoder (`..ForSequenceClassification`) reads prompt and response through its own chat template,
//! an encoder (`DebertaV2ForSequenceClassification`) as two segments. The numbers are those of
//! `concord model score`.

use std::collections::HashMap;
use std::path::Path;

use dataset::Message;
use hub::{ChatTemplate, HubError, ModelFolder, ModelTokenizer, OrderedJson, RenderOptions};
use lm::LmError;
use lm::classification::{Classifier, DEFAULT_CEILING};
use lm::config::ModelConfig;
use lm::encoder::{ENCODER_TYPE, EncoderClassifier, EncoderConfig, EncoderHead};
use tch::{Device, Kind};

use super::aggregation::bradley_terry;
use super::{Candidates, Judgement, OracleError, OracleKind, PreferenceOracle, Raw};
use crate::text_model::wide;

/// An oracle over a reward model's folder.
pub struct RewardModel {
    name: String,
    model: Model,
    tokenizer: ModelTokenizer,
    template: Option<ChatTemplate>,
    temperature: f64,
    ceiling: usize,
}

enum Model {
    Decoder(Classifier),
    Encoder(EncoderClassifier),
}

impl RewardModel {
    /// Loads a folder; `name` is the model as the user named it, `temperature` divides differences of
    /// scores. Without `kind` the weights keep the type of their files.
    ///
    /// # Errors
    /// Before the weights are read: a model that is no reward model with one score, a tokenizer of another
    /// model, a decoder without a chat template, or with one that refuses a question and an answer. Then
    /// what the weights are refused for.
    pub fn load(
        name: &str,
        folder: &Path,
        temperature: f64,
        kind: Option<Kind>,
        device: Device,
    ) -> Result<Self, OracleError> {
        bradley_terry(&[0.0, 0.0], temperature)?;
        let opened = ModelFolder::open(folder)?;
        let encoder = opened.family() == Some(ENCODER_TYPE);
        if encoder {
            of_encoder(name, &EncoderConfig::read(folder)?)?;
        } else {
            of_decoder(name, &ModelConfig::read(folder)?)?;
        }
        let tokenizer = opened.tokenizer()?;
        let template = if encoder { None } else { opened.template()? };
        if !encoder {
            let question = [
                OrderedJson::message("user", "?"),
                OrderedJson::message("assistant", "!"),
            ];
            rendered(template.as_ref(), &question).map_err(|error| {
                OracleError::Model(format!(
                    "oracle.model: {name}: its chat template does not take a question and an answer, {error}"
                ))
            })?;
        }
        let model = if encoder {
            Model::Encoder(EncoderClassifier::load(folder, kind, device)?)
        } else {
            Model::Decoder(Classifier::load(folder, kind, device, false)?)
        };
        Ok(Self {
            name: name.to_owned(),
            model,
            tokenizer,
            template,
            temperature,
            ceiling: DEFAULT_CEILING,
        })
    }

    /// The same with another number of tokens that are computed together at most, padding included.
    #[must_use]
    pub fn with_ceiling(mut self, tokens: usize) -> Self {
        self.ceiling = tokens.max(1);
        self
    }

    /// The ids of a prompt and a response to it.
    fn ids(&self, candidates: &Candidates, response: &str) -> Result<Vec<i64>, OracleError> {
        if let Model::Encoder(_) = self.model {
            // `[CLS] prompt [SEP] response [SEP]`
            let mut ids = wide(&self.tokenizer.encode(&candidates.prompt, true)?);
            let second = wide(&self.tokenizer.encode(response, true)?);
            ids.extend(second.iter().skip(1));
            return Ok(ids);
        }
        let mut turns = candidates
            .turns()
            .iter()
            .map(turn)
            .collect::<Result<Vec<_>, _>>()?;
        turns.push(OrderedJson::message("assistant", response));
        let text = rendered(self.template.as_ref(), &turns)?;
        let tokens = self.tokenizer.encode_rendered(&text)?;
        Ok(tokens.iter().map(|(id, _)| i64::from(*id)).collect())
    }

    fn check(&self, ids: &[i64]) -> Result<(), LmError> {
        match &self.model {
            Model::Decoder(classifier) => classifier.decoder().check(ids),
            Model::Encoder(classifier) => classifier.encoder().check(ids),
        }
    }

    /// A score of each text, f32 as f64.
    fn scores(&self, texts: &[Vec<i64>]) -> Result<Vec<f64>, OracleError> {
        let texts: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let scores = match &self.model {
            Model::Decoder(classifier) => classifier.scores_of(&texts, self.ceiling)?,
            Model::Encoder(classifier) => classifier.scores_of(&texts, self.ceiling)?,
        }; // [texts, 1]
        let values = nn::parameters::flat_values(&scores.f_reshape([-1]).map_err(LmError::from)?);
        Ok(values.into_iter().map(f64::from).collect())
    }
}

impl PreferenceOracle for RewardModel {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> OracleKind {
        OracleKind::Scalar
    }

    /// All texts of the batch are scored together, the same one once.
    fn judge(&mut self, batch: &[Candidates]) -> Result<Vec<Judgement>, OracleError> {
        let mut texts: Vec<Vec<i64>> = Vec::new();
        let mut places: HashMap<Vec<i64>, usize> = HashMap::new();
        let mut rows = Vec::with_capacity(batch.len());
        for candidates in batch {
            let mut row = Vec::with_capacity(candidates.responses.len());
            for (number, response) in candidates.responses.iter().enumerate() {
                let about = |error: OracleError| OracleError::About {
                    id: candidates.id.clone(),
                    problem: format!("response {}: {error}", number + 1),
                };
                let ids = self.ids(candidates, response).map_err(about)?;
                self.check(&ids).map_err(|error| about(error.into()))?;
                let place = *places.entry(ids).or_insert_with_key(|ids| {
                    texts.push(ids.clone());
                    texts.len() - 1
                });
                row.push(place);
            }
            rows.push(row);
        }
        let scores = self.scores(&texts)?;
        batch
            .iter()
            .zip(rows)
            .map(|(candidates, row)| {
                let scores: Vec<f64> = row.into_iter().map(|place| scores[place]).collect();
                finite(&candidates.id, "the score", &scores)?;
                Ok(Judgement {
                    wins: bradley_terry(&scores, self.temperature)?,
                    raw: Raw::Scores(scores),
                    failures: 0,
                })
            })
            .collect()
    }
}

/// Refuses an encoder that does not score a text.
fn of_encoder(name: &str, config: &EncoderConfig) -> Result<(), OracleError> {
    match config.head {
        EncoderHead::Classification { labels, .. } => one_score(name, labels),
        EncoderHead::Pair { .. } => Err(OracleError::Model(format!(
            "oracle.model: {name} is a PairRM, which compares two responses - allowed with oracle.kind = reward_model: a model that scores one - set oracle.kind = pair_model"
        ))),
        EncoderHead::None => Err(OracleError::Model(format!(
            "oracle.model: {name} is an encoder without a head - allowed with oracle.kind = reward_model: `architectures` that end in ForSequenceClassification"
        ))),
    }
}

/// Refuses a decoder that does not score a text.
fn of_decoder(name: &str, config: &ModelConfig) -> Result<(), OracleError> {
    let Some(labels) = config.labels else {
        return Err(OracleError::Model(format!(
            "oracle.model: {name} is a language model, which scores nothing - allowed with oracle.kind = reward_model: `architectures` that end in ForSequenceClassification - name a reward model, or serve this one and set oracle.kind = judge"
        )));
    };
    one_score(name, labels)
}

fn one_score(name: &str, labels: usize) -> Result<(), OracleError> {
    if labels == 1 {
        return Ok(());
    }
    Err(OracleError::Model(format!(
        "oracle.model: {name} gives {labels} scores of a text - allowed: one - name a reward model with `num_labels` 1"
    )))
}

/// Refuses numbers that are none.
pub(super) fn finite(id: &str, what: &str, values: &[f64]) -> Result<(), OracleError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(place) => Err(OracleError::About {
            id: id.to_owned(),
            problem: format!(
                "{what} of response {} is {} - the model's weights are damaged or overflow in their type; fetch it again, or try model.dtype = f32",
                place + 1,
                values[place]
            ),
        }),
    }
}

/// A turn with its keys in the order of the file.
fn turn(message: &Message) -> Result<OrderedJson, OracleError> {
    serde_json::to_string(message)
        .and_then(|text| serde_json::from_str(&text))
        .map_err(|error| OracleError::Model(format!("a turn that is no JSON, {error}")))
}

/// A conversation that is over, as text.
fn rendered(template: Option<&ChatTemplate>, turns: &[OrderedJson]) -> Result<String, HubError> {
    let template = template.ok_or_else(|| HubError::Template {
        why: "is missing: the model has none - add chat_template.jinja to its folder".to_owned(),
    })?;
    let options = RenderOptions {
        generation_prompt: false,
        ..RenderOptions::default()
    };
    template.render(turns, &options)
}
