//! What a bounded history forgets: the oldest of everything that is not a curve.

use super::{Evaluation, History};

/// Evaluations kept.
const EVALUATIONS: usize = 10_000;
/// Numbers kept of their episodes; older evaluations lose theirs.
const EPISODE_NUMBERS: usize = 500_000;
/// Checkpoints, episodes, warnings, states and resumes kept, each.
const NOTES: usize = 1_000;
/// Names of texts kept.
const TEXTS: usize = 256;

impl History {
    pub(super) fn keep_within_bounds(&mut self) {
        forget(&mut self.evaluations, EVALUATIONS);
        forget(&mut self.checkpoints, NOTES);
        forget(&mut self.episodes, NOTES);
        forget(&mut self.warnings, NOTES);
        forget(&mut self.states, NOTES);
        forget(&mut self.resumes, NOTES);
        while self.texts.len() > TEXTS {
            let oldest = self.texts.iter().min_by_key(|(_, (_, step, _))| *step);
            let Some(name) = oldest.map(|(name, _)| name.clone()) else {
                return;
            };
            self.texts.remove(&name);
        }
    }

    /// Frees the numbers of the oldest evaluations' episodes where there are too many.
    pub(super) fn thin_episodes(&mut self) {
        self.episode_numbers += self.evaluations.last().map_or(0, numbers);
        if self.episode_numbers <= EPISODE_NUMBERS {
            return;
        }
        let newest = self.evaluations.len().saturating_sub(1);
        let mut held: usize = self.evaluations.iter().map(numbers).sum();
        for old in &mut self.evaluations[..newest] {
            // Half is freed at once, so that this happens seldom.
            if held <= EPISODE_NUMBERS / 2 {
                break;
            }
            held -= numbers(old);
            old.returns = Vec::new();
            old.lengths = Vec::new();
            // Their names tell what was measured.
            old.extra
                .values_mut()
                .for_each(|values| *values = Vec::new());
        }
        self.episode_numbers = held;
    }
}

fn numbers(evaluation: &Evaluation) -> usize {
    let further: usize = evaluation.extra.values().map(Vec::len).sum();
    evaluation.returns.len() + evaluation.lengths.len() + further
}

/// Keeps the latest `most`; lets twice as many come together, so that this is seldom.
fn forget<T>(list: &mut Vec<T>, most: usize) {
    if list.len() > 2 * most {
        list.drain(..list.len() - most);
    }
}
