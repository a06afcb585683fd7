//! `concord attach --watch`: the episodes of a training as they are played.

use std::time::Duration;

use serde_json::json;
use tracking::{LiveFrame, LiveFrames, RunFolder, RunState, TrackingError};
use tui::figures::number;

use crate::arguments::{Attach, Format};
use crate::failure::Failure;
use crate::follow::{Interrupts, OnInterrupt};
use crate::output::{Table, print, tell};
use crate::scene;
use crate::worker;

/// How long a worker may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How often ctrl-c and the run are looked at.
const POLL: Duration = Duration::from_millis(200);

/// Prints frames until ctrl-c, the run's end or the number that was asked for.
pub(crate) fn watch(
    run: &RunFolder,
    environment: usize,
    arguments: &Attach,
) -> Result<(), Failure> {
    let (id, state) = (run.id(), worker::state(run));
    if state.is_final() || state == RunState::Queued {
        return Err(Failure::arguments(format!(
            "cannot watch {id}: it is {state} - only a run with a living worker can be watched - `concord show {id} --episode best` prints a recorded episode"
        )));
    }
    let mut interrupts = Interrupts::new(OnInterrupt::Detach)?;
    let format = arguments.format.format;
    let mut frames = LiveFrames::open(run, environment, ANSWER).map_err(|error| match error {
        TrackingError::Refused { message } => {
            Failure::arguments(format!("cannot watch {id}: {message}"))
        }
        other => other.into(),
    })?;
    if state == RunState::Paused {
        tell(&format!(
            "{id} is paused: it plays nothing until `concord unpause {id}`"
        ));
    }
    let mut shown = 0;
    while !interrupts.arrived() && arguments.frames.is_none_or(|limit| shown < limit) {
        match frames.next(POLL) {
            Ok(Some(frame)) => {
                print(&text(&frame, format, shown == 0))?;
                shown += 1;
            }
            Ok(None) => {}
            Err(error) if worker::state(run).is_final() => {
                tell(&format!("{id} is {}; {error}", worker::state(run)));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn text(frame: &LiveFrame, format: Format, first: bool) -> String {
    match format {
        Format::Table => picture(frame),
        Format::Json => serde_json::to_string(frame).unwrap_or_default(),
        Format::Csv => {
            let mut table = Table::new(&[
                "environment",
                "step",
                "episode_return",
                "reward",
                "central",
                "budget_left",
                "over",
            ]);
            table.row(vec![
                json!(frame.environment),
                json!(frame.step),
                json!(frame.episode_return),
                json!(frame.reward),
                json!(frame.central),
                json!(frame.budget_left),
                json!(frame.over),
            ]);
            let csv = table.to_csv();
            let from = if first {
                0
            } else {
                csv.find('\n').map_or(0, |end| end + 1)
            };
            csv[from..].to_owned()
        }
    }
}

/// The board with a line of figures under it.
fn picture(frame: &LiveFrame) -> String {
    let mut out = String::new();
    if let Some(board) = scene::from_json(&frame.scene) {
        for row in &board.rows {
            let line: String = row.iter().map(|piece| piece.0.as_str()).collect();
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out.push_str(&format!(
        "step {}  return {}",
        frame.step,
        number(frame.episode_return)
    ));
    match frame.central {
        Some(true) => out.push_str("  central"),
        Some(false) => out.push_str("  independent"),
        None => {}
    }
    if let Some(left) = frame.budget_left {
        out.push_str(&format!("  budget left {:.0}%", left * 100.0));
    }
    if frame.over {
        out.push_str("  end of the episode");
    }
    out.push_str("\n\n");
    out
}
