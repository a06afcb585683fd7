//! `concord-worker score`: reward models and PairRM, from JSON lines to JSON lines.

mod records;

use std::path::{Path, PathBuf};

use clap::Args;
use hub::{ModelFolder, ModelTokenizer};
use lm::classification::{Classifier, DEFAULT_CEILING};
use lm::config::ModelConfig;
use lm::encoder::{
    ENCODER_TYPE, EncoderClassifier, EncoderConfig, EncoderHead, PairLimits, PairRanker, win_matrix,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{AdapterPlace, Dtype, ModelArguments, adapt, wide};
use crate::exit::{BAD_CONFIG, DONE, Failure, answer, warn};
use records::{Asked, Record};

/// Scores of texts, or of candidates against each other.
#[derive(Args)]
pub struct ScoreTextsArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// JSON lines; `-` for stdin.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Only a model that compares two candidates will do.
    #[arg(long)]
    pair: bool,
    /// Tokens that are computed together, at most.
    #[arg(long = "max-tokens", default_value_t = DEFAULT_CEILING)]
    ceiling: usize,
}

/// A model that scores.
enum Judge {
    Decoder(Classifier),
    Encoder(EncoderClassifier),
    Pair(PairRanker),
}

/// Writes a line for every line of the file, in their order.
pub fn score_texts(arguments: &ScoreTextsArguments) -> Result<u8, Failure> {
    let path = &arguments.model.model;
    let folder = ModelFolder::open(path)?;
    let tokenizer = folder.tokenizer()?;
    let judge = Judge::load(arguments, &folder)?;
    let records = Record::of_file(&arguments.file)?;
    let scorer = Scorer {
        judge,
        template: folder.template()?,
        tokenizer,
        ceiling: arguments.ceiling.max(1),
    };
    for line in scorer.lines(&records)? {
        answer(&line.to_string());
    }
    Ok(DONE)
}

impl Judge {
    fn load(arguments: &ScoreTextsArguments, folder: &ModelFolder) -> Result<Self, Failure> {
        let path = folder.path();
        let kind = arguments.model.dtype.map(Dtype::kind);
        let judge = if folder.family() == Some(ENCODER_TYPE) {
            if let Some(adapter) = &arguments.model.adapter {
                return Err(Failure::new(
                    BAD_CONFIG,
                    format!(
                        "--adapter {}: {} is an encoder - allowed: adapters of decoders - merge it with peft first",
                        adapter.display(),
                        path.display()
                    ),
                ));
            }
            let config = EncoderConfig::read(path)?;
            let device = arguments.model.place(config.scalars())?;
            Self::of_encoder(&config, path, kind, device)?
        } else {
            let config = ModelConfig::read(path)?;
            let device = arguments.model.place(config.scalars())?;
            for warning in &config.warnings {
                warn(warning);
            }
            let mut classifier = Classifier::load(path, kind, device, false)?;
            if let Some(adapter) = &arguments.model.adapter {
                adapt(classifier.decoder_mut(), adapter, AdapterPlace::Merged)?;
            }
            Self::Decoder(classifier)
        };
        match judge {
            Self::Pair(_) => Ok(judge),
            _ if arguments.pair => Err(Failure::new(
                BAD_CONFIG,
                format!(
                    "--pair: {} scores one text - allowed: a PairRM - leave --pair out, or choose llm-blender/PairRM-hf",
                    path.display()
                ),
            )),
            _ => Ok(judge),
        }
    }

    fn of_encoder(
        config: &EncoderConfig,
        path: &Path,
        kind: Option<Kind>,
        device: Device,
    ) -> Result<Self, Failure> {
        match config.head {
            EncoderHead::Pair { .. } => Ok(Self::Pair(PairRanker::load(path, kind, device)?)),
            // A folder without a head is refused by the loader, with a sentence.
            _ => Ok(Self::Encoder(EncoderClassifier::load(path, kind, device)?)),
        }
    }
}

struct Scorer {
    judge: Judge,
    template: Option<hub::ChatTemplate>,
    tokenizer: ModelTokenizer,
    ceiling: usize,
}

impl Scorer {
    /// An object for every record.
    fn lines(&self, records: &[Record]) -> Result<Vec<Value>, Failure> {
        let mut lines = match &self.judge {
            Judge::Pair(ranker) => {
                let lines = records.iter().map(|record| {
                    self.compared(ranker, record)
                        .map_err(|failure| failure.about(&record.name))
                });
                lines.collect::<Result<Vec<_>, _>>()?
            }
            _ => self.scored(records)?,
        };
        for (line, record) in lines.iter_mut().zip(records) {
            line["line"] = json!(record.line);
            if let Some(id) = &record.id {
                line["id"] = id.clone();
            }
        }
        Ok(lines)
    }

    /// All ordered pairs of a record's candidates.
    fn compared(&self, ranker: &PairRanker, record: &Record) -> Result<Value, Failure> {
        let Asked::Candidates { prompt, candidates } = &record.asked else {
            return Err(Failure::new(
                BAD_CONFIG,
                "PairRM compares candidates - allowed: {\"prompt\": \"..\", \"candidates\": [\"..\", \"..\"]}",
            ));
        };
        let prompt = prompt.as_str().ok_or_else(|| {
            Failure::new(
                BAD_CONFIG,
                "`prompt` of PairRM - allowed: a text; render messages with the template of the model that answered them",
            )
        })?;
        let [source_marker, marker, _] = ranker.markers();
        let segment = |marker: i64, text: &str| -> Result<Vec<i64>, Failure> {
            let marker = u32::try_from(marker).unwrap_or_default();
            let marker = self.tokenizer.token(marker).unwrap_or_default();
            let ids = self.tokenizer.encode(&format!("{marker}{text}"), true)?;
            Ok(wide(&ids))
        };
        let source = segment(source_marker, prompt)?;
        let candidates = candidates
            .iter()
            .map(|candidate| segment(marker, candidate))
            .collect::<Result<Vec<_>, _>>()?;
        let candidates: Vec<&[i64]> = candidates.iter().map(Vec::as_slice).collect();
        let limits = PairLimits::default();
        let (logits, truncated) = ranker.compare(&source, &candidates, limits, self.ceiling)?;
        if truncated {
            warn(&format!(
                "{}: cut to {} tokens for the prompt and what it leaves of {} for two candidates, as the reference does",
                record.name, limits.source, limits.total
            ));
        }
        let count = candidates.len() as f32;
        let scores: Vec<f32> = logits
            .iter()
            .map(|row| row.iter().sum::<f32>() / count)
            .collect();
        let win = win_matrix(&logits);
        Ok(json!({ "logits": logits, "win": win, "scores": scores, "truncated": truncated }))
    }

    /// All texts of all records in one go, so that texts of like length share a group.
    fn scored(&self, records: &[Record]) -> Result<Vec<Value>, Failure> {
        let mut texts: Vec<Vec<i64>> = Vec::new();
        let mut counts = Vec::with_capacity(records.len());
        for record in records {
            let of_record = self
                .texts(record)
                .and_then(|texts| self.check(&texts).map(|()| texts))
                .map_err(|failure| failure.about(&record.name))?;
            counts.push(of_record.len());
            texts.extend(of_record);
        }
        let borrowed: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
        let scores = match &self.judge {
            Judge::Decoder(classifier) => classifier.scores_of(&borrowed, self.ceiling)?,
            Judge::Encoder(classifier) => classifier.scores_of(&borrowed, self.ceiling)?,
            Judge::Pair(_) => Tensor::zeros([0, 1], (Kind::Float, Device::Cpu)),
        };
        let labels = scores.size()[1] as usize;
        let values = nn::parameters::flat_values(&scores.reshape([-1]));
        let mut rows = values.chunks(labels);
        let mut lengths = texts.iter().map(Vec::len);
        let lines = records.iter().zip(counts).map(|(record, count)| {
            let rows: Vec<&[f32]> = rows.by_ref().take(count).collect();
            let tokens: Vec<usize> = lengths.by_ref().take(count).collect();
            match (&record.asked, rows.as_slice()) {
                (Asked::Candidates { .. }, rows) => {
                    let scores: Vec<f32> = rows.iter().map(|row| row[0]).collect();
                    json!({ "scores": scores, "win": wins(&scores), "tokens": tokens })
                }
                (_, [[score]]) => json!({ "score": score, "tokens": tokens[0] }),
                (_, rows) => json!({ "scores": rows.concat(), "tokens": tokens[0] }),
            }
        });
        Ok(lines.collect())
    }

    /// The texts of a record, as ids.
    fn texts(&self, record: &Record) -> Result<Vec<Vec<i64>>, Failure> {
        match &record.asked {
            Asked::Text(text) => Ok(vec![wide(&self.tokenizer.encode(text, true)?)]),
            Asked::Conversation(conversation) => Ok(vec![records::rendered(
                conversation,
                self.template.as_ref(),
                &self.tokenizer,
            )?]),
            Asked::Response { prompt, response } => Ok(vec![self.answered(prompt, response)?]),
            Asked::Candidates { prompt, candidates } => {
                let labels = self.labels();
                if labels != 1 {
                    return Err(Failure::new(
                        BAD_CONFIG,
                        format!(
                            "a model of {labels} labels - allowed to compare candidates: one score - choose a reward model with `num_labels` 1"
                        ),
                    ));
                }
                let texts = candidates
                    .iter()
                    .map(|response| self.answered(prompt, response));
                texts.collect()
            }
        }
    }

    fn answered(&self, prompt: &hub::OrderedJson, response: &str) -> Result<Vec<i64>, Failure> {
        match (&self.judge, prompt.as_str()) {
            // An encoder reads the two as segments: `[CLS] prompt [SEP] response [SEP]`.
            (Judge::Encoder(_), Some(prompt)) => {
                let mut ids = wide(&self.tokenizer.encode(prompt, true)?);
                let second = wide(&self.tokenizer.encode(response, true)?);
                ids.extend(second.iter().skip(1));
                Ok(ids)
            }
            _ => records::rendered(
                &records::conversation(prompt, response)?,
                self.template.as_ref(),
                &self.tokenizer,
            ),
        }
    }

    fn labels(&self) -> usize {
        match &self.judge {
            Judge::Decoder(classifier) => classifier.labels(),
            Judge::Encoder(classifier) => classifier.labels(),
            Judge::Pair(_) => 1,
        }
    }

    fn check(&self, texts: &[Vec<i64>]) -> Result<(), Failure> {
        for text in texts {
            match &self.judge {
                Judge::Decoder(classifier) => classifier.decoder().check(text)?,
                Judge::Encoder(classifier) => classifier.encoder().check(text)?,
                Judge::Pair(ranker) => ranker.encoder().check(text)?,
            }
        }
        Ok(())
    }
}

/// The chance that each beats each other by Bradley and Terry's model.
fn wins(scores: &[f32]) -> Vec<Vec<f32>> {
    let logits = |one: &f32| scores.iter().map(|other| one - other).collect();
    // A difference is its own negative in the other order, so that averaging keeps it.
    win_matrix(&scores.iter().map(logits).collect::<Vec<Vec<f32>>>())
}
