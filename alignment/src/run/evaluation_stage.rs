//! The stage that evaluates: held-out prompts answered and scored.

use tracking::EvaluationPurpose;

use super::data::PromptRow;
use super::evaluation::Evaluation;
use super::held_out_wins::held_out_wins;
use super::{FinetuneRun, files, method, model};
use crate::failure::FinetuneError;
use crate::oracles::{PreferenceOracle, opening};
use crate::responding::PolicyResponder;

impl FinetuneRun<'_> {
    /// The evaluation of what the training begins with or went on to last; false when told to stop.
    pub(super) fn evaluate_before(&mut self) -> Result<bool, FinetuneError> {
        if self.position_in(self.first).is_some() {
            // The weights are not those of the checkpoint yet; the training evaluates.
            return Ok(true);
        }
        self.evaluate(self.first - 1)
    }

    /// Answers the held-out prompts and scores them; false when told to stop.
    pub(super) fn evaluate(&mut self, iteration: usize) -> Result<bool, FinetuneError> {
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
        // A file of scores, or a verifier without answers, says nothing of these prompts.
        let judges = |oracle: &dyn PreferenceOracle| {
            let knows = |row: &PromptRow| oracle.knows(&row.id, row.answer.as_deref(), 2).is_ok();
            self.held_out.iter().all(knows)
        };
        let oracle: Option<&mut dyn PreferenceOracle> = match &mut self.oracle {
            Some(oracle) if judges(oracle.as_ref()) => Some(oracle.as_mut()),
            _ => None,
        };
        let won = match oracle {
            Some(oracle) => {
                let path = folder.join(format!("wins-{updates}.jsonl"));
                let start = &self.start_answers;
                match held_out_wins(&path, &answers, start, oracle, &mut self.journal)? {
                    Some(won) => Some(won),
                    None => return Ok(false),
                }
            }
            None => None,
        };
        let scores = evaluation.score(&answers, won);
        for sample in evaluation.samples(&answers, updates, iteration) {
            self.journal.tracker().sample(sample);
        }
        self.journal
            .evaluation(&scores, EvaluationPurpose::Interval, "");
        self.last_scores = Some(scores);
        Ok(true)
    }
}
