//! `concord model generate`.

use std::ffi::OsString;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::process::{Events, Interruption, Working};
use super::{choosing_words, chosen, model_words, prompting_words};
use crate::arguments::{Format, Generate, Global};
use crate::failure::Failure;
use crate::output::{Table, print, print_json, tell, visible};
use crate::surroundings::has_bars;

/// Time between two lines about how far the work is, where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Runs the command.
pub(super) fn generate(global: &Global, arguments: &Generate) -> Result<(), Failure> {
    let (folder, prompt) = chosen(&arguments.model.choice, &arguments.first, &arguments.second)?;
    let sources = [
        prompt.is_some(),
        arguments.prompt_file.is_some(),
        !arguments.prompts.is_empty(),
    ];
    if sources.iter().filter(|given| **given).count() != 1 {
        return Err(Failure::arguments(
            "one prompt is wanted - allowed: a text behind the model, --prompt-file FILE or --prompt-ids IDS",
        ));
    }
    let mut words = model_words("generate", folder, &arguments.model);
    words.extend(prompt.map(|prompt| format!("--prompt={prompt}").into()));
    let mut stdin = Stdio::null();
    if let Some(file) = &arguments.prompt_file {
        words.extend(["--prompt-file".into(), file.clone().into_os_string()]);
        if file == Path::new("-") {
            stdin = Stdio::inherit();
        }
    }
    let ids = arguments.prompts.iter();
    words.extend(ids.map(|ids| format!("--prompt-ids={ids}").into()));
    words.extend(prompting_words(&arguments.prompting));
    words.extend(choosing_words(&arguments.choosing));
    for (name, value) in [
        ("max-new", arguments.max_new),
        ("samples", arguments.samples),
    ] {
        words.push(format!("--{name}={value}").into());
    }
    let mut report = Report::new(arguments)?;
    for (flag, on) in [
        ("--chat", arguments.chat),
        ("--ignore-eos", arguments.ignore_eos),
        ("--log-probabilities", arguments.log_probabilities),
        ("--events", true),
        ("--tokens", report.streams),
    ] {
        words.extend(on.then(|| OsString::from(flag)));
    }
    let mut worker = Working::start(global, &words, stdin)?;
    let interruption = Interruption::pass_on(&worker)?;
    for event in worker.stdout().into_iter().flat_map(Events::of) {
        report.take(event?)?;
    }
    let end = interruption.judge(worker.end());
    report.finish(end.is_ok())?;
    end
}

/// What is made of the worker's events.
struct Report<'a> {
    arguments: &'a Generate,
    /// Tokens are written as they come.
    streams: bool,
    /// Many prompts, an answer a line.
    lines: bool,
    answers: Vec<Value>,
    totals: Value,
    bar: Option<ProgressBar>,
    told: Instant,
    /// The streamed text does not end with a newline yet.
    open: bool,
}

impl<'a> Report<'a> {
    fn new(arguments: &'a Generate) -> Result<Self, Failure> {
        let format = arguments.format.format;
        let lines = arguments.prompt_file.is_some() && format == Format::Json;
        let single = arguments.prompts.len() <= 1
            && arguments.prompt_file.is_none()
            && arguments.samples == 1;
        if arguments.stream && !single && format != Format::Json {
            return Err(Failure::arguments(
                "--stream writes one continuation as it comes - for several take --format json, or leave it out",
            ));
        }
        if arguments.stream && format == Format::Csv {
            return Err(Failure::arguments(
                "--stream --format csv - allowed: --format table or json",
            ));
        }
        let to_people = format == Format::Table && stdout().is_terminal();
        let text = arguments.prompts.is_empty();
        Ok(Report {
            arguments,
            streams: arguments.stream || (single && text && to_people),
            lines,
            answers: Vec::new(),
            totals: Value::Null,
            bar: None,
            told: Instant::now(),
            open: false,
        })
    }

    fn take(&mut self, mut event: Value) -> Result<(), Failure> {
        let format = self.arguments.format.format;
        match event["event"].as_str() {
            Some("token") if format == Format::Json => print(&event.to_string()),
            Some("token") => {
                let text = event["text"].as_str().unwrap_or_default();
                let text = visible(text, stdout().is_terminal());
                if !text.is_empty() {
                    self.open = !text.ends_with('\n');
                }
                let mut stdout = stdout().lock();
                stdout.write_all(text.as_bytes())?;
                Ok(stdout.flush()?)
            }
            Some("progress") => {
                self.progress(&event);
                Ok(())
            }
            Some("answer") => {
                if self.streams && format == Format::Json {
                    return print(&event.to_string());
                }
                if let Value::Object(fields) = &mut event {
                    fields.remove("event");
                }
                if self.lines {
                    return self.beside_the_bar(|| print(&event.to_string()));
                }
                self.answers.push(event);
                Ok(())
            }
            Some("done") => {
                self.totals = event;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn beside_the_bar(&self, write: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Several sequences take a while.
    fn progress(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        if number("sequences") < 2 {
            return;
        }
        let rate = number("tokens") as f64 / event["seconds"].as_f64().unwrap_or(f64::INFINITY);
        if has_bars() {
            let bar = self
                .bar
                .get_or_insert_with(|| ProgressBar::new(number("sequences")));
            bar.set_position(number("finished"));
            bar.set_message(format!("{rate:.0} tokens/s"));
        } else if self.told.elapsed() > LINE_EVERY {
            self.told = Instant::now();
            tell(&format!(
                "{} of {} answered, {rate:.0} tokens/s",
                number("finished"),
                number("sequences")
            ));
        }
    }

    fn finish(mut self, whole: bool) -> Result<(), Failure> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let format = self.arguments.format.format;
        if self.open {
            print("\n")?;
        }
        if self.totals.is_null() {
            // The worker has told why.
            return Ok(());
        }
        self.answers
            .sort_by_key(|answer| [answer["prompt"].as_u64(), answer["sample"].as_u64()]);
        if !whole {
            tell(&format!(
                "interrupted: {} of {} are finished",
                self.totals["finished"], self.totals["sequences"]
            ));
        }
        let as_ids = !self.arguments.prompts.is_empty();
        match format {
            Format::Json if self.streams => print(&self.totals.to_string()),
            Format::Json if self.lines => Ok(()),
            Format::Json => print_json(&self.object()),
            Format::Csv => print(&self.table(as_ids).to_csv()),
            Format::Table if as_ids => print(&self.table(true).to_text()),
            Format::Table => self.texts(),
        }
    }

    /// One JSON object: the first continuation, and all of them.
    fn object(&mut self) -> Value {
        let mut object = self.totals.take();
        if let Value::Object(fields) = &mut object {
            fields.remove("event");
        }
        for name in [
            "ids",
            "text",
            "finish",
            "log_probabilities",
            "prompt_text",
            "prompt_tokens",
        ] {
            if let Some(value) = self.answers.first().and_then(|first| first.get(name)) {
                object[name] = value.clone();
            }
        }
        object["continuations"] = json!(self.answers);
        object
    }

    fn table(&self, as_ids: bool) -> Table {
        let mut columns = vec!["prompt", "sample", "finish"];
        columns.extend(if as_ids {
            &["ids"][..]
        } else {
            &["prompt_tokens", "tokens", "text"]
        });
        let mut table = Table::new(&columns);
        for one in &self.answers {
            let ids = one["ids"].as_array().into_iter().flatten();
            let ids: Vec<String> = ids.map(Value::to_string).collect();
            let mut row = vec![
                one["prompt"].clone(),
                one["sample"].clone(),
                one["finish"].clone(),
            ];
            if as_ids {
                row.push(json!(ids.join(",")));
            } else {
                row.extend([
                    one["prompt_tokens"].clone(),
                    json!(ids.len()),
                    one["text"].clone(),
                ]);
            }
            table.row(row);
        }
        table
    }

    /// Text alone where there is one continuation; several have a line before each.
    fn texts(&self) -> Result<(), Failure> {
        let terminal = stdout().is_terminal();
        let several = self.answers.len() > 1;
        for one in &self.answers {
            let tokens = one["ids"].as_array().map_or(0, Vec::len);
            let finish = one["finish"].as_str().unwrap_or_default();
            if several {
                let number = |name: &str| one[name].as_u64().unwrap_or_default() + 1;
                print(&format!(
                    "--- prompt {}, sample {}: {tokens} tokens, {finish}",
                    number("prompt"),
                    number("sample")
                ))?;
            }
            if !self.streams {
                print(&visible(one["text"].as_str().unwrap_or_default(), terminal))?;
            }
            if !several && terminal && stderr().is_terminal() {
                let rate = self.totals["tokens_per_second"].as_f64().unwrap_or(0.0);
                tell(&format!("({tokens} tokens, {rate:.1} tokens/s, {finish})"));
            }
        }
        Ok(())
    }
}
