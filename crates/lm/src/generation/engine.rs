//! The loop: a queue of requests, a batch that stays full, a ceiling on tokens.

mod admission;
mod statistics;

use std::collections::VecDeque;
use std::rc::Rc;

use tch::{Tensor, no_grad};

use super::choosing::Chooser;
use super::filling::Text;
use super::row::Row;
use super::{
    Continuation, Finish, GenerationSettings, LongPrompt, Remember, Request, Step, Verdict,
};
use crate::LmError;
use crate::cache::{Cache, PrefixTree, Rotations, Segment};
use crate::decoder::Decoder;
use crate::fused_step::{FusedStep, ROWS};
use admission::Waiting;

pub use statistics::Statistics;

/// What an engine may use.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Sequences that run side by side, at most.
    pub rows: usize,
    /// Tokens that the batch has memory for at the same time, over all rows, at most. Longer
    /// sequences then run fewer at a time.
    pub cached_tokens: usize,
    /// Tokens of beginnings that are kept for later requests, beside the batch; 0 keeps none.
    pub prefix_tokens: usize,
    /// Tokens that one pass over prompts computes, at most: the ceiling on the memory of its
    /// intermediate values.
    pub prefill_tokens: usize,
    /// Prompts that one pass computes side by side, at most. 0 is as many as
    /// `prefill_tokens` allows on a GPU, and one on the CPU, where that costs little: a
    /// prompt alone has the same bits whatever waits beside it.
    pub prefill_prompts: usize,
    /// The ceiling on tokens of all requests together.
    pub budget: Option<Budget>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            rows: 64,
            cached_tokens: usize::MAX,
            prefix_tokens: 0,
            prefill_tokens: 2048,
            prefill_prompts: 0,
            budget: None,
        }
    }
}

/// A ceiling that is never passed, not by one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tokens that are left.
    pub tokens: usize,
    /// What counts.
    pub charge: Charge,
}

/// What counts against a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// New tokens.
    New,
    /// New tokens, and the tokens of every prompt once, whether cached or not.
    NewAndPrompt,
}

/// A batch that requests join and leave while it runs.
pub struct Engine<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) settings: EngineSettings,
    pub(super) rotations: Rc<Rotations>,
    pub(super) prefixes: PrefixTree<Segment>,
    queue: VecDeque<Waiting>,
    rows: Vec<Option<Row>>, // of the cache
    cache: Option<Cache>,
    chooser: Chooser,
    fused: Option<Option<FusedStep>>, // made at the first step, where it can be made
    finished: Vec<Continuation>,
    submitted: usize,
    statistics: Statistics,
}

impl<'a> Engine<'a> {
    /// An engine without requests.
    ///
    /// # Errors
    /// Settings of 0 rows or 0 tokens.
    pub fn new(decoder: &'a Decoder, settings: EngineSettings) -> Result<Self, LmError> {
        if settings.rows == 0 || settings.prefill_tokens == 0 {
            return Err(LmError::Input(
                "0 rows or 0 prefill tokens - allowed: at least 1 of each".to_owned(),
            ));
        }
        let options = (decoder.weights().kind(), decoder.weights().device());
        Ok(Self {
            rotations: Rc::new(Rotations::new(decoder.config(), 1, options)),
            prefixes: PrefixTree::new(settings.prefix_tokens),
            decoder,
            settings,
            queue: VecDeque::new(),
            rows: Vec::new(),
            cache: None,
            chooser: Chooser::default(),
            fused: None,
            finished: Vec::new(),
            submitted: 0,
            statistics: Statistics::default(),
        })
    }

    /// Takes a request in; returns its number, counted from 0.
    ///
    /// # Errors
    /// Ids the model does not know, a prompt longer than its context, settings out of range,
    /// a sequence that the ceiling on cached tokens has no room for.
    pub fn submit(&mut self, mut request: Request) -> Result<usize, LmError> {
        let settings = &request.settings;
        self.check(settings)?;
        let context = self.context();
        if settings.long_prompt == LongPrompt::DropFront {
            let room = context.saturating_sub(settings.max_new_tokens).max(1);
            let dropped = request.ids.len().saturating_sub(room);
            request.ids.drain(..dropped);
        }
        self.decoder.check(&request.ids)?;
        let total = (request.ids.len() + settings.max_new_tokens).min(context);
        if !self.fits(1, total) {
            return Err(LmError::Input(format!(
                "a sequence of {total} tokens, prompt and new ones - allowed: {}, what {} cached tokens have room for - ask for fewer new tokens, or raise the ceiling",
                (self.settings.cached_tokens / 5) * 4,
                self.settings.cached_tokens
            )));
        }
        self.reach(total);
        let number = self.submitted;
        self.submitted += 1;
        let long = self.rotations.is_long(request.ids.len());
        let lease = self.prefixes.lease(long, &request.ids);
        self.queue.push_back(Waiting::new(number, request, lease));
        Ok(number)
    }

    fn check(&self, settings: &GenerationSettings) -> Result<(), LmError> {
        settings.sampling.check()?;
        if settings.max_new_tokens == 0 || settings.samples == 0 {
            return Err(LmError::Input(
                "0 new tokens or 0 samples - allowed: at least 1 of each".to_owned(),
            ));
        }
        let vocabulary = self.decoder.config().vocabulary;
        let bound = settings.vocabulary.unwrap_or(vocabulary);
        if bound == 0 || bound > vocabulary {
            return Err(LmError::Input(format!(
                "a vocabulary of {bound} - allowed: 1 to {vocabulary}, that of the model"
            )));
        }
        let known = |id: i64| (0..vocabulary as i64).contains(&id);
        let wrong =
            |(id, bias): &&(i64, f32)| !known(*id) || bias.is_nan() || *bias == f32::INFINITY;
        if let Some((id, bias)) = settings.bias.iter().find(wrong) {
            return Err(LmError::Input(format!(
                "a bias of {bias} on token id {id} - allowed: ids 0 to {}, any number or minus infinity",
                vocabulary - 1
            )));
        }
        let forbidden = settings
            .bias
            .iter()
            .filter(|(_, bias)| *bias == f32::NEG_INFINITY);
        let forbidden = forbidden.map(|(id, _)| *id);
        let early = (settings.min_new_tokens > 0).then_some(&settings.stop_ids);
        let forbidden = forbidden.chain(early.into_iter().flatten().copied());
        let mut forbidden: Vec<i64> = forbidden.filter(|id| *id < bound as i64).collect();
        forbidden.sort_unstable();
        forbidden.dedup();
        if forbidden.len() >= bound {
            return Err(LmError::Input(format!(
                "all {bound} ids are forbidden - allowed: at least one id that may be chosen"
            )));
        }
        Ok(())
    }

    pub(super) fn context(&self) -> usize {
        self.decoder.config().max_positions
    }

    /// Has angles ready for texts of that length.
    pub(super) fn reach(&mut self, total: usize) {
        let reach = self.rotations.reach();
        if total > reach {
            let reach = total.max((2 * reach).min(self.context()));
            let options = self.rotations.options();
            self.rotations = Rc::new(Rotations::new(self.decoder.config(), reach, options));
            if let Some(cache) = &mut self.cache {
                cache.set_rotations(&self.rotations);
            }
        }
    }

    /// One token for every sequence that runs, after free rows were given to waiting ones.
    /// Returns whether anything is left to do.
    ///
    /// `observe` is called with every token, and may end its sequence.
    ///
    /// # Errors
    /// Not enough memory; scores that are not numbers. Sequences that ran may be lost.
    pub fn step(&mut self, observe: &mut dyn FnMut(Step<'_>) -> Verdict) -> Result<bool, LmError> {
        no_grad(|| {
            self.admit(observe)?;
            if self.running() > 0 {
                self.decode(observe)?;
            }
            Ok(self.running() > 0 || !self.queue.is_empty())
        })
    }

    /// Continues every prompt, from streams 0 on; the answer has `samples` entries for each,
    /// in order.
    ///
    /// # Errors
    /// As [`Engine::submit`] and [`Engine::step`]; requests of others that run here end with
    /// these.
    pub fn run(
        &mut self,
        prompts: &[&[i64]],
        settings: &GenerationSettings,
        observe: &mut dyn FnMut(Step<'_>) -> Verdict,
    ) -> Result<Vec<Continuation>, LmError> {
        let settings = Rc::new(settings.clone());
        // The longest first: what joins later fits the places that are in use.
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|prompt| std::cmp::Reverse(prompts[*prompt].len()));
        let first = self.submitted;
        for prompt in &order {
            let request = Request {
                ids: prompts[*prompt].to_vec(),
                settings: Rc::clone(&settings),
                stream: (*prompt * settings.samples) as u64,
            };
            if let Err(error) = self.submit(request) {
                // Nothing of a list that is refused stays behind.
                for waiting in self.withdraw(|number| number >= first) {
                    self.end_waiting(waiting, Finish::Cancelled);
                }
                self.finished.retain(|answer| answer.prompt < first);
                return Err(error);
            }
        }
        let mut observe = |step: Step<'_>| match step.prompt.checked_sub(first) {
            Some(number) => observe(Step {
                prompt: order[number],
                ..step
            }),
            None => Verdict::Continue,
        };
        while self.step(&mut observe)? {}
        let all = std::mem::take(&mut self.finished).into_iter();
        let (mut answers, others): (Vec<_>, Vec<_>) =
            all.partition(|answer| answer.prompt >= first);
        self.finished = others;
        for answer in &mut answers {
            answer.prompt = order[answer.prompt - first];
        }
        answers.sort_by_key(|answer| (answer.prompt, answer.sample));
        Ok(answers)
    }

    /// Ends a request: what runs of it, and what waits.
    pub fn cancel(&mut self, number: usize) {
        let is_of = |row: &Option<Row>| row.as_ref().is_some_and(|row| row.request == number);
        let slots: Vec<usize> = (0..self.rows.len())
            .filter(|slot| is_of(&self.rows[*slot]))
            .collect();
        let ended = slots.iter().filter_map(|slot| self.rows[*slot].take());
        let ended: Vec<Row> = ended.collect();
        self.end(ended, &slots, Finish::Cancelled);
        for waiting in self.withdraw(|waiting| waiting == number) {
            self.end_waiting(waiting, Finish::Cancelled);
        }
    }

    /// Sequences that have ended since the last call, in that order.
    pub fn finished(&mut self) -> Vec<Continuation> {
        std::mem::take(&mut self.finished)
    }

    /// Sequences in the batch.
    pub fn running(&self) -> usize {
        self.rows.iter().flatten().count()
    }

    /// Sequences that wait for a row.
    pub fn waiting(&self) -> usize {
        self.queue.iter().map(Waiting::left).sum()
    }

    /// What was done so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Tokens at the beginning of a prompt that need not be computed: they are kept from
    /// earlier requests.
    pub fn known(&self, prompt: &[i64]) -> usize {
        let long = self.rotations.is_long(prompt.len());
        let kept = self.prefixes.matched(long, prompt);
        kept.min(prompt.len().saturating_sub(1))
    }

    /// The budget as it stands.
    pub fn budget(&self) -> Option<Budget> {
        self.settings.budget
    }

    /// Sets the budget anew.
    pub fn set_budget(&mut self, budget: Option<Budget>) {
        self.settings.budget = budget;
    }

    /// Takes tokens from the budget, all or none.
    fn charge(&mut self, tokens: usize) -> bool {
        let Some(budget) = &mut self.settings.budget else {
            return true;
        };
        let left = budget.tokens.checked_sub(tokens);
        budget.tokens = left.unwrap_or(budget.tokens);
        left.is_some()
    }

    fn prompt_charge(&self, tokens: usize) -> usize {
        match self.settings.budget {
            Some(budget) if budget.charge == Charge::NewAndPrompt => tokens,
            _ => 0,
        }
    }

    pub(super) fn charge_choices(&mut self, prompt: usize, longest: usize) -> Result<(), LmError> {
        let tokens = longest + self.prompt_charge(prompt);
        if self.charge(tokens) {
            return Ok(());
        }
        let left = self.settings.budget.map_or(0, |budget| budget.tokens);
        Err(LmError::Input(format!(
            "choices of {tokens} tokens - allowed: {left}, what the budget has left - raise it"
        )))
    }

    pub(super) fn count_prompt(&mut self, asked: usize, computed: usize) {
        self.statistics.prompt_tokens += asked;
        self.statistics.prompt_tokens_computed += computed;
    }

    /// Computes the newest token of every row and chooses the next.
    fn decode(&mut self, observe: &mut dyn FnMut(Step<'_>) -> Verdict) -> Result<(), LmError> {
        self.leave()?;
        self.cross()?;
        let Some(cache) = &mut self.cache else {
            return Ok(());
        };
        // A free row computes something of no meaning.
        let newest = |row: &Option<Row>| {
            let last = row.as_ref().and_then(|row| row.text.last());
            last.copied().unwrap_or(0)
        };
        let newest: Vec<i64> = self.rows.iter().map(newest).collect();
        // The weights stay as they are while an engine holds them; they are packed once.
        let fused = self
            .fused
            .get_or_insert_with(|| FusedStep::new(self.decoder));
        let scores = match fused.as_mut().filter(|_| ROWS.contains(&newest.len())) {
            Some(fused) => {
                let scores = fused.scores(self.decoder, &newest, cache)?;
                Tensor::from_slice(scores).view([newest.len() as i64, -1])
            }
            None => {
                let ids = Tensor::from_slice(&newest).to_device(self.decoder.weights().device());
                let stream = self.decoder.forward_cached(&ids.unsqueeze(1), cache)?;
                self.decoder.logits(&stream.squeeze_dim(1))
            }
        };
        let cached = cache.places();
        self.statistics.cached_tokens = self.statistics.cached_tokens.max(cached);
        self.statistics.steps += 1;
        self.statistics.row_steps += self.rows.len();
        let live = (0..self.rows.len()).filter(|slot| self.rows[*slot].is_some());
        let pairs: Vec<(usize, usize)> = live.map(|slot| (slot, slot)).collect();
        self.statistics.useful_row_steps += self.choose(&scores, &pairs, observe)?;
        Ok(())
    }

    /// Lets free rows go, once there are enough of them.
    fn leave(&mut self) -> Result<(), LmError> {
        let live: Vec<usize> = (0..self.rows.len())
            .filter(|slot| self.rows[*slot].is_some())
            .collect();
        // Copying a cache costs about as much as a few steps of it.
        if live.len() * 4 > self.rows.len() * 3 {
            return Ok(());
        }
        if let Some(cache) = &mut self.cache {
            cache.select(&live)?;
        }
        self.rows.retain(Option::is_some);
        Ok(())
    }

    /// Computes anew the texts that have just outgrown the length at which all angles change:
    /// their earlier keys were turned by the other frequencies.
    fn cross(&mut self) -> Result<(), LmError> {
        let Some(switch) = self.rotations.switch_length() else {
            return Ok(());
        };
        for slot in 0..self.rows.len() {
            let Some(row) = &self.rows[slot] else {
                continue;
            };
            if row.text.len() != switch + 1 {
                continue;
            }
            let ids = row.text[..switch].to_vec();
            let texts = [Text {
                ids: &ids,
                long: true,
            }];
            let filled = self.fill(&texts, false)?;
            if let Some(cache) = &mut self.cache {
                cache.join(&[(slot, 0)], &filled.cache)?;
            }
        }
        Ok(())
    }

    /// Chooses the next token of rows given as `(slot, line of scores)`; returns how many got
    /// one.
    fn choose(
        &mut self,
        scores: &Tensor,
        pairs: &[(usize, usize)],
        observe: &mut dyn FnMut(Step<'_>) -> Verdict,
    ) -> Result<usize, LmError> {
        let taken = pairs.iter().filter_map(|(slot, line)| {
            let row = self.rows[*slot].take()?;
            Some((*slot, (*line, row)))
        });
        let mut taken: Vec<(usize, (usize, Row))> = taken.collect();
        // Where a budget ends within a step, the earlier sequences have the last tokens.
        taken.sort_by_key(|(_, (_, row))| (row.request, row.sample));
        let (slots, mut rows): (Vec<usize>, Vec<(usize, Row)>) = taken.into_iter().unzip();
        let mut affordable = 0;
        while affordable < rows.len() && self.charge(1) {
            affordable += 1;
        }
        let broke = rows.split_off(affordable);
        let broke: Vec<Row> = broke.into_iter().map(|(_, row)| row).collect();
        self.end(broke, &slots[affordable..], Finish::Budget);
        let choices = self.chooser.choose(scores, &mut rows)?;
        let context = self.context();
        for ((slot, (_, mut row)), choice) in slots.into_iter().zip(rows).zip(choices) {
            let cached = row.text.len();
            match row.push(choice, context, observe) {
                None => self.rows[slot] = Some(row),
                Some(finish) => {
                    self.keep(&row, cached, slot);
                    self.end(vec![row], &[slot], finish);
                }
            }
        }
        Ok(affordable)
    }

    /// Keeps a whole text for later requests, where that was asked for; `cached` tokens of it
    /// have keys and values.
    fn keep(&mut self, row: &Row, cached: usize, slot: usize) {
        if row.settings.remember != Remember::Whole {
            return;
        }
        let ids = &row.text[..cached.min(row.text.len())];
        let long = self.rotations.is_long(cached);
        if let Some(cache) = self.cache.take() {
            self.remember(long, ids, &cache, slot);
            self.cache = Some(cache);
        }
    }

    fn end(&mut self, rows: Vec<Row>, slots: &[usize], finish: Finish) {
        let answers = rows.into_iter().map(|row| row.into_continuation(finish));
        self.finished.extend(answers);
        if let Some(cache) = &mut self.cache {
            cache.free(slots);
        }
    }
}
