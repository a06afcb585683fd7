//! A sequence that is being continued.

use std::rc::Rc;

use nn::random::RandomStream;

use super::{Continuation, Finish, GenerationSettings, Step, Verdict};

/// A sequence in the batch, or about to join it.
pub(super) struct Row {
    pub(super) request: usize,
    pub(super) sample: usize,
    pub(super) settings: Rc<GenerationSettings>,
    pub(super) text: Vec<i64>, // the prompt and the new tokens
    pub(super) new_from: usize,
    pub(super) cached: usize,
    pub(super) prompt_log_probabilities: Rc<[f32]>,
    pub(super) log_probabilities: Vec<f32>,
    pub(super) alternatives: Vec<Vec<(i64, f32)>>,
    pub(super) stream: RandomStream,
}

/// A token with what is told about it.
pub(super) struct Choice {
    pub(super) id: i64,
    pub(super) log_probability: Option<f32>,
    pub(super) alternatives: Option<Vec<(i64, f32)>>,
}

impl Row {
    /// New tokens so far.
    pub(super) fn new_tokens(&self) -> usize {
        self.text.len() - self.new_from
    }

    /// The length of the text when it ends at the latest.
    pub(super) fn total(&self, context: usize) -> usize {
        (self.new_from + self.settings.max_new_tokens).min(context)
    }

    /// Ids that must not be chosen now.
    pub(super) fn forbidden(&self) -> &[i64] {
        if self.new_tokens() < self.settings.min_new_tokens {
            &self.settings.stop_ids
        } else {
            &[]
        }
    }

    /// Takes a token in; says why the sequence ends, if it does.
    pub(super) fn push(
        &mut self,
        choice: Choice,
        context: usize,
        observe: &mut dyn FnMut(Step<'_>) -> Verdict,
    ) -> Option<Finish> {
        let id = choice.id;
        self.text.push(id);
        self.log_probabilities.extend(choice.log_probability);
        self.alternatives.extend(choice.alternatives);
        let verdict = observe(Step {
            prompt: self.request,
            sample: self.sample,
            ids: &self.text[self.new_from..],
            log_probability: choice.log_probability,
            alternatives: match self.alternatives.last() {
                Some(best) => best,
                None => &[],
            },
        });
        if self.settings.stop_ids.contains(&id) {
            return Some(Finish::StopId);
        }
        match verdict {
            Verdict::Stop => return Some(Finish::Observer),
            Verdict::StopString { keep } => {
                self.text.truncate(self.new_from + keep);
                self.log_probabilities.truncate(keep);
                self.alternatives.truncate(keep);
                return Some(Finish::StopString);
            }
            Verdict::Continue => {}
        }
        if self.new_tokens() >= self.settings.max_new_tokens {
            Some(Finish::MaxNewTokens)
        } else if self.text.len() >= context {
            Some(Finish::Context)
        } else {
            None
        }
    }

    pub(super) fn into_continuation(self, finish: Finish) -> Continuation {
        Continuation {
            prompt: self.request,
            sample: self.sample,
            ids: self.text[self.new_from..].to_vec(),
            log_probabilities: self.log_probabilities,
            alternatives: self.alternatives,
            prompt_log_probabilities: self.prompt_log_probabilities.to_vec(),
            prompt_tokens: self.new_from,
            cached_tokens: self.cached,
            finish,
        }
    }
}
