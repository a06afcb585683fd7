//! Waiting requests join the batch.

use std::rc::Rc;

use nn::random::RandomStream;
use tch::Device;

use super::{Continuation, Engine, Finish, Remember, Request, Row, Step, Verdict};
use crate::LmError;
use crate::cache::{Cache, Lease};
use crate::generation::filling::{Filled, Text};

/// A text waits for another that computes as many tokens of it.
const WORTH_WAITING: usize = 16;

/// A request with samples that have no row yet.
pub(super) struct Waiting {
    pub(super) number: usize,
    request: Request,
    next_sample: usize,
    lease: Option<Lease>,
    /// Its prompt, once earlier samples have had it computed.
    filled: Option<Filled>,
}

impl Waiting {
    pub(super) fn new(number: usize, request: Request, lease: Lease) -> Self {
        Self {
            number,
            request,
            next_sample: 0,
            lease: Some(lease),
            filled: None,
        }
    }

    /// Samples that wait.
    pub(super) fn left(&self) -> usize {
        self.request.settings.samples - self.next_sample
    }

    fn total(&self, context: usize) -> usize {
        (self.request.ids.len() + self.request.settings.max_new_tokens).min(context)
    }

    fn row(&mut self, filled: &Filled, computed: usize) -> Row {
        let sample = self.next_sample;
        self.next_sample += 1;
        let settings = &self.request.settings;
        let number = self.request.stream.wrapping_add(sample as u64);
        Row {
            request: self.number,
            sample,
            text: self.request.ids.clone(),
            new_from: self.request.ids.len(),
            cached: self.request.ids.len() - computed,
            prompt_log_probabilities: Rc::clone(&filled.log_probabilities),
            log_probabilities: Vec::new(),
            alternatives: Vec::new(),
            stream: RandomStream::new(settings.seed, "sampling", number),
            settings: Rc::clone(settings),
        }
    }
}

/// A request with the number of its samples that join now.
struct Joining {
    waiting: Waiting,
    samples: usize,
}

impl Engine<'_> {
    /// Whether so many rows of texts of up to `total` tokens stay under the ceiling. A
    /// quarter is for places in front of texts, so that they need not be given up at every
    /// step.
    pub(super) fn fits(&self, rows: usize, total: usize) -> bool {
        rows.saturating_mul(total + total / 4) <= self.settings.cached_tokens
    }

    /// Gives free rows to waiting sequences, and chooses their first tokens, until no row is
    /// free or nothing waits.
    pub(super) fn admit(
        &mut self,
        observe: &mut dyn FnMut(Step<'_>) -> Verdict,
    ) -> Result<(), LmError> {
        loop {
            let mut joining = self.joining();
            if joining.is_empty() {
                return Ok(());
            }
            while !joining.is_empty() {
                let (now, later) = self.part(joining);
                joining = later;
                let rows = joining.iter().map(|one| one.samples).sum();
                self.join(now, rows, observe)?;
            }
        }
    }

    /// Takes what fits out of the queue, in its order.
    fn joining(&mut self) -> Vec<Joining> {
        let live = self.running();
        if live == 0 {
            self.cache = None;
            self.rows.clear();
        }
        let context = self.context();
        let mut longest = self.longest();
        let mut rows = live;
        let mut joining = Vec::new();
        while let Some(waiting) = self.queue.front() {
            let total = longest.max(waiting.total(context));
            let mut samples = waiting.left().min(self.settings.rows - rows);
            while samples > 0 && !self.fits(self.rows.len().max(rows + samples), total) {
                samples -= 1;
            }
            if samples == 0 {
                break;
            }
            let Some(waiting) = self.queue.pop_front() else {
                break;
            };
            let prompt = self.prompt_charge(waiting.request.ids.len());
            let is_new = waiting.next_sample == 0;
            let left = self.settings.budget.map_or(usize::MAX, |left| left.tokens);
            if left == 0 || (is_new && (prompt >= left || !self.charge(prompt))) {
                self.end_waiting(waiting, Finish::Budget);
                continue;
            }
            longest = total;
            rows += samples;
            joining.push(Joining { waiting, samples });
        }
        joining
    }

    /// What is computed next, side by side, and the rest: prompts of like length, as many as
    /// one pass may compute, and of those with a common beginning the first alone, when the
    /// others can have it from the cache then.
    fn part(&self, mut joining: Vec<Joining>) -> (Vec<Joining>, Vec<Joining>) {
        let rest = |one: &Joining| {
            let request = &one.waiting.request;
            let long = self.rotations.is_long(request.ids.len());
            request.ids.len() - self.prefixes.matched(long, &request.ids)
        };
        let alone =
            |one: &Joining| one.waiting.filled.is_some() || asks_for_prompt(&one.waiting.request);
        joining.sort_by_cached_key(|one| std::cmp::Reverse(rest(one)));
        let most = joining.first().map_or(0, rest).max(1);
        let side_by_side = match self.settings.prefill_prompts {
            0 if self.decoder.weights().device() == Device::Cpu => 1,
            0 => usize::MAX,
            prompts => prompts,
        };
        let (mut now, mut later): (Vec<Joining>, Vec<Joining>) = (Vec::new(), Vec::new());
        for one in joining {
            let passes =
                now.len() < side_by_side && (now.len() + 1) * most <= self.settings.prefill_tokens;
            let is_like = 2 * rest(&one) >= most;
            let waits = alone(&one) || now.first().is_some_and(alone) || !passes || !is_like;
            if !now.is_empty() && (waits || now.iter().any(|other| self.gains(&one, other))) {
                later.push(one);
            } else {
                now.push(one);
            }
        }
        (now, later)
    }

    /// Whether `one` should wait until `other` is cached.
    fn gains(&self, one: &Joining, other: &Joining) -> bool {
        let (one, other) = (&one.waiting.request, &other.waiting.request);
        let long = self.rotations.is_long(one.ids.len());
        if self.settings.prefix_tokens == 0
            || other.settings.remember == Remember::Nothing
            || long != self.rotations.is_long(other.ids.len())
        {
            return false;
        }
        let pairs = one.ids.iter().zip(&other.ids);
        let common = pairs.take_while(|(ours, theirs)| ours == theirs).count();
        common >= self.prefixes.matched(long, &one.ids) + WORTH_WAITING
    }

    /// Computes prompts side by side, gives their samples rows, and chooses first tokens.
    /// `later` rows are about to follow.
    fn join(
        &mut self,
        mut joining: Vec<Joining>,
        later: usize,
        observe: &mut dyn FnMut(Step<'_>) -> Verdict,
    ) -> Result<(), LmError> {
        let ready = joining
            .first_mut()
            .and_then(|one| one.waiting.filled.take());
        let is_ready = ready.is_some();
        let filled = match ready {
            Some(filled) => filled,
            None => self.fill_prompts(&joining)?,
        };
        let samples: usize = joining.iter().map(|one| one.samples).sum();
        let totals = joining.iter().map(|one| one.waiting.total(self.context()));
        let longest = totals.fold(self.longest(), usize::max);
        let slots = self.free_slots(samples + later, longest + longest / 4)?;
        let mut slots = slots.into_iter();
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(samples);
        for (line, one) in joining.iter_mut().enumerate() {
            let computed = if is_ready { 0 } else { filled.computed[line] };
            self.count_prompt(one.samples * one.waiting.request.ids.len(), computed);
            for (at, slot) in slots.by_ref().take(one.samples).enumerate() {
                let computed = if at == 0 { computed } else { 0 };
                self.rows[slot] = Some(one.waiting.row(&filled, computed));
                places.push((slot, line));
            }
        }
        if let Some(cache) = &mut self.cache {
            cache.join(&places, &filled.cache)?;
        }
        self.choose(&filled.scores, &places, observe)?;
        self.put_back(joining, filled)
    }

    fn fill_prompts(&mut self, joining: &[Joining]) -> Result<Filled, LmError> {
        let texts = joining.iter().map(|one| {
            let ids = one.waiting.request.ids.as_slice();
            let long = self.rotations.is_long(ids.len());
            Text { ids, long }
        });
        let texts: Vec<Text<'_>> = texts.collect();
        let asks = joining
            .iter()
            .any(|one| asks_for_prompt(&one.waiting.request));
        let filled = self.fill(&texts, asks)?;
        for (line, one) in joining.iter().enumerate() {
            if one.waiting.request.settings.remember != Remember::Nothing {
                let text = &texts[line];
                self.remember(text.long, text.ids, &filled.cache, line);
            }
        }
        Ok(filled)
    }

    /// Rows without a sequence, at least `count`, made where there are fewer; no row will pass
    /// `limit` places.
    fn free_slots(&mut self, count: usize, limit: usize) -> Result<Vec<usize>, LmError> {
        if self.cache.is_none() {
            let config = self.decoder.config();
            let cache = Cache::new(config, &self.rotations, Vec::new(), Vec::new(), limit)?;
            self.cache = Some(cache);
        }
        let more = count.saturating_sub(self.rows.len() - self.running());
        if let Some(cache) = &mut self.cache {
            cache.set_limit(limit);
            if more > 0 {
                cache.add_rows(more)?;
                self.rows.extend((0..more).map(|_| None));
            }
        }
        let slots = self.rows.iter().enumerate();
        Ok(slots
            .filter(|(_, row)| row.is_none())
            .map(|(slot, _)| slot)
            .collect())
    }

    /// The length of the longest sequence of the batch when it ends at the latest.
    fn longest(&self) -> usize {
        let totals = self.rows.iter().flatten();
        let totals = totals.map(|row| row.total(self.context()));
        totals.max().unwrap_or(0)
    }

    /// Lets go what joined, or puts it back in front of the queue when samples still wait.
    fn put_back(&mut self, joining: Vec<Joining>, filled: Filled) -> Result<(), LmError> {
        let mut filled = Some(filled);
        for (line, one) in joining.into_iter().enumerate() {
            let mut waiting = one.waiting;
            if let Some(lease) = waiting.lease.take() {
                self.prefixes.give_back(lease);
            }
            // Only one request can have had too few rows: the last one of the queue.
            if waiting.left() == 0 {
                continue;
            }
            if let Some(mut filled) = filled.take() {
                filled.cache.select(&[line])?;
                filled.scores = filled.scores.narrow(0, line as i64, 1).copy();
                waiting.filled = Some(filled);
                self.queue.push_front(waiting);
            }
        }
        Ok(())
    }

    /// Takes requests out of the queue.
    pub(super) fn withdraw(&mut self, is_of: impl Fn(usize) -> bool) -> Vec<Waiting> {
        let all = std::mem::take(&mut self.queue).into_iter();
        let (of, others): (Vec<_>, Vec<_>) = all.partition(|waiting| is_of(waiting.number));
        self.queue = others.into();
        of
    }

    /// Ends the samples of a request that have no row yet.
    pub(super) fn end_waiting(&mut self, mut waiting: Waiting, finish: Finish) {
        if let Some(lease) = waiting.lease.take() {
            self.prefixes.give_back(lease);
        }
        let samples = waiting.next_sample..waiting.request.settings.samples;
        self.finished.extend(samples.map(|sample| Continuation {
            prompt: waiting.number,
            sample,
            ids: Vec::new(),
            log_probabilities: Vec::new(),
            alternatives: Vec::new(),
            prompt_log_probabilities: Vec::new(),
            prompt_tokens: waiting.request.ids.len(),
            cached_tokens: 0,
            finish,
        }));
    }
}

fn asks_for_prompt(request: &Request) -> bool {
    request.settings.prompt_log_probabilities
}
