//! `concord model chat`: a conversation in a plain terminal, or out of a script.

mod line;
mod screen;
mod thought;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, Write, stdin};
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use crossbeam::channel::{Receiver, Sender, bounded};
use serde_json::{Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::line::{Block, Line};
use self::screen::Screen;
use super::process::{Events, Working};
use super::{choosing_words, chosen, model_words, prompting_words, refuse_more};
use crate::arguments::{Chat, Global};
use crate::failure::{Failure, INTERRUPTED};

/// Lines and events that may wait.
const WAITING: usize = 256;

/// What happens to a conversation.
enum Happening {
    Line(String),
    InputEnd,
    Signal(i32),
    Event(u32, Result<Value, Failure>),
    /// The worker with this number has closed its mouth.
    Silence(u32),
}

/// Runs the command.
pub(super) fn chat(global: &Global, arguments: &Chat) -> Result<(), Failure> {
    let (folder, rest) = chosen(&arguments.model.choice, &arguments.first, &None)?;
    refuse_more(rest.as_deref(), "chat", "what is to be said on stdin")?;
    let mut words = model_words("chat", folder, &arguments.model);
    words.extend(prompting_words(&arguments.prompting));
    words.extend(choosing_words(&arguments.choosing));
    words.push(format!("--max-new={}", arguments.max_new).into());
    let (sender, receiver) = bounded(WAITING);
    let mut talk = Talk {
        global,
        words,
        sender,
        receiver,
        number: 0,
        worker: None,
        screen: Screen::new(),
        block: Block::default(),
        lines: VecDeque::new(),
        input_ended: false,
        answering: false,
        interrupts: 0,
        system: arguments.prompting.system.clone(),
        messages: Vec::new(),
        settings: Value::Null,
    };
    if let Some(file) = &arguments.saved {
        talk.read(file)?;
    }
    talk.listen()?;
    talk.start()?;
    talk.run()
}

struct Talk<'a> {
    global: &'a Global,
    words: Vec<OsString>,
    sender: Sender<Happening>,
    receiver: Receiver<Happening>,
    /// Counts the workers: one that was killed is started anew.
    number: u32,
    worker: Option<(Working, ChildStdin)>,
    screen: Screen,
    block: Block,
    lines: VecDeque<Line>,
    input_ended: bool,
    answering: bool,
    /// Ctrl-c in a row.
    interrupts: u32,
    system: Option<String>,
    /// Roles and texts, as they go to a file or to a new worker.
    messages: Vec<(&'static str, String)>,
    settings: Value,
}

impl Talk<'_> {
    /// Starts the threads that wait for lines and signals. They end with the process: a line
    /// may never come.
    fn listen(&self) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::environment(format!("cannot listen: {error}"));
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let sender = self.sender.clone();
        thread("signals")
            .spawn(move || {
                for signal in signals.forever() {
                    if sender.send(Happening::Signal(signal)).is_err() {
                        break;
                    }
                }
            })
            .map_err(failed)?;
        let sender = self.sender.clone();
        thread("lines")
            .spawn(move || {
                for line in stdin().lock().split(b'\n') {
                    let Ok(line) = line else { break };
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if sender.send(Happening::Line(line)).is_err() {
                        break;
                    }
                }
                let _ = sender.send(Happening::InputEnd);
            })
            .map_err(failed)?;
        Ok(())
    }

    /// Starts a worker and waits until the model is loaded.
    fn start(&mut self) -> Result<(), Failure> {
        self.screen.hint("loading the model");
        let mut worker = Working::start(self.global, &self.words, Stdio::piped())?;
        self.number += 1;
        let number = self.number;
        let sender = self.sender.clone();
        let events = worker.stdout().map(Events::of);
        std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || {
                for event in events.into_iter().flatten() {
                    if sender.send(Happening::Event(number, event)).is_err() {
                        return;
                    }
                }
                let _ = sender.send(Happening::Silence(number));
            })
            .map_err(|error| Failure::environment(format!("cannot listen: {error}")))?;
        if let Some(stdin) = worker.stdin() {
            self.worker = Some((worker, stdin));
        }
        if !self.messages.is_empty() {
            let system = self.system.iter().map(|text| ("system", text));
            let messages = self.messages.iter().map(|(role, text)| (*role, text));
            let messages = system.chain(messages);
            let messages: Vec<Value> = messages
                .map(|(role, content)| json!({ "role": role, "content": content }))
                .collect();
            self.tell(&json!({ "messages": messages }));
        }
        if !self.settings.is_null() {
            let settings = json!({ "settings": self.settings });
            self.tell(&settings);
        }
        Ok(())
    }

    /// A worker that is gone is noticed by its silence.
    fn tell(&mut self, command: &Value) {
        if let Some((_, stdin)) = &mut self.worker {
            let _ = writeln!(stdin, "{command}").and_then(|()| stdin.flush());
        }
    }

    fn run(mut self) -> Result<(), Failure> {
        let mut ready = false;
        loop {
            while ready && !self.answering {
                let Some(line) = self.lines.pop_front() else {
                    if self.input_ended {
                        return self.leave();
                    }
                    break;
                };
                if self.follow(line)? {
                    return self.leave();
                }
            }
            let Ok(happening) = self.receiver.recv() else {
                return self.leave();
            };
            match happening {
                Happening::Line(text) => {
                    self.interrupts = 0;
                    let line = self.block.take(&text);
                    let waits = line.is_none();
                    self.lines
                        .extend(line.filter(|line| *line != Line::Say(String::new())));
                    if waits || self.lines.is_empty() {
                        self.prompt();
                    }
                }
                Happening::InputEnd => {
                    let rest = self.block.rest();
                    self.lines.extend(rest);
                    self.input_ended = true;
                }
                Happening::Signal(signal) => self.signal(signal)?,
                Happening::Event(number, event) if number == self.number => {
                    ready |= self.hear(&event?)?;
                }
                Happening::Silence(number) if number == self.number => self.silence(ready)?,
                Happening::Event(..) | Happening::Silence(_) => {}
            }
        }
    }

    fn prompt(&self) {
        if !self.answering {
            self.screen.prompt(self.block.is_open());
        }
    }

    /// The end, when the user wishes it.
    fn leave(mut self) -> Result<(), Failure> {
        self.screen.hint("");
        if let Some((mut worker, mut stdin)) = self.worker.take() {
            let _ = writeln!(stdin, "{}", json!({ "quit": true }));
            drop(stdin);
            return worker.end();
        }
        Ok(())
    }

    fn signal(&mut self, signal: i32) -> Result<(), Failure> {
        if signal != SIGINT || !self.screen.interactive {
            self.screen.break_off()?;
            return Err(Failure::silent(INTERRUPTED));
        }
        self.interrupts += 1;
        if self.interrupts > 1 {
            self.screen.break_off()?;
            return Err(Failure::silent(0));
        }
        if self.answering {
            self.tell(&json!({ "stop": true }));
        } else {
            self.block = Block::default();
            self.screen.say("\n(ctrl-c again leaves, as ctrl-d does)");
            self.prompt();
        }
        Ok(())
    }

    /// Does what a line asks for; true leaves.
    fn follow(&mut self, line: Line) -> Result<bool, Failure> {
        match line {
            Line::Quit => return Ok(true),
            Line::Say(text) => {
                self.revive()?;
                self.tell(&json!({ "say": text }));
                self.messages.push(("user", text));
                self.answering = true;
                return Ok(false);
            }
            Line::Retry => {
                self.revive()?;
                self.tell(&json!({ "retry": true }));
                self.answering = true;
                return Ok(false);
            }
            Line::System(text) => {
                self.tell(&json!({ "system": text }));
                self.system = Some(text).filter(|text| !text.is_empty());
            }
            Line::Set(changes) => {
                // Its note comes before the next prompt.
                self.tell(&json!({ "settings": changes }));
                return Ok(false);
            }
            Line::Settings => self.show_settings(),
            Line::Forget => {
                self.tell(&json!({ "forget": true }));
                self.messages.clear();
            }
            Line::Save(file) => match self.save(&file) {
                Ok(()) => self.screen.say(&format!("written to {}", file.display())),
                Err(message) => self.screen.say(&message),
            },
            Line::Tokens => {
                self.screen.tokens = !self.screen.tokens;
                self.screen.say(if self.screen.tokens {
                    "tokens are shown after each answer: log-probability, token, what else was likely"
                } else {
                    "tokens are no longer shown"
                });
            }
            Line::Help => self.screen.help(),
            Line::Wrong(message) => self.screen.say(&message),
        }
        self.prompt();
        Ok(false)
    }

    /// A worker that has gone is started anew with the conversation.
    fn revive(&mut self) -> Result<(), Failure> {
        if self.worker.is_none() {
            self.start()?;
        }
        Ok(())
    }

    fn show_settings(&self) {
        let settings = self.settings.as_object().into_iter().flatten();
        let lines: Vec<String> = settings
            .map(|(name, value)| format!("  {name:<20} {value}"))
            .collect();
        self.screen.say(&lines.join("\n"));
    }

    /// Takes an event in; true when the model is ready.
    fn hear(&mut self, event: &Value) -> Result<bool, Failure> {
        let message = event["message"].as_str().unwrap_or_default();
        if !event["settings"].is_null() {
            self.settings = event["settings"].clone();
        }
        match event["event"].as_str() {
            Some("ready") => {
                self.screen.hint(&greeting(event));
                if !self.answering {
                    self.prompt();
                }
                return Ok(true);
            }
            Some("begin") => self
                .screen
                .begin(event["thinking"].as_bool().unwrap_or_default()),
            Some("token") => self.screen.token(event)?,
            Some("done") => {
                self.screen.done(event)?;
                let text = event["text"].as_str().unwrap_or_default().to_owned();
                // An answer that was tried again takes the place of the first.
                if self
                    .messages
                    .last()
                    .is_some_and(|(role, _)| *role == "assistant")
                {
                    self.messages.pop();
                }
                self.messages.push(("assistant", text));
                self.rest();
            }
            Some("error") => {
                self.screen.break_off()?;
                self.screen.say(&format!("error: {message}"));
                if self.answering {
                    if self
                        .messages
                        .last()
                        .is_some_and(|(role, _)| *role == "user")
                    {
                        self.messages.pop();
                    }
                    self.rest();
                } else {
                    self.prompt();
                }
            }
            Some("note") if !event["settings"].is_null() => {
                self.screen.hint(message);
                self.prompt();
            }
            Some("note") => self.screen.say(&format!("note: {message}")),
            _ => {}
        }
        Ok(false)
    }

    /// The answer is over.
    fn rest(&mut self) {
        self.answering = false;
        self.interrupts = 0;
        if self.lines.is_empty() && !self.input_ended {
            self.prompt();
        }
    }

    /// The worker has gone.
    fn silence(&mut self, ready: bool) -> Result<(), Failure> {
        let Some((mut worker, _)) = self.worker.take() else {
            return Ok(());
        };
        let end = worker.end().err().unwrap_or_else(|| {
            Failure::environment("the model's process has ended by itself - start it again")
        });
        self.screen.break_off()?;
        if !ready || !self.screen.interactive {
            return Err(end);
        }
        self.screen.say(&format!("error: {}", end.message));
        self.screen
            .say("the conversation is kept: /save FILE writes it, and the model is loaded again when you say something");
        if self.answering
            && self
                .messages
                .last()
                .is_some_and(|(role, _)| *role == "user")
        {
            self.messages.pop();
        }
        self.rest();
        Ok(())
    }

    fn save(&self, file: &Path) -> Result<(), String> {
        let system = self.system.iter().map(|text| ("system", text));
        let said = self.messages.iter().map(|(role, text)| (*role, text));
        let messages: Vec<Value> = system
            .chain(said)
            .map(|(role, content)| json!({ "role": role, "content": content }))
            .collect();
        if messages.is_empty() {
            return Err("nothing was said yet".to_owned());
        }
        let mut object = json!({ "messages": messages });
        let template = &self.settings["template"];
        if template.as_object().is_some_and(|map| !map.is_empty()) {
            object["chat_template_kwargs"] = template.clone();
        }
        let failed = |error: std::io::Error| {
            format!(
                "cannot write {}: {error} - allowed: a new file in a folder that is there",
                file.display()
            )
        };
        let mut out = File::create_new(file).map_err(failed)?;
        let text = format!("{object:#}\n");
        out.write_all(text.as_bytes())
            .and_then(|()| out.sync_all())
            .map_err(failed)
    }

    /// A saved conversation to go on with.
    fn read(&mut self, file: &Path) -> Result<(), Failure> {
        let refuse = |why: String| {
            Failure::arguments(format!(
                "cannot go on with {}: {why} - allowed: a file of /save, or {{\"messages\": [{{\"role\", \"content\"}}]}}",
                file.display()
            ))
        };
        let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
        let value: Value =
            serde_json::from_str(&text).map_err(|error| refuse(format!("no JSON ({error})")))?;
        let messages = value["messages"]
            .as_array()
            .ok_or_else(|| refuse("it has no messages".to_owned()))?;
        for message in messages {
            let content = message["content"].as_str();
            let content = content.ok_or_else(|| refuse("a message has no text".to_owned()))?;
            match message["role"].as_str() {
                Some("system") => self.system = Some(content.to_owned()),
                Some("user") => self.messages.push(("user", content.to_owned())),
                Some("assistant") => self.messages.push(("assistant", content.to_owned())),
                role => {
                    return Err(refuse(format!(
                        "role {role:?} - allowed: system, user, assistant"
                    )));
                }
            }
        }
        if let Some(arguments) = value["chat_template_kwargs"].as_object() {
            let pairs = arguments
                .iter()
                .map(|(name, value)| OsString::from(format!("--template={name}={value}")));
            self.words.extend(pairs);
        }
        Ok(())
    }
}

/// The model in a line.
fn greeting(ready: &Value) -> String {
    let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
    let parameters = ready["parameters"].as_f64().unwrap_or_default();
    let form = if ready["template"] == Value::Bool(true) {
        ""
    } else {
        ", plain text"
    };
    format!(
        "{}: {} parameters, {} on {}, context {} tokens{form} - /help tells the commands",
        text("family"),
        tui::figures::count(parameters),
        text("dtype"),
        text("device"),
        ready["context"],
    )
}
