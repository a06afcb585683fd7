//! From rows to token ids: templates, truncation, what is learnt of a text.

use dataset::{Content, Message, Record};
use hub::{Conversation, ENABLE_THINKING, OrderedJson, RenderOptions, ThinkMarks};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::failure::FinetuneError;
use crate::text_model::{Speech, TextModel, wide};

/// Token ids, and which of them are learnt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sequence {
    /// The whole text.
    pub ids: Vec<i64>,
    /// Of each id whether its log-probability counts; never of the first.
    pub learnt: Vec<bool>,
}

impl Sequence {
    /// A response behind its prompt.
    pub fn new(prompt: &[i64], response: &[i64]) -> Self {
        let learnt = std::iter::repeat_n(false, prompt.len());
        Self {
            ids: [prompt, response].concat(),
            learnt: learnt
                .chain(std::iter::repeat_n(true, response.len()))
                .collect(),
        }
    }

    /// Tokens whose log-probability counts.
    pub fn learnt_tokens(&self) -> usize {
        self.learnt.iter().skip(1).filter(|learnt| **learnt).count()
    }
}

/// Two responses to one prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pair {
    /// The better one.
    pub chosen: Sequence,
    /// The worse one.
    pub rejected: Sequence,
    /// Win rate of the chosen one against the policy, 0 to 1.
    pub chosen_win_rate: f64,
    /// Of the rejected one.
    pub rejected_win_rate: f64,
    /// Probability that the chosen one beats the rejected one.
    pub chosen_wins: f64,
    /// Log-probabilities of the two under the reference, sums in nats.
    pub reference: Option<[f64; 2]>,
}

/// Something to learn from.
#[derive(Debug, Clone, PartialEq)]
pub enum Example {
    /// A demonstration.
    Lesson(Sequence),
    /// A preference.
    Pair(Pair),
    /// BVPO's: a preference between responses with traces, and one between responses without.
    Both {
        /// With traces.
        trace: Pair,
        /// Without.
        empty: Pair,
    },
}

impl Example {
    /// Its pairs.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        let (first, second) = match self {
            Self::Lesson(_) => (None, None),
            Self::Pair(pair) => (Some(pair), None),
            Self::Both { trace, empty } => (Some(trace), Some(empty)),
        };
        first.into_iter().chain(second)
    }

    /// Its pairs, to be changed.
    pub fn pairs_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        let (first, second) = match self {
            Self::Lesson(_) => (None, None),
            Self::Pair(pair) => (Some(pair), None),
            Self::Both { trace, empty } => (Some(trace), Some(empty)),
        };
        first.into_iter().chain(second)
    }
}

/// What became of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Texts that were prepared.
    pub texts: u64,
    /// Prompts that lost their beginning.
    pub cut_prompts: u64,
    /// Responses that lost their end.
    pub cut_responses: u64,
    /// Left out: no token of a response remains.
    pub empty: u64,
    /// The template's text of a prompt is not the beginning of its text of the whole: the response
    /// was put behind the prompt as it stands.
    pub put_behind: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.texts += other.texts;
        self.cut_prompts += other.cut_prompts;
        self.cut_responses += other.cut_responses;
        self.empty += other.empty;
        self.put_behind += other.put_behind;
    }
}

impl Counts {
    /// A sentence about what was changed or left out; none where nothing was.
    pub fn sentence(&self) -> Option<String> {
        let parts: Vec<String> = [
            (
                self.cut_prompts,
                "prompts lost their beginning (data.max_prompt_tokens)",
            ),
            (
                self.cut_responses,
                "responses lost their end (data.max_tokens)",
            ),
            (
                self.empty,
                "were left out, since no token of a response remained",
            ),
            (
                self.put_behind,
                "were put behind their prompt as they stand, since the chat template writes a prompt otherwise once it is answered",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        (!parts.is_empty()).then(|| format!("of {} texts {}", self.texts, parts.join("; ")))
    }
}

/// A prompt as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptIds {
    /// Its ids, the beginning cut where it was too long.
    pub ids: Vec<i64>,
    /// The rendered text, whole.
    pub text: String,
    /// It ends inside a trace.
    pub opened: bool,
}

/// How rows become ids.
#[derive(Clone)]
pub struct Preparation<'a> {
    model: Speech<'a>,
    /// The strings around traces.
    pub marks: ThinkMarks,
    system: Option<String>,
    max_prompt_tokens: usize,
    max_tokens: usize,
    /// What became of the rows so far.
    pub counts: Counts,
}

impl<'a> Preparation<'a> {
    /// For a model, by the settings of the data.
    pub fn new(model: &'a TextModel, data: &configs::finetune::DataConfig) -> Self {
        let context = model.decoder.config().max_positions;
        Self {
            model: model.speech(),
            marks: ThinkMarks::from(data),
            system: data.system.clone(),
            max_prompt_tokens: data.max_prompt_tokens.min(context - 1),
            max_tokens: data.max_tokens.min(context),
            counts: Counts::default(),
        }
    }

    /// The same with nothing counted, for a thread of its own.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self {
            counts: Counts::default(),
            ..self.clone()
        }
    }

    fn options(&self, thinking: Option<bool>) -> RenderOptions {
        let mut options = RenderOptions {
            now: self.model.now,
            ..RenderOptions::default()
        };
        if let Some(thinking) = thinking {
            options
                .arguments
                .insert(ENABLE_THINKING.to_owned(), json!(thinking));
        }
        options
    }

    /// A prompt up to where its response begins. Text is one user turn where the model has a chat
    /// template, and stands as it is where it has none.
    ///
    /// # Errors
    /// Turns without a template; what the template refuses.
    pub fn prompt(
        &mut self,
        content: &Content,
        thinking: Option<bool>,
    ) -> Result<PromptIds, FinetuneError> {
        let text = self.prompt_text(content, thinking)?;
        let mut ids = self.model.ids_of(&text)?;
        if self.model.template.is_none() {
            ids = wide(&self.model.tokenizer.encode(&text, true)?);
            self.drop_end(&mut ids);
        }
        if ids.len() > self.max_prompt_tokens {
            self.counts.cut_prompts += 1;
            ids.drain(..ids.len() - self.max_prompt_tokens);
        }
        Ok(PromptIds {
            opened: self.marks.opens(&text),
            text,
            ids,
        })
    }

    /// Some tokenizers put an end behind every text; a prompt goes on.
    fn drop_end(&self, ids: &mut Vec<i64>) {
        while ids
            .last()
            .is_some_and(|id| self.model.stop_ids.contains(id))
        {
            ids.pop();
        }
    }

    fn prompt_text(
        &self,
        content: &Content,
        thinking: Option<bool>,
    ) -> Result<String, FinetuneError> {
        let text = if self.templated(content) {
            let conversation = self.conversation(&content.messages("user"));
            let rendered =
                conversation.prompt(self.model.chat_template()?, &self.options(thinking))?;
            rendered.text
        } else {
            content.last_text().to_owned()
        };
        Ok(if thinking == Some(false) {
            self.marks.without_trace(text)
        } else {
            text
        })
    }

    fn templated(&self, content: &Content) -> bool {
        self.model.template.is_some() || matches!(content, Content::Messages(_))
    }

    fn conversation(&self, messages: &[Message]) -> Conversation {
        let mut all = Vec::new();
        let has_system = messages
            .first()
            .is_some_and(|message| message.role == "system");
        if let (Some(system), false) = (&self.system, has_system) {
            all.push(OrderedJson::message("system", system));
        }
        all.extend(messages.iter().map(as_json));
        Conversation::new(all)
    }

    /// A response that was sampled as ids, behind its prompt; none, and counted, where nothing of
    /// it fits.
    pub fn sampled(&mut self, prompt: &PromptIds, response: &[i64]) -> Option<Sequence> {
        self.counts.texts += 1;
        let room = self.max_tokens.saturating_sub(prompt.ids.len());
        if response.len() > room {
            self.counts.cut_responses += 1;
        }
        let kept = &response[..response.len().min(room)];
        if kept.is_empty() || prompt.ids.is_empty() {
            self.counts.empty += 1;
            return None;
        }
        Some(Sequence::new(&prompt.ids, kept))
    }

    /// A response as text or turns, behind its prompt, with what ends it.
    ///
    /// # Errors
    /// As [`Preparation::prompt`].
    pub fn written(
        &mut self,
        prompt: &Content,
        response: &Content,
        thinking: Option<bool>,
    ) -> Result<Option<Sequence>, FinetuneError> {
        let before = self.prompt(prompt, thinking)?;
        let behind = self.response_text(&before, prompt, response, thinking)?;
        let ids = self.response_ids(&before, &behind)?;
        Ok(self.sampled(&before, &ids))
    }

    fn response_text(
        &mut self,
        before: &PromptIds,
        prompt: &Content,
        response: &Content,
        thinking: Option<bool>,
    ) -> Result<String, FinetuneError> {
        let special = self.model.tokenizer.special();
        let end = special.get("eos_token").unwrap_or_default();
        if !self.templated(prompt) && !self.templated(response) {
            return Ok(format!("{}{end}", response.last_text()));
        }
        let turns = response.messages("assistant");
        let mut messages = prompt.messages("user");
        messages.extend(turns.iter().cloned());
        let conversation = self.conversation(&messages);
        let rendered = conversation.render(self.model.chat_template()?, &self.options(thinking))?;
        if let Some(behind) = rendered.text.strip_prefix(&before.text) {
            // Where the template writes the prompt otherwise, the rendering has put the answer
            // behind it as it stands, and notes it.
            let put_behind = |note: &String| note.contains("put behind the prompt");
            if rendered.notes.iter().any(put_behind) {
                self.counts.put_behind += 1;
            }
            return Ok(self.once_opened(before, behind).to_owned());
        }
        self.counts.put_behind += 1;
        let content = turns.last().map_or("", |turn| turn.content.as_str());
        let tail = rendered
            .text
            .rfind(content)
            .map_or(end, |at| &rendered.text[at + content.len()..]);
        let tail = if tail.is_empty() { end } else { tail };
        let content = self.once_opened(before, content.trim_start());
        Ok(format!("{content}{tail}"))
    }

    /// A response without the mark of a trace that its prompt has opened already.
    fn once_opened<'t>(&self, before: &PromptIds, response: &'t str) -> &'t str {
        let inside = response.trim_start().strip_prefix(self.marks.open.as_str());
        match inside {
            Some(inside) if before.opened => inside.trim_start(),
            _ => response,
        }
    }

    /// The ids behind the prompt; white space behind the end is not learnt, since sampling ends
    /// before it.
    fn response_ids(&self, before: &PromptIds, behind: &str) -> Result<Vec<i64>, FinetuneError> {
        let prompt = self.model.ids_of(&before.text)?;
        let whole = self.model.ids_of(&format!("{}{behind}", before.text))?;
        let mut ids = match whole.strip_prefix(prompt.as_slice()) {
            Some(ids) => ids.to_vec(),
            None => self.model.ids_of(behind)?,
        };
        let stop = ids
            .iter()
            .rposition(|id| self.model.stop_ids.contains(id))
            .map(|at| at + 1);
        if let Some(stop) = stop
            && behind.trim_end().len() < behind.len()
        {
            ids.truncate(stop);
        }
        Ok(ids)
    }

    /// A conversation that ends with an answer: the last answer is learnt, or all of them where
    /// there are several.
    ///
    /// # Errors
    /// As [`Preparation::prompt`]; a conversation that does not end with an answer.
    pub fn demonstration(
        &mut self,
        messages: &[Message],
        thinking: Option<bool>,
    ) -> Result<Option<Sequence>, FinetuneError> {
        let answers = messages
            .iter()
            .filter(|message| message.role == "assistant")
            .count();
        let Some((last, before)) = messages
            .split_last()
            .filter(|(last, before)| last.role == "assistant" && !before.is_empty())
        else {
            return Err(FinetuneError::Settings(
                "a conversation that does not end with an answer of the assistant, or has nothing before it - allowed for sft: messages of user and assistant, or prompt with chosen, or prompt with rated responses".to_owned(),
            ));
        };
        if answers == 1 {
            return self.written(
                &Content::Messages(before.to_vec()),
                &Content::Messages(vec![last.clone()]),
                thinking,
            );
        }
        self.counts.texts += 1;
        let conversation = self.conversation(messages);
        let rendered = conversation.render(self.model.chat_template()?, &self.options(thinking))?;
        let mut sequence = Sequence::default();
        for (id, _, learnt) in rendered.tokens(self.model.tokenizer)? {
            sequence.ids.push(i64::from(id));
            sequence.learnt.push(learnt);
        }
        if sequence.ids.len() > self.max_tokens {
            self.counts.cut_responses += 1;
            sequence.ids.truncate(self.max_tokens);
            sequence.learnt.truncate(self.max_tokens);
        }
        if sequence.learnt_tokens() == 0 {
            self.counts.empty += 1;
            return Ok(None);
        }
        Ok(Some(sequence))
    }
}

fn as_json(message: &Message) -> OrderedJson {
    let mut fields = vec![
        ("role".to_owned(), OrderedJson::String(message.role.clone())),
        (
            "content".to_owned(),
            OrderedJson::String(message.content.clone()),
        ),
    ];
    let ordered = |value| serde_json::from_value(value).unwrap_or(OrderedJson::Null);
    let extra: &Record = &message.extra;
    fields.extend(
        extra
            .iter()
            .map(|(name, value)| (name.clone(), ordered(value.clone()))),
    );
    OrderedJson::Object(fields)
}
