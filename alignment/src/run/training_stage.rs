//! The stage that trains: reference log-probabilities once, then updates with checkpoints.

use std::ops::ControlFlow;
use std::time::Instant;

use lm::scoring::Gradient;
use lm::training::Trainer;
use serde::{Deserialize, Serialize};

use super::checkpoint::{self, Position};
use super::files::{finished, write_all};
use super::journal::{Order as Told, StagePlace};
use super::plan::iterations;
use super::{FinetuneRun, method};
use crate::failure::FinetuneError;
use crate::preparation::{Example, Pair};
use crate::training::{self, Objective, Order, PassSettings, UpdateFigures, mixing};

/// A line of `reference.jsonl`: sums of log-probabilities in nats.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct ReferenceRow {
    chosen: f64,
    rejected: f64,
}

impl FinetuneRun<'_> {
    /// Trains an iteration; false when told to stop, with a checkpoint.
    pub(super) fn train(
        &mut self,
        iteration: usize,
        mut examples: Vec<Example>,
    ) -> Result<bool, FinetuneError> {
        if self.objective.needs_reference() && !self.reference(iteration, &mut examples)? {
            return Ok(false);
        }
        let config = self.config;
        let passes = method::pass_settings(config);
        // Before a checkpoint is put into it the decoder is the reference, in a resumed run too.
        mixing::refer(&self.model.decoder, &mut self.probes, &passes)?;
        let optimiser = &config.optimiser;
        let mut order = Order::new(
            examples.len(),
            optimiser.rows_per_update,
            optimiser.epochs,
            config.seed.wrapping_add((iteration as u64) << 32),
            config.data.shuffle,
        );
        let updates = self.updates_of(iteration, &order);
        let (mut trainer, mut done) = self.trainer(iteration, examples.len())?;
        let mut gradient = Gradient::zeros(&self.model.decoder)?;
        let place = self.place("train", iteration, "updates");
        self.journal.stage(&place, done, updates);
        // The evaluation that an earlier process was stopped in.
        if done > 0 && done < updates && self.evaluation_is_due() && !self.evaluate(iteration)? {
            return Ok(false);
        }
        let mut pace = Pace::start(self.journal.counters.tokens);
        while done < updates {
            let rows = order.rows(done);
            let rows: Vec<&Example> = rows.iter().map(|row| &examples[*row]).collect();
            self.measure(&passes)?;
            let figures = training::update(
                &mut self.model.decoder,
                &mut trainer,
                &mut gradient,
                &rows,
                &self.objective,
                &passes,
            )
            .map_err(|error| self.located(error))?;
            done += 1;
            self.report(
                &figures,
                &mut pace,
                order.epochs_after(done),
                &place,
                done,
                updates,
            );
            let told = self.journal.order();
            let due = self
                .journal
                .counters
                .updates
                .is_multiple_of(config.checkpoint.every_updates);
            let kept = told != Told::GoOn || due || done == updates;
            if kept {
                self.write_checkpoint(&trainer, iteration, done)?;
            }
            if told == Told::Stop && done < updates {
                return Ok(false);
            }
            if done < updates && self.evaluation_is_due() && !self.evaluate(iteration)? {
                if !kept {
                    self.write_checkpoint(&trainer, iteration, done)?;
                }
                return Ok(false);
            }
        }
        self.trainer = optimiser.carry_state.then_some(trainer);
        Ok(true)
    }

    /// Updates of this iteration, after telling how many the whole run will take.
    fn updates_of(&mut self, iteration: usize, order: &Order) -> u64 {
        let of_iteration = self.position_in(iteration).unwrap_or(0);
        let before = self.journal.counters.updates - of_iteration;
        let most = self.config.max_updates.unwrap_or(u64::MAX);
        let updates = order.updates().min(most.saturating_sub(before));
        let left = (iterations(self.config) - iteration) as u64;
        let planned = (before + order.updates() * (left + 1)).min(most);
        self.journal.plan(planned);
        updates
    }

    /// The optimiser of an iteration, and the updates it has taken in it.
    fn trainer(
        &mut self,
        iteration: usize,
        examples: usize,
    ) -> Result<(Trainer, u64), FinetuneError> {
        let optimiser = &self.config.optimiser;
        let epochs = optimiser.schedule_epochs.unwrap_or(optimiser.epochs);
        let of_iteration =
            Order::new(examples, optimiser.rows_per_update, epochs, 0, false).updates();
        let carried = if optimiser.carry_state {
            iterations(self.config) as u64
        } else {
            1
        };
        let schedule = self
            .config
            .max_updates
            .filter(|_| optimiser.schedule_epochs.is_none())
            .map_or(of_iteration * carried, |most| {
                most.min(of_iteration * carried)
            });
        // An optimiser that is carried keeps the schedule it began with.
        let schedule = self
            .position
            .as_ref()
            .filter(|(_, at)| optimiser.carry_state || at.iteration == iteration)
            .and_then(|(_, at)| at.schedule)
            .unwrap_or(schedule);
        let mut trainer = match self.trainer.take() {
            Some(trainer) => trainer,
            None => Trainer::new(
                &self.model.decoder,
                method::trainer_settings(self.config, schedule),
            )?,
        };
        let Some((folder, position)) = self.position.take() else {
            return Ok((trainer, 0));
        };
        if position.iteration == iteration {
            checkpoint::restore(&folder, &mut self.model.decoder, &mut trainer)?;
            return Ok((trainer, position.updates));
        }
        if optimiser.carry_state && position.iteration + 1 == iteration {
            checkpoint::restore(&folder, &mut self.model.decoder, &mut trainer)?;
        }
        Ok((trainer, 0))
    }

    fn write_checkpoint(
        &mut self,
        trainer: &Trainer,
        iteration: usize,
        updates: u64,
    ) -> Result<(), FinetuneError> {
        self.journal.progress();
        let path = checkpoint::write(
            self.journal.folder,
            &self.model.decoder,
            trainer,
            &Position::new(
                iteration,
                updates,
                self.journal.counters,
                self.share,
                trainer.settings().schedule.total_steps,
            ),
            self.config.checkpoint.keep_last,
        )?;
        self.journal.checkpoint(path);
        Ok(())
    }

    /// Measures BVPO's gradients where that is due, and sets the share where it is estimated.
    fn measure(&mut self, passes: &PassSettings) -> Result<(), FinetuneError> {
        let share = match (&self.share, &self.objective) {
            (Some(estimated), _) => estimated.share(),
            (None, Objective::Mixture { trace_share, .. }) => *trace_share,
            (None, _) => self.config.algorithm.trace_share,
        };
        let every = self.config.algorithm.measured_every();
        let updates = self.journal.counters.updates;
        let due = every.is_some_and(|every| updates.is_multiple_of(every));
        if let (true, Some(base)) = (due && !self.probes.is_empty(), self.objective.loss()) {
            let rows = self.config.optimiser.rows_per_update;
            let decoder = &self.model.decoder;
            let found = mixing::measure(decoder, &self.probes, base, share, rows, passes)?;
            if let (Some(estimator), Some((numerator, denominator))) =
                (&mut self.share, found.products)
            {
                estimator.observe_products(numerator, denominator)?;
            }
            self.journal.measurement(&found);
        }
        if let Objective::Mixture { trace_share, .. } = &mut self.objective {
            if let Some(estimated) = &self.share {
                *trace_share = estimated.share();
            }
            if updates.is_multiple_of(self.config.logging.interval_updates) {
                self.journal.scalar("bvpo/trace_share", *trace_share);
            }
        }
        Ok(())
    }

    fn evaluation_is_due(&self) -> bool {
        let updates = self.journal.counters.updates;
        let every = self.config.evaluation.every_updates;
        every.is_some_and(|every| updates.is_multiple_of(every))
    }

    /// The same error with the update of the whole run.
    fn located(&self, error: FinetuneError) -> FinetuneError {
        match error {
            FinetuneError::Diverged { what, .. } => FinetuneError::Diverged {
                update: self.journal.counters.updates,
                what,
            },
            other => other,
        }
    }

    fn report(
        &mut self,
        figures: &UpdateFigures,
        pace: &mut Pace,
        epoch: f64,
        place: &StagePlace,
        done: u64,
        updates: u64,
    ) {
        self.journal.counters.updates += 1;
        self.journal.counters.tokens += figures.tokens;
        let every = self.config.logging.interval_updates;
        if self.journal.counters.updates.is_multiple_of(every) || done == updates {
            let rate = pace.rate(self.journal.counters.tokens);
            self.journal.update(figures, rate, epoch);
        }
        self.journal.stage(place, done, updates);
    }

    /// Log-probabilities of all pairs under the iterate that is trained from; false when told to
    /// stop.
    fn reference(
        &mut self,
        iteration: usize,
        examples: &mut [Example],
    ) -> Result<bool, FinetuneError> {
        let path = self.path(iteration, "reference.jsonl");
        let pairs = examples.iter().flat_map(Example::pairs).count();
        if let Some(rows) = finished::<ReferenceRow>(&path)? {
            if rows.len() != pairs {
                return Err(FinetuneError::damaged(
                    &path,
                    format!(
                        "{} lines for {pairs} pairs - remove the file, and it is made again",
                        rows.len()
                    ),
                ));
            }
            let all = examples.iter_mut().flat_map(Example::pairs_mut);
            for (pair, row) in all.zip(rows) {
                pair.reference = Some([row.chosen, row.rejected]);
            }
            return Ok(true);
        }
        let place = self.place("reference", iteration, "pairs");
        let passes = method::pass_settings(self.config);
        let journal = &mut self.journal;
        journal.stage(&place, 0, pairs as u64);
        let whole = training::reference_log_probabilities(
            &self.model.decoder,
            examples,
            &passes,
            &mut |done| {
                journal.stage(&place, done as u64, pairs as u64);
                match journal.order() {
                    Told::Stop => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            },
        )?;
        if !whole {
            return Ok(false);
        }
        let row = |pair: &Pair| {
            let [chosen, rejected] = pair.reference.unwrap_or([f64::NAN; 2]);
            ReferenceRow { chosen, rejected }
        };
        let rows: Vec<ReferenceRow> = examples.iter().flat_map(Example::pairs).map(row).collect();
        std::fs::create_dir_all(path.parent().unwrap_or(&path))
            .map_err(FinetuneError::file("create", &path))?;
        write_all(&path, &rows)?;
        Ok(true)
    }
}

/// Tokens per second between two reports.
struct Pace {
    at: Instant,
    tokens: u64,
}

impl Pace {
    fn start(tokens: u64) -> Self {
        Self {
            at: Instant::now(),
            tokens,
        }
    }

    fn rate(&mut self, tokens: u64) -> f64 {
        let rate = (tokens - self.tokens) as f64 / self.at.elapsed().as_secs_f64().max(1e-9);
        *self = Self::start(tokens);
        rate
    }
}
