//! Text from ids one at a time.

use super::ModelTokenizer;
use crate::error::HubError;

/// What the decoder writes for bytes that are no whole character yet.
const INCOMPLETE: char = '\u{fffd}';

/// Gives out whole characters, and nothing that may turn out to be the beginning of a stop string.
///
/// Tokens are decoded together with the ones before, since spaces depend on them.
#[derive(Debug, Clone)]
pub struct DecodeStream<'a> {
    tokenizer: &'a ModelTokenizer,
    skip_special: bool,
    stops: Vec<String>,
    ids: Vec<u32>,
    /// From here on ids are decoded again.
    context: usize,
    /// Up to here their text was taken.
    taken: usize,
    /// Text that may belong to a stop string.
    held: String,
    /// Bytes of text before each token.
    begins: Vec<usize>,
    /// Bytes of text so far.
    decoded: usize,
    /// Bytes that were given out.
    given: usize,
    /// Tokens before the stop string, once there was one.
    kept: Option<usize>,
    stopped: bool,
}

impl<'a> DecodeStream<'a> {
    pub(super) fn new(tokenizer: &'a ModelTokenizer, skip_special: bool, stops: &[String]) -> Self {
        DecodeStream {
            tokenizer,
            skip_special,
            stops: stops
                .iter()
                .filter(|stop| !stop.is_empty())
                .cloned()
                .collect(),
            ids: Vec::new(),
            context: 0,
            taken: 0,
            held: String::new(),
            begins: Vec::new(),
            decoded: 0,
            given: 0,
            kept: None,
            stopped: false,
        }
    }

    /// Takes an id in and gives out the text that is certain. After a stop string there is none.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn push(&mut self, id: u32) -> Result<String, HubError> {
        if self.stopped {
            return Ok(String::new());
        }
        self.ids.push(id);
        self.begins.push(self.decoded);
        let new = self.decode_new(false)?;
        Ok(self.release(&new))
    }

    /// Gives out what was held back.
    ///
    /// # Errors
    ///
    /// [`HubError::Tokenizer`].
    pub fn finish(&mut self) -> Result<String, HubError> {
        if self.stopped {
            return Ok(String::new());
        }
        let new = self.decode_new(true)?;
        let mut text = self.release(&new);
        if !self.stopped {
            text.push_str(&std::mem::take(&mut self.held));
        }
        self.stopped = true;
        Ok(text)
    }

    /// Whether a stop string has appeared, or the stream was finished.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// How many of the tokens have text before the stop string; all, when there was none.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.unwrap_or(self.ids.len())
    }

    fn decode_new(&mut self, all: bool) -> Result<String, HubError> {
        let decode = |ids| self.tokenizer.decode(ids, self.skip_special);
        let before = decode(&self.ids[self.context..self.taken])?;
        let now = decode(&self.ids[self.context..])?;
        if !all && now.ends_with(INCOMPLETE) {
            return Ok(String::new());
        }
        let Some(new) = now.get(before.len()..).filter(|new| !new.is_empty()) else {
            return Ok(String::new());
        };
        self.context = self.taken;
        self.taken = self.ids.len();
        Ok(new.to_owned())
    }

    fn release(&mut self, new: &str) -> String {
        self.held.push_str(new);
        self.decoded += new.len();
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        if let Some(at) = first {
            self.stopped = true;
            self.held.truncate(at);
            let text = self.given + at;
            self.kept = Some(self.begins.partition_point(|begin| *begin < text));
            return std::mem::take(&mut self.held);
        }
        let keep = self
            .stops
            .iter()
            .map(|stop| overlap(&self.held, stop))
            .max()
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        self.given += self.held.len();
        std::mem::replace(&mut self.held, rest)
    }
}

/// Length of the longest end of the text that begins the stop string, bytes.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(at, _)| at)
        .rev()
        .find(|at| text.ends_with(&stop[..*at]))
        .unwrap_or(0)
}
