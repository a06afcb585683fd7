//! What `cargo xtask bench terminal` measures inside one process, and the runs that it
//! measures with. Prints one JSON object.
//!
//! ```text
//! terminal_load make ROOT EVENTS      a run of that many events
//! terminal_load folders ROOT COUNT    that many small runs
//! terminal_load feed RUN RATE SECONDS appends events at a rate
//! terminal_load open RUN              time to the first picture and to the whole log
//! terminal_load frames ROOT           time of a frame at 200 x 60
//! terminal_load list ROOT             time to list the runs, first and again
//! terminal_load chat TOKENS           time of a frame with an answer of that many tokens
//! terminal_load models COUNT          time of a frame with that many models
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::{TerminalOptions, Viewport};
use serde_json::{Value, json};
use tracking::history::Follower;
use tracking::{EventReader, NewRun, RunFolder, RunState, Status, unix_seconds};
use tui::detail::CURVE_POINTS;
use tui::model::Model;
use tui::source::{RunList, Watcher};
use tui::theme::Surroundings;
use tui::{Msg, update, view};

mod screens;

type Outcome = Result<Value, Box<dyn Error>>;

/// The curves of a made run; the names and axes of a training with a switch.
const CURVES: [(&str, &str); 12] = [
    ("train/return", "env_steps"),
    ("train/length", "env_steps"),
    ("train/epsilon", "env_steps"),
    ("learner/loss", "learner_updates"),
    ("learner/gradient_norm", "learner_updates"),
    ("learner/td_error", "learner_updates"),
    ("learner/target_value", "learner_updates"),
    ("switch/call_share", "env_steps"),
    ("switch/calls_left", "env_steps"),
    ("runtime/env_steps_per_second", "env_steps"),
    ("runtime/acting_share", "env_steps"),
    ("runtime/queue", "learner_updates"),
];
/// Events between two evaluations of a made run.
const EVALUATION_EVERY: u64 = 25_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let found = match words.as_slice() {
        ["make", root, events] => make(Path::new(root), events.parse()?),
        ["folders", root, count] => folders(Path::new(root), count.parse()?),
        ["feed", run, rate, seconds] => feed(Path::new(run), rate.parse()?, seconds.parse()?),
        ["open", run] => open(Path::new(run)),
        ["frames", root] => frames(Path::new(root)),
        ["list", root] => Ok(list(Path::new(root))),
        ["chat", tokens] => screens::chat(tokens.parse()?),
        ["models", count] => screens::models(count.parse()?),
        _ => Err("see the head of tui/examples/terminal_load/main.rs for the commands".into()),
    }?;
    writeln!(io::stdout(), "{found}")?;
    Ok(())
}

/// The same line for the same number, whatever the machine.
fn line(sequence: u64, start: f64, text: &mut String) {
    use std::fmt::Write;
    let time = start + sequence as f64 * 0.001;
    let round = sequence / CURVES.len() as u64;
    let step = round * 25;
    text.clear();
    let _ = write!(text, "{{\"v\":1,\"seq\":{sequence},\"time\":{time:.3},");
    if sequence % EVALUATION_EVERY == EVALUATION_EVERY - 1 {
        let returns: Vec<String> = (0..32)
            .map(|episode| format!("{:.3}", wave(sequence + episode).abs()))
            .collect();
        let _ = write!(
            text,
            "\"kind\":\"evaluation\",\"purpose\":\"interval\",\"step\":{step},\"updates\":{round},\
             \"seconds\":{:.1},\"returns\":[{}],\"lengths\":[{}]}}",
            sequence as f64 * 0.001,
            returns.join(","),
            vec!["17"; 32].join(",")
        );
    } else {
        let (name, axis) = CURVES[(sequence % CURVES.len() as u64) as usize];
        let at = if axis == "env_steps" { step } else { round };
        let value = wave(sequence);
        let _ = write!(
            text,
            "\"kind\":\"scalar\",\"name\":\"{name}\",\"value\":{value},\"axis\":\"{axis}\",\"step\":{at}}}"
        );
    }
    text.push('\n');
}

/// Slowly rising, with noise: full precision, as losses have.
fn wave(sequence: u64) -> f64 {
    let noise = (sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64;
    1.0 - (-(sequence as f64) / 3e6).exp() + 0.2 * (noise - 0.5)
}

fn make(root: &Path, events: u64) -> Outcome {
    let run = RunFolder::create(
        root,
        &NewRun {
            name: "long".into(),
            job: "train".into(),
            algorithm: "mansa".into(),
            task: "Foraging-8x8-2p-2f-coop-v3".into(),
            total_steps: events / CURVES.len() as u64 * 25,
            ..NewRun::default()
        },
    )?;
    let start = unix_seconds();
    let mut file = BufWriter::with_capacity(1 << 20, File::create(run.events())?);
    let mut text = String::new();
    for sequence in 0..events {
        line(sequence, start, &mut text);
        file.write_all(text.as_bytes())?;
    }
    file.flush()?;
    let mut status = Status {
        state: RunState::Finished,
        heartbeat: unix_seconds(),
        ..run.status()?
    };
    status.progress.step = status.total_steps;
    status.write(&run.status_file())?;
    let bytes = std::fs::metadata(run.events())?.len();
    Ok(json!({"run": run.path(), "events": events, "bytes": bytes}))
}

fn folders(root: &Path, count: u64) -> Outcome {
    let mut text = String::new();
    for index in 0..count {
        let run = RunFolder::create(
            root,
            &NewRun {
                name: format!("small {index}"),
                job: "train".into(),
                algorithm: "iql".into(),
                task: "Foraging-8x8-2p-2f-coop-v3".into(),
                seed: index,
                total_steps: 1000,
                ..NewRun::default()
            },
        )?;
        let mut file = File::create(run.events())?;
        for sequence in 0..50 {
            line(sequence, unix_seconds(), &mut text);
            file.write_all(text.as_bytes())?;
        }
        Status {
            state: RunState::Finished,
            heartbeat: unix_seconds(),
            ..run.status()?
        }
        .write(&run.status_file())?;
    }
    Ok(json!({"folders": count}))
}

fn feed(run: &Path, rate: f64, seconds: f64) -> Outcome {
    let run = RunFolder::open(run)?;
    let mut file = File::options().append(true).open(run.events())?;
    let mut sequence = last_sequence(&run)? + 1;
    let (start, first) = (Instant::now(), sequence);
    let mut text = String::new();
    while start.elapsed().as_secs_f64() < seconds {
        let due = first + (start.elapsed().as_secs_f64() * rate) as u64;
        let mut lines = String::new();
        while sequence < due {
            line(sequence, unix_seconds(), &mut text);
            lines.push_str(&text);
            sequence += 1;
        }
        file.write_all(lines.as_bytes())?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(json!({"events": sequence - first}))
}

fn last_sequence(run: &RunFolder) -> Result<u64, Box<dyn Error>> {
    let length = std::fs::metadata(run.events())?.len();
    let mut reader = EventReader::open_at(&run.events(), length.saturating_sub(4096));
    reader.poll_lines(u64::MAX, &mut |_| ())?;
    Ok(reader.last_sequence().unwrap_or(0))
}

/// Opens the log as the dashboard does, and reads a part of it by serde for comparison.
fn open(run: &Path) -> Outcome {
    let run = RunFolder::open(run)?;
    let started = Instant::now();
    let mut follower = Follower::open(&run.events(), CURVE_POINTS);
    let mut first = None;
    loop {
        let progressed = follower.poll(Duration::from_millis(40), &mut |_| ())?;
        first.get_or_insert_with(|| started.elapsed());
        if !progressed.more {
            break;
        }
    }
    let whole = started.elapsed();
    let events = follower.history().events;
    let (by_serde, by_hand) = (serde_rate(&run)?, hand_rate(&run)?);
    Ok(json!({
        "events": events,
        "bytes": std::fs::metadata(run.events())?.len(),
        "first_picture_seconds": first.map(|first| first.as_secs_f64()),
        "whole_seconds": whole.as_secs_f64(),
        "events_per_second": events as f64 / whole.as_secs_f64(),
        "events_per_second_parsed_by_serde": by_serde,
        "events_per_second_parsed_by_hand": by_hand,
    }))
}

/// Lines used to compare the two ways of parsing.
const COMPARED: usize = 300_000;

fn serde_rate(run: &RunFolder) -> Result<f64, Box<dyn Error>> {
    let lines: Vec<String> = BufReader::new(File::open(run.events())?)
        .lines()
        .take(COMPARED)
        .collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut read = 0_u64;
    for line in &lines {
        read += u64::from(serde_json::from_str::<tracking::Event>(line).is_ok());
    }
    Ok(read as f64 / started.elapsed().as_secs_f64())
}

fn hand_rate(run: &RunFolder) -> Result<f64, Box<dyn Error>> {
    let lines: Vec<String> = BufReader::new(File::open(run.events())?)
        .lines()
        .take(COMPARED)
        .collect::<Result<_, _>>()?;
    let started = Instant::now();
    let mut read = 0_u64;
    for line in &lines {
        read += u64::from(tracking::event::line::parse(line.as_bytes()).is_some());
    }
    Ok(read as f64 / started.elapsed().as_secs_f64())
}

/// Draws the dashboard over a folder's newest run, a changed value in every frame.
fn frames(root: &Path) -> Outcome {
    let mut model = Model::new("runs", Surroundings::default(), unix_seconds());
    update(&mut model, Msg::Resized(200, 60));
    update(&mut model, Msg::Runs(tui::source::runs(root)));
    let id = model.selected.clone().ok_or("no run in the folder")?;
    let mut watcher = Watcher::new(RunFolder::open(&root.join(&id))?);
    loop {
        if let Some(news) = watcher.poll(&|_| None, Duration::from_secs(1)) {
            update(&mut model, Msg::News(news));
        }
        if !watcher.has_more() {
            break;
        }
    }
    let mut found = timed(&mut model, |model, frame| {
        // Time passes, and every tenth frame much of the screen changes: help on or off.
        update(model, Msg::Tick(unix_seconds() + frame as f64));
        if frame % 10 == 0 {
            update(model, Msg::Key(KeyEvent::from(KeyCode::Char('?'))));
        }
    })?;
    found["run"] = id.into();
    Ok(found)
}

/// Draws 300 frames, each after a change that is not part of its time.
fn timed(model: &mut Model, mut change: impl FnMut(&mut Model, usize)) -> Outcome {
    const FRAMES: usize = 300;
    let options = TerminalOptions {
        viewport: Viewport::Fixed(Rect::new(0, 0, 200, 60)),
    };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(io::sink()), options)?;
    let mut times = Vec::new();
    for frame in 0..FRAMES {
        change(model, frame);
        let started = Instant::now();
        terminal.draw(|frame| view(model, frame))?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "frames": FRAMES,
        "median_milliseconds": times[FRAMES / 2],
        "p99_milliseconds": times[FRAMES * 99 / 100],
        "most_milliseconds": times[FRAMES - 1],
    }))
}

fn list(root: &Path) -> Value {
    let mut list = RunList::new(root);
    let mut times = Vec::new();
    for _ in 0..10 {
        let started = Instant::now();
        list.scan(unix_seconds());
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    let again = &mut times[1..];
    again.sort_by(f64::total_cmp);
    let median = again[again.len() / 2];
    json!({"runs": list.runs().len(), "first_milliseconds": times[0], "again_milliseconds": median})
}
