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
//! | `iterations/<n>/counters.json` | how far the run was then |
//! | `iterations/<n>/model/` | what it became: a model, or peft's adapter |
//! | `evaluations/update-<u>.jsonl` | answers to held-out prompts after `u` updates |
//! | `evaluations/wins-<u>.jsonl` | how surely they beat those of the model that the run began with |
//! | `ckpt/step-<u>/` | the newest moment that a training can go on from |
//! | `model/` | the result: a folder that `transformers` loads |
//!
//! A file that is there is finished; one that is not finished is called `.part` and goes on where
//! it ended. So every stage is resumable by itself, and nothing is paid for twice.

mod checkpoint;
pub mod data;
pub mod evaluation;
mod evaluation_stage;
pub mod examples;
mod files;
mod held_out_wins;
mod inputs;
mod journal;
pub mod method;
mod model;
mod plan;
pub mod stages;
mod training_stage;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use configs::env::Environment;
use configs::finetune::{Algorithm, FinetuneConfig, Source};
use crossbeam::channel::Receiver;
use hub::ThinkMarks;
use lm::training::Trainer;
use tch::Device;
use tracking::{ControlCommand, EvaluationPurpose, RunFolder, RunState, Tracker};

use crate::failure::FinetuneError;
use crate::losses::mixing::ShareEstimator;
use crate::oracles::{PreferenceOracle, opening};
use crate::preparation::Example;
use crate::responding::{PolicyResponder, Responder, ServerResponder};
use crate::text_model::TextModel;
use crate::training::Objective;
use crate::training::mixing::{Probe, Redraws};
use checkpoint::Position;
use data::PromptRow;
use evaluation::Scores;
use examples::Prepared;
use journal::{Journal, StagePlace};
use model::Start;
use plan::{
    check_prompts, check_turns, first_iteration, iteration_folder, iterations, needs_wins,
    prompts_of,
};
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

impl<'a> FinetuneRun<'a> {
    /// Reads everything that the run needs and says what is wrong with it, the dear things last.
    ///
    /// # Errors
    /// An oracle that cannot judge, data that cannot be read, a model that cannot be loaded, inputs
    /// that have changed since the run began.
    pub fn new(config: &'a FinetuneConfig, setting: Setting<'a>) -> Result<Self, FinetuneError> {
        let folder = setting.folder;
        let marks = folder.path().join("iterations/inputs.json");
        let inputs = inputs::of(config)?;
        let begun = inputs::compare(&marks, &inputs)?;
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
        if let Some(oracle) = &oracle {
            let responses = config.generation.responses;
            for row in &prompts {
                oracle.knows(&row.id, row.answer.as_deref(), responses)?;
            }
        }
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
        let position = match setting.resume {
            // One of an iteration before the last finished one has nothing to go on with.
            true => {
                checkpoint::newest(folder)?.filter(|(_, position)| position.iteration + 1 >= first)
            }
            false => None,
        };
        let model_folder = iteration_folder(folder.path(), first - 1).join("model");
        let start = if first > 1 && model_folder.exists() {
            Start::Iteration(&model_folder)
        } else {
            Start::Settings
        };
        let mut model = model::open(config, start, setting.device)?;
        model.now = begun.unwrap_or_else(inputs::now);
        check_turns(&model, prompts.iter().chain(&held_out))?;
        if config.iterates() {
            responder(config, &model)?;
        }
        if begun.is_none() {
            // Not before all is well: a run that failed by its data goes on once they are mended.
            inputs::keep(&marks, inputs, model.now)?;
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
            let trained = iteration_folder(folder.path(), first - 1);
            let (counters, from) = match &position {
                Some((path, position)) => (position.counters, path.clone()),
                None => (model::kept_counters(&trained)?, trained.join("model")),
            };
            let from = match from.strip_prefix(folder.path()) {
                // Before the first iteration is trained there is no model of the run.
                _ if position.is_none() && first == 1 => "the start".to_owned(),
                Ok(inside) => inside.display().to_string(),
                Err(_) => from.display().to_string(),
            };
            journal.resume(counters, position.is_some(), &from);
            if position.is_none() && first > 1 && config.optimiser.carry_state {
                journal.warning(
                    "resume",
                    "the optimiser's state is lost with its checkpoint - it begins anew",
                );
            }
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
        self.journal.state(RunState::Running);
        let iterations = iterations(self.config);
        if !self.evaluate_before()? {
            return Ok(Outcome::Stopped);
        }
        for iteration in self.first..=iterations {
            if self.enough() && self.position_in(iteration).is_none() {
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

    /// The updates of an iteration that a checkpoint was written in, which has to be taken up.
    fn position_in(&self, iteration: usize) -> Option<u64> {
        let position = self.position.as_ref().map(|(_, position)| position);
        let here = position.filter(|position| position.iteration == iteration);
        here.map(|position| position.updates)
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
        ThinkMarks::from(&self.config.data)
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
                why_nothing(config)
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
        let before = journal.counters.tokens;
        let answered = model::speaking(&mut self.model, |model| {
            let mut responder = responder(config, model)?;
            stages::generate(&path, &wanted, responder.as_mut(), journal, &place)
        })?;
        let Some(answered) = answered else {
            return Ok(None);
        };
        // Those of an earlier process count too, unless the checkpoint has counted them.
        self.journal.counters.tokens = match self.position_in(iteration) {
            Some(_) => before,
            None => before + stages::tokens(&answered),
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
            // The end of the run writes `model/`; until then its checkpoint is what a resume has.
            return Ok(());
        }
        let folder = iteration_folder(self.journal.folder.path(), iteration);
        self.journal.progress();
        model::keep(&self.model, self.config, &folder, self.journal.counters)?;
        self.remove_models_before(iteration)
    }

    /// Where they are not to stay: those that a kill left among them.
    fn remove_models_before(&self, iteration: usize) -> Result<(), FinetuneError> {
        if self.config.iterations.keep_models {
            return Ok(());
        }
        for old in (1..iteration).map(|iteration| self.path(iteration, "model")) {
            if old.exists() {
                fs::remove_dir_all(&old).map_err(FinetuneError::file("remove", &old))?;
            }
        }
        Ok(())
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

/// How many examples BVPO's gradients are measured on.
fn measured(config: &FinetuneConfig) -> usize {
    let every = config.algorithm.measured_every();
    every.map_or(0, |_| config.algorithm.mixing_prompts)
}

/// Why there may be nothing to learn from, and what helps.
fn why_nothing(config: &FinetuneConfig) -> String {
    if !config.iterates() {
        return "no row of the data could be used".to_owned();
    }
    let sampling = match config.generation.kind {
        Source::Server => {
            "see in responses.jsonl whether the server samples at all (transformers serve: do_sample in the model's generation_config.json), "
        }
        Source::Policy => "",
    };
    format!(
        "of every prompt all responses are equal to the oracle; {sampling}raise generation.temperature or generation.responses, or take harder or easier prompts"
    )
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
