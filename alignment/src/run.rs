//! A fine-tuning in its run folder, from prompts to a better checkpoint (arXiv 2405.00675,
//! algorithm 1, and BVPO's single round of it).
//!
//! | file | what |
//! |---|---|
//! | `iterations/inputs.json` | marks of model and data, compared when a run is resumed |
//! | `iterations/<n>/responses.jsonl` | what was sampled for each prompt |
//! | `iterations/<n>/judgements.jsonl` | what the oracle said of it, before and after aggregation |
//! | `iterations/<n>/pairs.jsonl` | best and worst with their win rates, as SPPO's released data |
//! | `iterations/<n>/reference.jsonl` | log-probabilities under the iterate that is trained from |
//! | `iterations/<n>/model/` | what it became: a model, or peft's adapter |
//! | `evaluations/update-<u>.jsonl` | answers to held-out prompts after `u` updates |
//! | `ckpt/step-<u>/` | the newest moment that a training can go on from |
//! | `model/` | the result: a folder that `transformers` loads |
//!
//! A file that is there is finished; one that is not finished is called `.part` and goes on where
//! it ended. So every stage is resumable by itself, and nothing is paid for twice.

mod checkpoint;
pub mod data;
pub mod evaluation;
pub mod examples;
mod files;
mod inputs;
mod journal;
pub mod method;
mod model;
pub mod stages;
mod training_stage;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use configs::env::Environment;
use configs::finetune::{Algorithm, BaseLoss, FinetuneConfig, Source, SppoForm};
use crossbeam::channel::Receiver;
use lm::training::Trainer;
use tch::Device;
use tracking::{ControlCommand, EvaluationPurpose, RunFolder, RunState, Tracker};

use crate::failure::FinetuneError;
use crate::losses::mixing::ShareEstimator;
use crate::oracles::{PreferenceOracle, opening};
use crate::preparation::Example;
use crate::responding::{PolicyResponder, Responder, ServerResponder};
use crate::text_model::TextModel;
use crate::thinking::ThinkMarks;
use crate::training::Objective;
use crate::training::mixing::{Probe, Redraws};
use checkpoint::Position;
use data::PromptRow;
use evaluation::{Evaluation, Scores};
use examples::Prepared;
use journal::{Journal, StagePlace};
use model::Start;
use stages::{Answered, Selected, Wanted};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Finished,
    /// Told to stop; a resume goes on from here.
    Stopped,
}

/// Where a run happens and who hears of it.
pub struct Setting<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    /// Where events go.
    pub tracker: Tracker,
    /// What the run is told.
    pub commands: Receiver<ControlCommand>,
    /// Where the model computes.
    pub device: Device,
    /// Its name in the status.
    pub device_name: String,
    /// Whether an earlier process began this run.
    pub resume: bool,
}

/// A run in progress.
pub struct FinetuneRun<'a> {
    config: &'a FinetuneConfig,
    journal: Journal<'a>,
    model: TextModel,
    objective: Objective,
    /// BVPO's estimate of its share.
    share: Option<ShareEstimator>,
    /// Examples on which BVPO's gradients are measured.
    probes: Vec<Probe>,
    oracle: Option<Box<dyn PreferenceOracle>>,
    prompts: Vec<PromptRow>,
    held_out: Vec<PromptRow>,
    /// Answers of the model that the run began with.
    start_answers: Vec<Answered>,
    last_scores: Option<Scores>,
    /// What is carried from one iteration to the next.
    trainer: Option<Trainer>,
    /// The checkpoint to go on from.
    position: Option<(PathBuf, Position)>,
    /// The first iteration that is not trained yet, from 1.
    first: usize,
}

/// Iterations; one where the data has its own pairs or demonstrations.
fn iterations(config: &FinetuneConfig) -> usize {
    if config.iterates() {
        config.iterations.count
    } else {
        1
    }
}

impl<'a> FinetuneRun<'a> {
    /// Reads everything that the run needs and says what is wrong with it, the dear things last.
    ///
    /// # Errors
    /// An oracle that cannot judge, data that cannot be read, a model that cannot be loaded, inputs
    /// that have changed since the run began.
    pub fn new(config: &'a FinetuneConfig, setting: Setting<'a>) -> Result<Self, FinetuneError> {
        let folder = setting.folder;
        inputs::keep_or_compare(
            &folder.path().join("iterations/inputs.json"),
            &inputs::of(config)?,
        )?;
        let oracle = match config.iterates() {
            true => Some(opening::open(&config.oracle, setting.device)?),
            false => None,
        };
        let mut notes = Vec::new();
        let path = config.data.path.as_deref().unwrap_or_default();
        let prompts = if config.iterates() {
            let wanted = config.data.rows.or_else(|| {
                let each = config.iterations.prompts?;
                Some(each * config.iterations.count as u64)
            });
            let read = data::prompts(path, &config.data, wanted, false, config.seed)?;
            notes.extend(read.notes);
            read.rows
        } else {
            Vec::new()
        };
        check_prompts(config, &prompts)?;
        let held_out = match &config.data.evaluation {
            Some(path) => {
                let wanted = Some(config.evaluation.prompts);
                let read = data::prompts(path, &config.data, wanted, true, 0)?;
                notes.extend(read.notes);
                read.rows
            }
            None => Vec::new(),
        };
        let first = first_iteration(config, folder.path());
        let position = if setting.resume {
            checkpoint::newest(folder)?
        } else {
            None
        };
        let model_folder = iteration_folder(folder.path(), first - 1).join("model");
        let start = if first > 1 && model_folder.exists() {
            Start::Iteration(&model_folder)
        } else {
            Start::Settings
        };
        let model = model::open(config, start, setting.device)?;
        if config.iterates() {
            responder(config, &model)?;
        }
        let share = position.as_ref().and_then(|(_, position)| position.share);
        let share = share.or(method::estimator(&config.algorithm)?);
        let mut journal = Journal::new(
            folder,
            setting.tracker,
            setting.commands,
            setting.device_name,
            Duration::from_secs_f64(config.logging.interval_secs),
        );
        for warning in &model.decoder.config().warnings {
            journal.warning("model", warning.clone());
        }
        if setting.resume {
            let (counters, from) = match &position {
                Some((path, position)) => (position.counters, path.display().to_string()),
                None => Default::default(),
            };
            let from = from.rsplit_once("ckpt/").map_or("", |(_, name)| name);
            journal.resume(counters, &format!("ckpt/{from}"));
        } else {
            for note in notes {
                journal.warning("data", note);
            }
        }
        Ok(Self {
            config,
            journal,
            model,
            objective: method::objective(&config.algorithm),
            share,
            probes: Vec::new(),
            oracle,
            prompts,
            held_out,
            start_answers: Vec::new(),
            last_scores: None,
            trainer: None,
            position,
            first,
        })
    }

    /// Runs until all is done, or until told to stop.
    ///
    /// # Errors
    /// A loss that is not finite, an oracle that cannot judge, a full disk.
    pub fn run(mut self) -> Result<Outcome, FinetuneError> {
        self.journal.state(RunState::Running, "");
        let iterations = iterations(self.config);
        if self.first == 1 && !self.evaluate(0)? {
            return Ok(Outcome::Stopped);
        }
        for iteration in self.first..=iterations {
            if self.enough() {
                break;
            }
            let Some(examples) = self.examples(iteration)? else {
                return Ok(Outcome::Stopped);
            };
            if !self.train(iteration, examples)? {
                return Ok(Outcome::Stopped);
            }
            self.keep(iteration)?;
            if !self.evaluate(iteration)? {
                return Ok(Outcome::Stopped);
            }
        }
        if self.first > iterations && !self.evaluate(iterations)? {
            return Ok(Outcome::Stopped);
        }
        let result = self.journal.folder.path().join("model");
        model::write_merged(&mut self.model, &result)?;
        if let Some(scores) = self.last_scores.take() {
            self.journal
                .evaluation(&scores, EvaluationPurpose::Absolute, "model");
        }
        Ok(Outcome::Finished)
    }

    fn enough(&self) -> bool {
        let updates = self.journal.counters.updates;
        self.config.max_updates.is_some_and(|most| updates >= most)
    }

    fn path(&self, iteration: usize, name: &str) -> PathBuf {
        iteration_folder(self.journal.folder.path(), iteration).join(name)
    }

    fn place(&self, name: &'static str, iteration: usize, unit: &'static str) -> StagePlace {
        let stages: &[&str] = if self.config.iterates() {
            &[
                "generate",
                "judge",
                "select",
                "reference",
                "train",
                "evaluate",
            ]
        } else {
            &["prepare", "reference", "train", "evaluate"]
        };
        let index = stages.iter().position(|stage| *stage == name).unwrap_or(0);
        StagePlace {
            name,
            index: index as u32 + 1,
            count: stages.len() as u32,
            iteration: iteration.max(1) as u32,
            iterations: iterations(self.config) as u32,
            unit,
        }
    }

    fn marks(&self) -> ThinkMarks {
        ThinkMarks {
            open: self.config.data.think_open.clone(),
            close: self.config.data.think_close.clone(),
        }
    }

    /// What an iteration learns from; none when told to stop.
    fn examples(&mut self, iteration: usize) -> Result<Option<Vec<Example>>, FinetuneError> {
        let config = self.config;
        let prepared = if config.iterates() {
            match self.sampled_pairs(iteration)? {
                Some(prepared) => prepared,
                None => return Ok(None),
            }
        } else {
            self.rows_of_the_data()?
        };
        for note in prepared.notes {
            self.journal.warning("data", note);
        }
        if prepared.examples.is_empty() {
            return Err(FinetuneError::Settings(format!(
                "iteration {iteration}: nothing to learn from: {} - see iterations/{iteration}/ in the run folder",
                if config.iterates() {
                    "of every prompt all responses are equal to the oracle; raise generation.temperature or generation.responses, or take harder or easier prompts"
                } else {
                    "no row of the data could be used"
                }
            )));
        }
        self.probes = probes(config, &prepared.examples, prepared.redraws);
        Ok(Some(prepared.examples))
    }

    /// Generate, judge, select.
    fn sampled_pairs(&mut self, iteration: usize) -> Result<Option<Prepared>, FinetuneError> {
        let config = self.config;
        let prompts = prompts_of(config, &self.prompts, iteration).to_vec();
        let modes = method::modes(config);
        let place = self.place("generate", iteration, "prompts");
        let path = self.path(iteration, "responses.jsonl");
        let seed = config.seed.wrapping_add((iteration as u64) << 32);
        let wanted = Wanted {
            prompts: &prompts,
            modes: &modes,
            responses: config.generation.responses,
            seed,
        };
        let journal = &mut self.journal;
        if config.generation.kind == Source::Server && iteration > 1 {
            let model = iteration_folder(Path::new(""), iteration - 1).join("model");
            journal.warning(
                "generate",
                format!(
                    "iteration {iteration} asks generation.server for answers of the last iterate - it has to run {} of this run by now",
                    model.display()
                ),
            );
        }
        let answered = model::speaking(&mut self.model, |model| {
            let mut responder = responder(config, model)?;
            stages::generate(&path, &wanted, responder.as_mut(), journal, &place)
        })?;
        let Some(answered) = answered else {
            return Ok(None);
        };
        let place = self.place("judge", iteration, "prompts");
        let path = self.path(iteration, "judgements.jsonl");
        let Some(oracle) = self.oracle.as_deref_mut() else {
            return Ok(None);
        };
        let Some(judged) = stages::judge(&path, &answered, oracle, &mut self.journal, &place)?
        else {
            return Ok(None);
        };
        for note in oracle.notes() {
            self.journal.warning("oracle", note);
        }
        for (name, value) in oracle.figures() {
            self.journal.scalar(&format!("data/{name}"), value);
        }
        let path = self.path(iteration, "pairs.jsonl");
        let (selected, counts) = stages::select(
            &path,
            &answered,
            &judged,
            config.iterations.win_rate_responses,
            config.algorithm.unclosed,
            &self.marks(),
        )?;
        let place = self.place("select", iteration, "pairs");
        self.journal.stage(&place, counts.prompts, counts.prompts);
        for (name, value) in [
            ("data/ties", counts.ties),
            ("data/unclosed_traces", counts.unclosed),
            ("data/judge_failures", counts.failures),
            ("data/pairs", selected.len() as u64),
        ] {
            self.journal.scalar(name, value as f64);
        }
        self.show_pairs(iteration, &answered, &selected);
        let mixes = matches!(self.objective, Objective::Mixture { .. });
        let measured = measured(config);
        examples::of_iteration(&self.model, config, &answered, &selected, mixes, measured).map(Some)
    }

    fn show_pairs(&self, iteration: usize, answered: &[Answered], selected: &[Selected]) {
        for row in selected.iter().take(self.config.evaluation.shown) {
            let answers = answered
                .iter()
                .find(|one| one.id == row.id && one.thinking == row.thinking);
            if let Some(answers) = answers {
                let sample =
                    evaluation::pair_sample(answers, row, self.journal.counters.updates, iteration);
                self.journal.tracker().sample(sample);
            }
        }
    }

    /// Demonstrations or pairs that the data has.
    fn rows_of_the_data(&mut self) -> Result<Prepared, FinetuneError> {
        let config = self.config;
        let place = self.place("prepare", 1, "rows");
        self.journal.stage(&place, 0, 0);
        let path = config.data.path.as_deref().unwrap_or_default();
        let prepared = if config.algorithm.kind == Algorithm::Sft {
            let read = data::demonstrations(path, &config.data, config.seed)?;
            let mut prepared = examples::of_demonstrations(&self.model, config, &read.rows)?;
            prepared.notes.extend(read.notes);
            prepared
        } else {
            let mut read = data::preferences(path, &config.data)?;
            if let (Algorithm::Bvpo, [mode]) =
                (config.algorithm.kind, method::modes(config).as_slice())
            {
                // At the ends of the mixture one half is learnt from, and the other is not touched.
                read.rows.retain(|row| row.thinking == *mode);
            }
            let mixes = matches!(self.objective, Objective::Mixture { .. });
            let mut prepared = examples::of_preferences(
                &self.model,
                config,
                read.rows,
                needs_wins(config),
                mixes,
            )?;
            prepared.notes.extend(read.notes);
            prepared
        };
        let count = prepared.examples.len() as u64;
        self.journal.stage(&place, count, count);
        Ok(prepared)
    }

    /// Keeps what an iteration trained.
    fn keep(&mut self, iteration: usize) -> Result<(), FinetuneError> {
        if !self.config.iterates() {
            let result = self.journal.folder.path().join("model");
            return model::write_merged(&mut self.model, &result);
        }
        model::keep(&self.model, self.config, &self.path(iteration, "model"))?;
        if !self.config.iterations.keep_models && iteration > 1 {
            let old = self.path(iteration - 1, "model");
            fs::remove_dir_all(&old).map_err(FinetuneError::file("remove", &old))?;
        }
        Ok(())
    }

    /// Answers the held-out prompts and scores them; false when told to stop.
    fn evaluate(&mut self, iteration: usize) -> Result<bool, FinetuneError> {
        if self.held_out.is_empty() {
            return Ok(true);
        }
        let config = self.config;
        let modes = method::evaluated_modes(config);
        let evaluation = Evaluation {
            prompts: &self.held_out,
            modes: &modes,
            responses: config.evaluation.responses,
            verifier: opening::verifier(config.oracle.verifier),
            shown: config.evaluation.shown,
        };
        let folder = self.journal.folder.path().join("evaluations");
        if self.start_answers.is_empty()
            && let Some(rows) = files::finished(&folder.join("update-0.jsonl"))?
        {
            self.start_answers = rows;
        }
        let updates = self.journal.counters.updates;
        let path = folder.join(format!("update-{updates}.jsonl"));
        let place = self.place("evaluate", iteration, "prompts");
        let journal = &mut self.journal;
        let answers = model::speaking(&mut self.model, |model| {
            let mut responder = PolicyResponder::new(model, &config.data, &config.generation);
            if config.evaluation.responses == 1 {
                responder = responder.greedy();
            }
            evaluation.answer(
                &path,
                &mut responder,
                journal,
                &mut |journal, done, total| {
                    journal.stage(&place, done, total);
                },
            )
        })?;
        let Some(answers) = answers else {
            return Ok(false);
        };
        if self.start_answers.is_empty() {
            self.start_answers.clone_from(&answers);
        }
        let oracle: Option<&mut dyn PreferenceOracle> = match &mut self.oracle {
            Some(oracle) => Some(oracle.as_mut()),
            None => None,
        };
        let scores = evaluation.score(&answers, &self.start_answers, oracle)?;
        for sample in evaluation.samples(&answers, updates, iteration) {
            self.journal.tracker().sample(sample);
        }
        self.journal
            .evaluation(&scores, EvaluationPurpose::Interval, "");
        self.last_scores = Some(scores);
        Ok(true)
    }
}

/// Who answers the prompts that are learnt from.
fn responder<'m>(
    config: &FinetuneConfig,
    model: &'m TextModel,
) -> Result<Box<dyn Responder + 'm>, FinetuneError> {
    let (data, generation) = (&config.data, &config.generation);
    Ok(match generation.kind {
        Source::Policy => Box::new(PolicyResponder::new(model, data, generation)),
        Source::Server => Box::new(ServerResponder::new(
            model,
            data,
            generation,
            &Environment::process(),
        )?),
    })
}

fn iteration_folder(run: &Path, iteration: usize) -> PathBuf {
    run.join("iterations").join(iteration.to_string())
}

/// How many examples BVPO's gradients are measured on.
fn measured(config: &FinetuneConfig) -> usize {
    let every = config.algorithm.measured_every();
    every.map_or(0, |_| config.algorithm.mixing_prompts)
}

/// Examples on which BVPO's gradients are measured, the first ones.
fn probes(
    config: &FinetuneConfig,
    examples: &[Example],
    mut redraws: HashMap<usize, Redraws>,
) -> Vec<Probe> {
    let traced = config.algorithm.trace_share == 1.0;
    let first = examples.iter().take(measured(config)).enumerate();
    first
        .map(|(place, example)| Probe::new(example, redraws.remove(&place), traced))
        .collect()
}

/// The first iteration whose model is not there.
fn first_iteration(config: &FinetuneConfig, run: &Path) -> usize {
    if !config.iterates() {
        return if run.join("model").exists() { 2 } else { 1 };
    }
    let trained = (1..=config.iterations.count)
        .rev()
        .find(|iteration| iteration_folder(run, *iteration).join("model").exists());
    trained.unwrap_or(0) + 1
}

/// The prompts of an iteration: as many as the settings say, or an even share.
fn prompts_of<'p>(
    config: &FinetuneConfig,
    prompts: &'p [PromptRow],
    iteration: usize,
) -> &'p [PromptRow] {
    let each = each(config, prompts.len());
    let first = ((iteration - 1) * each).min(prompts.len());
    &prompts[first..(first + each).min(prompts.len())]
}

fn each(config: &FinetuneConfig, prompts: usize) -> usize {
    let even = prompts / config.iterations.count.max(1);
    config
        .iterations
        .prompts
        .map_or(even, |each| usize::try_from(each).unwrap_or(usize::MAX))
}

fn check_prompts(config: &FinetuneConfig, prompts: &[PromptRow]) -> Result<(), FinetuneError> {
    if !config.iterates() {
        return Ok(());
    }
    let (count, each) = (config.iterations.count, each(config, prompts.len()));
    if each == 0 || each.saturating_mul(count) > prompts.len() {
        return Err(FinetuneError::Settings(format!(
            "{}: {} prompts for {count} iterations of {} - allowed: one for each iteration at least, none used twice; lower iterations.count or iterations.prompts, or give more prompts",
            config.data.path.as_deref().unwrap_or_default(),
            prompts.len(),
            each.max(1),
        )));
    }
    Ok(())
}

/// Whether the loss is a form of SPPO that regresses on win rates.
fn needs_wins(config: &FinetuneConfig) -> bool {
    let sppo = match config.algorithm.kind {
        Algorithm::Sppo => true,
        Algorithm::Bvpo => config.algorithm.base == BaseLoss::Sppo,
        _ => false,
    };
    sppo && config.algorithm.form != SppoForm::Hard
}
