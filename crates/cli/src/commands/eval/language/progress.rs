//! How far an evaluation is, on stderr.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use serde_json::Value;

use crate::output::tell;
use crate::surroundings::has_bars;

/// Time between two lines, where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar for each stage, or a line now and then.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    stage: String,
    told: Option<Instant>,
}

impl Progress {
    pub(super) fn show(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64().unwrap_or_default();
        let stage = event["stage"].as_str().unwrap_or_default();
        if stage != self.stage {
            self.clear();
            stage.clone_into(&mut self.stage);
        }
        if has_bars() {
            let bar = self.bar.get_or_insert_with(|| {
                let style =
                    indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
                let bar = ProgressBar::new(number("of"));
                bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
            });
            bar.set_position(number("finished"));
            bar.set_message(stage.to_owned());
        } else if self.told.is_none_or(|told| told.elapsed() > LINE_EVERY) {
            self.told = Some(Instant::now());
            tell(&format!(
                "{stage}: {} of {}",
                number("finished"),
                number("of")
            ));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
