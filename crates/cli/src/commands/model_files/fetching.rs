//! A download on stderr: bars on a terminal, else a line per file.

use std::ops::ControlFlow;

use hub::DownloadEvent;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::output::tell;
use crate::surroundings::has_bars;

/// A size for people.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

/// One bar for the file under way.
pub(crate) struct Bars {
    bar: Option<ProgressBar>,
    drawn: bool,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Bars {
            bar: None,
            drawn: has_bars(),
        }
    }

    /// Shows a step; it never stops the download.
    pub(crate) fn show(&mut self, event: &DownloadEvent) -> ControlFlow<()> {
        match event {
            DownloadEvent::Planned {
                files,
                bytes,
                present,
            } if present < bytes => self.say(&format!(
                "{files} files, {}, of which {} are here",
                size(*bytes),
                size(*present)
            )),
            DownloadEvent::Planned { .. } => {}
            DownloadEvent::Started { file, bytes, from } if self.drawn => {
                self.bar = Some(bar(file, *bytes, *from));
            }
            DownloadEvent::Started { file, bytes, from } => {
                let on = if *from > 0 {
                    format!(", goes on at {}", size(*from))
                } else {
                    String::new()
                };
                self.say(&format!("{file}: {}{on}", size(*bytes)));
            }
            DownloadEvent::Advanced { done, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*done);
                }
            }
            DownloadEvent::Retrying {
                reason, pause_secs, ..
            } => self.say(&format!("{reason}; trying again in {pause_secs} s")),
            DownloadEvent::Finished { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish();
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => tell(text),
        }
    }
}

fn bar(file: &str, bytes: u64, from: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg:30!} {bar:24} {bytes:>11}/{total_bytes:11} {bytes_per_sec:>12} {eta:>4}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(bytes)
        .with_style(style)
        .with_message(file.to_owned())
        .with_position(from);
    // Speed and remaining time are those of this attempt.
    bar.reset_eta();
    bar
}
