//! `concord-worker chat`: a conversation, in JSON lines on both sides.
//!
//! In: `{"say": TEXT}`, `{"system": TEXT}`, `{"settings": {..}}`, `{"messages": [..]}` (a
//! conversation to go on with), and `{"retry": true}`, `forget`, `stop`, `quit`. Out: `ready`,
//! then for every answer `begin`, a `token` each and `done`; `error` where there is none, and
//! `note`. The end of input lets what was asked be answered and then ends.

mod conversation;
mod settings;

use std::collections::VecDeque;
use std::io::BufRead;
use std::time::Instant;

use clap::Args;
use crossbeam::channel::{Receiver, Sender, bounded};
use hub::{ModelTokenizer, OrderedJson};
use serde::Deserialize;
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tch::Device;

use self::conversation::{Conversation, Reading};
use self::settings::Settings;
use super::sampling::SamplingArguments;
use super::speech::{Manner, Speaker};
use super::{AdapterPlace, Dtype, ModelArguments, TextModel, template_arguments};
use crate::exit::{DONE, ENVIRONMENT, Failure, INTERRUPTED, LEFT_AT_ONCE, try_answer};

/// Commands that wait while an answer is written.
const WAITING: usize = 256;

/// A conversation.
#[derive(Args)]
pub struct ChatArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The system message.
    #[arg(long)]
    system: Option<String>,
    /// Continue plain text, without the template.
    #[arg(long)]
    raw: bool,
    /// An argument of the template, `NAME=JSON`; may be repeated.
    #[arg(long = "template")]
    template: Vec<String>,
    /// A text that ends an answer and is not part of it; may be repeated.
    #[arg(long = "stop")]
    stops: Vec<String>,
    /// Special tokens stay in the text.
    #[arg(long)]
    show_special: bool,
    /// Tokens of an answer, at most.
    #[arg(long = "max-new", default_value_t = 1024)]
    max_new: usize,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Seed of the answers' streams.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A line of stdin.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Say(String),
    System(String),
    Settings(Value),
    Messages(Vec<OrderedJson>),
    Retry(bool),
    Forget(bool),
    Stop(bool),
    Quit(bool),
}

/// What the conversation hears.
#[derive(Debug)]
enum Heard {
    Command(Command),
    Unreadable(String),
    /// A signal.
    Leave,
    /// The end of the input.
    End,
}

/// Talks until the input ends.
pub fn chat(arguments: &ChatArguments) -> Result<u8, Failure> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(no_thread)?;
    let template = template_arguments(&arguments.template)?;
    let model = arguments.model.load_with_text(AdapterPlace::Merged)?;
    let (sampling, taken) = arguments
        .sampling
        .over_file(model.folder.generation_config())?;
    sampling.check()?;
    let mut chat = Chat {
        model: &model,
        speaker: Speaker::new(&model.decoder)?,
        settings: Settings {
            sampling,
            max_new: arguments.max_new,
            seed: arguments.seed,
            stop: arguments.stops.clone(),
            template,
        },
        conversation: Conversation::new(
            &model,
            arguments.raw || model.template.is_none(),
            arguments.system.clone(),
        ),
        skip_special: !arguments.show_special,
        answers: 0,
        ear: Ear::open(signals)?,
        leaving: None,
    };
    chat.greet(arguments.raw);
    if let Some(taken) = taken {
        chat.note(&taken);
    }
    chat.run()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that `map_err` takes"
)]
fn no_thread(error: std::io::Error) -> Failure {
    Failure::new(
        ENVIRONMENT,
        format!("cannot start a thread that listens: {error}"),
    )
}

/// Where commands come from; those that came while an answer was written wait here.
struct Ear {
    receiver: Receiver<Heard>,
    waiting: VecDeque<Heard>,
}

impl Ear {
    /// Listens to stdin and to signals. Both threads end with the process: one waits for a
    /// line that may never come.
    fn open(mut signals: Signals) -> Result<Self, Failure> {
        let (sender, receiver) = bounded(WAITING);
        let leave: Sender<Heard> = sender.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("signals")
            .spawn(move || {
                for (count, _) in signals.forever().enumerate() {
                    if count > 0 || leave.try_send(Heard::Leave).is_err() {
                        signal_hook::low_level::exit(i32::from(LEFT_AT_ONCE));
                    }
                }
            })
            .map_err(no_thread)?;
        thread("commands")
            .spawn(move || {
                for line in std::io::stdin().lock().split(b'\n') {
                    let Ok(line) = line else { break };
                    let Some(heard) = understood(&line) else {
                        continue;
                    };
                    if sender.send(heard).is_err() {
                        break;
                    }
                }
                let _ = sender.send(Heard::End);
            })
            .map_err(no_thread)?;
        Ok(Self {
            receiver,
            waiting: VecDeque::new(),
        })
    }

    fn next(&mut self) -> Option<Heard> {
        let first = self.waiting.pop_front();
        first.or_else(|| self.receiver.recv().ok())
    }
}

fn understood(line: &[u8]) -> Option<Heard> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Some(Heard::Unreadable("a line that is no UTF-8".to_owned()));
    };
    if text.trim().is_empty() {
        return None;
    }
    Some(match serde_json::from_str(text) {
        Ok(command) => Heard::Command(command),
        Err(error) => Heard::Unreadable(format!("{text}: {error}")),
    })
}

struct Chat<'a> {
    model: &'a TextModel,
    speaker: Speaker<'a>,
    settings: Settings,
    conversation: Conversation<'a>,
    skip_special: bool,
    /// Answers so far, those that were tried again among them: each has a random stream of its own.
    answers: u64,
    ear: Ear,
    /// The exit code, once it is known.
    leaving: Option<u8>,
}

/// An answer as far as it was written.
#[derive(Default)]
struct Written {
    text: String,
    tokens: usize,
    finish: &'static str,
}

impl Chat<'_> {
    fn run(mut self) -> Result<u8, Failure> {
        while self.leaving.is_none() {
            let Some(heard) = self.ear.next() else { break };
            self.follow(heard);
        }
        Ok(self.leaving.unwrap_or(DONE))
    }

    fn tell(&mut self, event: &Value) {
        if !try_answer(&event.to_string()) {
            // Nobody reads any more.
            self.leaving.get_or_insert(DONE);
        }
    }

    fn note(&mut self, message: &str) {
        self.tell(&json!({ "event": "note", "message": message }));
    }

    fn refuse(&mut self, message: &str) {
        self.tell(&json!({ "event": "error", "message": message }));
    }

    fn greet(&mut self, raw: bool) {
        let decoder = &self.model.decoder;
        let device = match decoder.weights().device() {
            Device::Cuda(number) => format!("cuda:{number}"),
            _ => "cpu".to_owned(),
        };
        let ready = json!({
            "event": "ready",
            "model": self.model.folder.path(),
            "family": decoder.config().family.to_string(),
            "parameters": decoder.config().scalars(),
            "context": decoder.config().max_positions,
            "template": self.model.template.is_some() && !raw,
            "device": device,
            "dtype": Dtype::name(decoder.weights().kind()),
            "settings": self.settings.to_json(),
        });
        self.tell(&ready);
        if self.model.template.is_none() {
            self.note("the model has no chat template: it continues plain text");
        }
    }

    fn follow(&mut self, heard: Heard) {
        match heard {
            Heard::Leave => self.leaving = Some(INTERRUPTED),
            Heard::End => self.leaving = Some(DONE),
            Heard::Unreadable(what) => self.refuse(&format!(
                "cannot follow {what} - allowed: one of say, system, settings, messages, retry, forget, stop, quit as a JSON object"
            )),
            Heard::Command(command) => match command {
                Command::Say(text) => {
                    self.conversation.say(&text);
                    self.answer();
                }
                Command::Retry(true) => match self.conversation.take_back() {
                    true => self.answer(),
                    false => self.refuse("nothing to answer again - say something first"),
                },
                Command::System(text) => self.conversation.set_system(text),
                Command::Messages(messages) => {
                    if let Err(message) = self.conversation.replace(messages) {
                        self.refuse(&message);
                    }
                }
                Command::Settings(changes) => match self.settings.change(&changes) {
                    Ok(()) => {
                        let settings = self.settings.to_json();
                        let message = self.settings.named_in(&changes);
                        self.tell(&json!({ "event": "note", "message": message, "settings": settings }));
                    }
                    Err(message) => self.refuse(&message),
                },
                Command::Forget(true) => self.conversation.forget(),
                Command::Quit(true) => self.leaving = Some(DONE),
                // There is no answer to be stopped, and `false` asks for nothing.
                Command::Stop(_)
                | Command::Retry(false)
                | Command::Forget(false)
                | Command::Quit(false) => {}
            },
        }
    }

    /// Answers what was said last; a conversation that cannot be answered is as it was before.
    fn answer(&mut self) {
        match self.written() {
            Ok(text) => self.conversation.answered(&text),
            Err(failure) => {
                self.conversation.undo();
                self.refuse(&failure.to_string());
            }
        }
    }

    fn written(&mut self) -> Result<String, Failure> {
        let room = self.settings.max_new;
        let context = self.model.decoder.config().max_positions;
        let reading = self
            .conversation
            .fit(&self.settings.template, context, room)?;
        let Reading {
            ids,
            thinking,
            left_out,
        } = reading;
        if left_out > 0 {
            let several = if left_out == 1 {
                "message is"
            } else {
                "messages are"
            };
            self.note(&format!(
                "the conversation is longer than the model's context of {context} tokens: its first {left_out} {several} left out"
            ));
        }
        let cached = self.speaker.known(&ids);
        self.tell(&json!({
            "event": "begin",
            "prompt_tokens": ids.len(),
            "cached_tokens": cached,
            "thinking": thinking,
        }));
        let started = Instant::now();
        let number = self.answers;
        self.answers += 1;
        let mut written = Written::default();
        let mut stream = self
            .model
            .tokenizer
            .stream(self.skip_special, &self.settings.stop);
        let manner = Manner {
            sampling: self.settings.sampling,
            max_new: room,
            stop_ids: &self.model.stop_ids,
            seed: self.settings.seed,
            number,
        };
        let (ear, leaving, tokenizer) = (&mut self.ear, &mut self.leaving, &self.model.tokenizer);
        let mut deaf = false;
        self.speaker
            .speak::<Failure>(&ids, &manner, &mut |spoken, ending| {
                let id = u32::try_from(spoken.id).unwrap_or(u32::MAX);
                let mut text = stream.push(id)?;
                let finish = if let Some(ending) = ending {
                    Some(ending.name())
                } else if stream.is_stopped() {
                    Some("stop_string")
                } else {
                    stopped(ear, leaving).then_some("stopped")
                };
                if finish.is_some() {
                    text.push_str(&stream.finish()?);
                }
                let alternatives = spoken.alternatives.iter().map(|(id, log)| {
                    let text = shown(tokenizer, *id);
                    json!({ "id": id, "text": text, "log_probability": log })
                });
                let event = json!({
                    "event": "token",
                    "text": text,
                    "id": spoken.id,
                    "log_probability": spoken.log_probability,
                    "alternatives": alternatives.collect::<Vec<_>>(),
                });
                deaf |= !try_answer(&event.to_string());
                written.text.push_str(&text);
                written.tokens += 1;
                written.finish = finish.unwrap_or_default();
                Ok(finish.is_none() && !deaf)
            })?;
        if deaf {
            self.leaving.get_or_insert(DONE);
        }
        let seconds = started.elapsed().as_secs_f64();
        self.tell(&json!({
            "event": "done",
            "finish": written.finish,
            "text": written.text,
            "tokens": written.tokens,
            "prompt_tokens": ids.len(),
            "cached_tokens": cached,
            "seconds": seconds,
            "tokens_per_second": written.tokens as f64 / seconds,
        }));
        Ok(written.text)
    }
}

/// A token by itself; one of a part of a character as the tokenizer writes it.
fn shown(tokenizer: &ModelTokenizer, id: i64) -> String {
    let Ok(id) = u32::try_from(id) else {
        return String::new();
    };
    let text = tokenizer.decode(&[id], false).unwrap_or_default();
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return tokenizer.token(id).unwrap_or(text);
    }
    text
}

/// Whether the answer is to end now; everything else that was heard waits.
fn stopped(ear: &mut Ear, leaving: &mut Option<u8>) -> bool {
    let mut stopped = false;
    while let Ok(heard) = ear.receiver.try_recv() {
        match heard {
            Heard::Command(Command::Stop(true)) => stopped = true,
            Heard::Command(Command::Quit(true)) => {
                *leaving = Some(DONE);
                stopped = true;
            }
            Heard::Leave => {
                *leaving = Some(INTERRUPTED);
                stopped = true;
            }
            other => ear.waiting.push_back(other),
        }
    }
    stopped
}
