//! Seconds of work: those of earlier workers counted, those of pauses not.

use std::time::Instant;

/// Counts seconds while it runs.
#[derive(Debug)]
pub struct Stopwatch {
    before: f64,
    running_since: Option<Instant>,
}

impl Stopwatch {
    /// Runs from here on, with `before` seconds already counted.
    pub fn start(before: f64) -> Self {
        Self {
            before,
            running_since: Some(Instant::now()),
        }
    }

    /// Seconds counted so far.
    pub fn seconds(&self) -> f64 {
        let now = self
            .running_since
            .map(|since| since.elapsed().as_secs_f64());
        self.before + now.unwrap_or(0.0)
    }

    /// Stops counting.
    pub fn pause(&mut self) {
        self.before = self.seconds();
        self.running_since = None;
    }

    /// Counts on.
    pub fn go_on(&mut self) {
        self.running_since.get_or_insert_with(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn pauses_are_not_counted() {
        let mut watch = Stopwatch::start(100.0);
        watch.pause();
        let paused = watch.seconds();
        std::thread::sleep(Duration::from_millis(20));
        assert!(watch.seconds() == paused && paused < 110.0);
        watch.pause();
        watch.go_on();
        watch.go_on();
        std::thread::sleep(Duration::from_millis(5));
        assert!(watch.seconds() >= paused + 0.005);
    }
}
