//! The first rows of a file of data, as the chosen model reads them.

use std::path::Path;

use configs::finetune::ARITHMETIC;
use dataset::arithmetic::{self, Split};
use dataset::{Content, Counts, Dataset, FileKind, Form, Message, Prompt, Rows};
use hub::{
    ChatTemplate, Conversation, ENABLE_THINKING, HubError, ModelFolder, ModelTokenizer,
    OrderedJson, RenderOptions, RenderedConversation, Segment, ThinkMarks,
};
use tui::figures::count;
use tui::plan::bytes;
use tui::screens::launcher::requests::{DataAsk, DataPreview};
use tui::screens::models::requests::Preview;

use crate::plan::{LARGEST, located};

/// Rows that are shown.
const SHOWN: usize = 5;
/// Problems that are listed.
const LISTED: usize = 4;

/// A row's text: what it is, the turns before, and what is learnt of it.
struct Shown {
    what: String,
    prompt: Content,
    answer: Option<Content>,
    thinking: Option<bool>,
}

/// Reads what is asked for.
///
/// # Errors
/// A file that cannot be used, in a sentence.
pub(super) fn preview(wanted: &DataAsk) -> Result<DataPreview, String> {
    let (mut preview, rows) = if wanted.path == Path::new(ARITHMETIC) {
        made_up(wanted)
    } else {
        of_file(wanted)?
    };
    let reader = Reader::open(wanted);
    let longest: usize = wanted.max_tokens.replace('_', "").parse().unwrap_or(0);
    match &reader {
        Ok(_) => preview.facts.push(format!("read by {}", wanted.model)),
        Err(why) => preview
            .problems
            .push(format!("tokens are not counted: {why}")),
    }
    for row in rows {
        let rendered = match &reader {
            Ok(reader) => reader.render(&row),
            Err(_) => Ok(plain(&row)),
        };
        let mut rendered = rendered.unwrap_or_else(|error| Preview {
            notes: vec![error.to_string()],
            ..plain(&row)
        });
        if longest > 0 && rendered.tokens.0 > longest {
            rendered.notes.push(format!(
                "longer than data.max_tokens = {longest}: it is cut"
            ));
        }
        preview.rows.push((row.what, rendered));
    }
    Ok(preview)
}

fn imitates(wanted: &DataAsk) -> bool {
    wanted.algorithm == "sft" && !wanted.held_out
}

/// The mode that the settings ask for.
fn asked(wanted: &DataAsk) -> Option<bool> {
    match wanted.thinking.as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn made_up(wanted: &DataAsk) -> (DataPreview, Vec<Shown>) {
    let number = |index: usize| format!("row {}", index + 1);
    let (fact, rows) = if imitates(wanted) {
        let rows = arithmetic::demonstrations(SHOWN, 1);
        let shown = rows.into_iter().enumerate().map(|(index, mut row)| {
            let answer = row.messages.pop();
            Shown {
                what: format!("{}, a demonstration", number(index)),
                prompt: Content::Messages(row.messages),
                answer: answer.map(|answer| Content::Messages(vec![answer])),
                thinking: Some(row.thinking),
            }
        });
        let fact =
            "made-up demonstrations, as many as data.rows says; one in ten is wrong on purpose";
        (fact, shown.collect())
    } else {
        let (split, fact) = if wanted.held_out {
            let fact = "made-up problems that no training ever shows, with their answers";
            (Split::HeldOut, fact)
        } else {
            let fact = "made-up problems, as many as data.rows says, with their answers";
            (Split::Train, fact)
        };
        let rows = arithmetic::prompts(split, SHOWN, 1);
        let shown = rows
            .into_iter()
            .enumerate()
            .map(|(index, row)| of_prompt(&number(index), row, wanted));
        (fact, shown.collect())
    };
    let preview = DataPreview {
        facts: vec![fact.to_owned()],
        ..DataPreview::default()
    };
    (preview, rows)
}

fn of_file(wanted: &DataAsk) -> Result<(DataPreview, Vec<Shown>), String> {
    let path = &wanted.path;
    let size = path.metadata().map_or(0, |about| about.len());
    if size > LARGEST {
        return Err(format!(
            "{} has {}: too large to be looked into here - allowed: {}; it can be learnt from all the same",
            path.display(),
            bytes(size),
            bytes(LARGEST)
        ));
    }
    let form = match wanted.form.as_str() {
        "" => Form::Auto,
        "conversations" => Form::Prompts,
        name => name
            .replace('_', "-")
            .parse()
            .map_err(|error: dataset::DatasetError| error.to_string())?,
    };
    let read = dataset::read(path, form).map_err(|error| error.to_string())?;
    let mut preview = DataPreview {
        facts: vec![head(&read), counted(&read.counts)],
        ..DataPreview::default()
    };
    let problems = read.problems.iter().take(LISTED);
    preview
        .problems
        .extend(problems.map(|problem| format!("{}: {}", problem.place, problem.kind)));
    preview.problems.extend(unfit(&read.rows, wanted));
    Ok((preview, rows(read.rows, wanted)))
}

fn head(read: &Dataset) -> String {
    let stored = match read.file {
        FileKind::JsonLines => "JSON lines",
        FileKind::JsonList => "a JSON list",
        FileKind::Parquet => "Parquet",
    };
    format!("{stored} of the form {}", read.form)
}

fn counted(counts: &Counts) -> String {
    let mut text = format!("{} rows", count(counts.rows as f64));
    for (number, what) in [
        (counts.dropped, "left out"),
        (counts.duplicate_prompts, "with the prompt of another"),
        (counts.truncated, "cut when they were made"),
        (counts.ties, "with nothing to prefer"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {} {what}", count(number as f64)));
        }
    }
    text
}

/// Rows that the method cannot learn from by themselves.
fn unfit(rows: &Rows, wanted: &DataAsk) -> Option<String> {
    let own_pairs = wanted.iterations == "0" && wanted.algorithm != "sft" && !wanted.held_out;
    (own_pairs && !matches!(rows, Rows::Preferences(_))).then(|| {
        format!(
            "these are no preferences, and iterations.count = 0 has {} learn from the data's own",
            wanted.algorithm
        )
    })
}

fn of_prompt(number: &str, row: Prompt, wanted: &DataAsk) -> Shown {
    let own = row.thinking().filter(|_| imitates(wanted));
    let thinking = own.or(asked(wanted));
    let answer = row.answer.map(|answer| format!(", answer {answer}"));
    let mut what = format!("{number}{}", answer.unwrap_or_default());
    let mut messages = match row.content {
        Content::Messages(messages) => messages,
        text => {
            return Shown {
                what,
                prompt: text,
                answer: None,
                thinking,
            };
        }
    };
    let answered =
        messages.len() > 1 && messages.last().is_some_and(|last| last.role == "assistant");
    let last = if answered { messages.pop() } else { None };
    if imitates(wanted) && last.is_none() {
        what.push_str(", without an answer to learn");
    }
    Shown {
        what,
        prompt: Content::Messages(messages),
        // Where the model answers by itself, the answer of the file is not shown to it.
        answer: last
            .filter(|_| imitates(wanted))
            .map(|last| Content::Messages(vec![last])),
        thinking,
    }
}

fn rows(rows: Rows, wanted: &DataAsk) -> Vec<Shown> {
    let number = |index: usize| format!("row {}", index + 1);
    let answers = !wanted.held_out && (wanted.algorithm == "sft" || wanted.iterations == "0");
    let thinking = asked(wanted);
    match rows {
        Rows::Prompts(rows) => rows
            .into_iter()
            .take(SHOWN)
            .enumerate()
            .map(|(index, row)| of_prompt(&number(index), row, wanted))
            .collect(),
        Rows::Preferences(rows) => rows
            .into_iter()
            .take(SHOWN)
            .enumerate()
            .flat_map(|(index, row)| {
                let own = row.prompt.thinking().filter(|_| answers);
                let shown = |what: &str, answer: Option<Content>| Shown {
                    what: format!("{}{what}", number(index)),
                    prompt: row.prompt.content.clone(),
                    answer,
                    thinking: own.or(thinking),
                };
                match (answers, imitates(wanted)) {
                    (false, _) => vec![shown(", the prompt alone", None)],
                    (true, true) => vec![shown(", chosen", Some(row.chosen))],
                    (true, false) => vec![
                        shown(", chosen", Some(row.chosen)),
                        shown(", rejected", Some(row.rejected)),
                    ],
                }
            })
            .collect(),
        Rows::Rated(rows) => rows
            .into_iter()
            .take(SHOWN)
            .enumerate()
            .map(|(index, row)| Shown {
                what: format!("{}, {} answers", number(index), row.responses.len()),
                answer: row
                    .best()
                    .filter(|_| answers)
                    .map(|best| Content::Text(row.responses[best].text.clone())),
                thinking: row.prompt.thinking().filter(|_| answers).or(thinking),
                prompt: row.prompt.content,
            })
            .collect(),
    }
}

/// The text as it stands, where no model reads it.
fn plain(row: &Shown) -> Preview {
    let text = |content: &Content| -> String {
        let turns = content.messages("");
        let line = |turn: &Message| match turn.role.as_str() {
            "" => turn.content.clone(),
            role => format!("{role}: {}", turn.content),
        };
        turns.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let mut pieces = vec![(text(&row.prompt), false)];
    if let Some(answer) = &row.answer {
        pieces.push(("\n".to_owned(), false));
        pieces.push((text(answer), true));
    }
    Preview {
        pieces,
        ..Preview::default()
    }
}

/// What turns rows into tokens.
struct Reader {
    tokenizer: ModelTokenizer,
    template: Option<ChatTemplate>,
    system: String,
    /// Whether rows are demonstrations.
    imitates: bool,
}

impl Reader {
    fn open(wanted: &DataAsk) -> Result<Self, String> {
        if wanted.model.is_empty() {
            return Err("no model is chosen".to_owned());
        }
        let revision = (!wanted.revision.is_empty()).then_some(wanted.revision.as_str());
        let open = || -> Result<Self, HubError> {
            let folder = ModelFolder::open(&located(&wanted.model, revision)?)?;
            Ok(Reader {
                tokenizer: folder.tokenizer()?,
                template: folder.template()?,
                system: wanted.system.clone(),
                imitates: imitates(wanted),
            })
        };
        open().map_err(|error| error.to_string())
    }

    fn render(&self, row: &Shown) -> Result<Preview, HubError> {
        let rendered = match &self.template {
            Some(template) => self.turns(template, row)?,
            None => self.text(row),
        };
        let rendered = match row.thinking {
            Some(false) => rendered.without_trace(&ThinkMarks::default()),
            _ => rendered,
        };
        let tokens = rendered.learnt_tokens(&self.tokenizer)?;
        let end = tokens.iter().filter(|(.., learnt)| *learnt);
        let end = end.map(|(_, range, _)| range.end).max().unwrap_or(0);
        let learnt = tokens.iter().filter(|(_, _, learnt)| *learnt).count();
        let mut pieces = Vec::new();
        let mut at = 0;
        for answer in &rendered.answers {
            pieces.push((rendered.text[at..answer.range.start].to_owned(), false));
            at = answer.range.end.min(end.max(answer.range.start));
            pieces.push((rendered.text[answer.range.start..at].to_owned(), true));
        }
        pieces.push((rendered.text[at..].to_owned(), false));
        Ok(Preview {
            pieces,
            tokens: (tokens.len(), learnt),
            notes: rendered.notes,
        })
    }

    fn turns(
        &self,
        template: &ChatTemplate,
        row: &Shown,
    ) -> Result<RenderedConversation, HubError> {
        let mut messages = row.prompt.messages("user");
        let has_system = messages
            .first()
            .is_some_and(|message| message.role == "system");
        if !self.system.is_empty() && !has_system {
            messages.insert(0, Message::new("system", self.system.clone()));
        }
        let mut options = RenderOptions::default();
        if let Some(thinking) = row.thinking {
            options
                .arguments
                .insert(ENABLE_THINKING.to_owned(), thinking.into());
        }
        let Some(answer) = &row.answer else {
            return conversation(&messages)?.prompt(template, &options);
        };
        messages.extend(answer.messages("assistant"));
        let mut rendered = conversation(&messages)?.render(template, &options)?;
        // Of a pair the last answer is learnt, those before belong to its prompt; a demonstration
        // is learnt whole.
        if !self.imitates {
            let last = rendered.answers.len().saturating_sub(1);
            rendered.answers.drain(..last);
        }
        Ok(rendered)
    }

    /// Plain text with its end, for a model without a template.
    fn text(&self, row: &Shown) -> RenderedConversation {
        let prompt = row.prompt.last_text().to_owned();
        let end = self.tokenizer.special().get("eos_token");
        let answer = row.answer.as_ref();
        let answer =
            answer.map(|answer| format!("{}{}", answer.last_text(), end.unwrap_or_default()));
        let begin = prompt.len();
        let text = format!("{prompt}{}", answer.as_deref().unwrap_or_default());
        let answers = answer.map(|_| Segment {
            message: 1,
            range: begin..text.len(),
        });
        RenderedConversation {
            answers: answers.into_iter().collect(),
            text,
            notes: Vec::new(),
        }
    }
}

fn conversation(messages: &[Message]) -> Result<Conversation, HubError> {
    let broken = |error: serde_json::Error| HubError::Conversation {
        what: "row".to_owned(),
        why: error.to_string(),
    };
    let value = serde_json::to_string(messages).map_err(broken)?;
    let messages: Vec<OrderedJson> = serde_json::from_str(&value).map_err(broken)?;
    Ok(Conversation::new(messages))
}

#[cfg(test)]
mod tests;
