//! Counts of passed and failed tests, read from what the runners print.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result};

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Whose output is read. nextest repeats the output of failed tests, which other runners' closing
/// lines are part of, so that each is read for its own form only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// `test result: ok. 5 passed; 0 failed; ..`, one line for each binary.
    Libtest,
    /// `Summary [ 0.1s] 5 tests run: 5 passed, 0 skipped`.
    Nextest,
    /// Our own: `5 passed, 0 failed`, alone or at the end of a line.
    Script,
}

impl Runner {
    /// The counts in one line of output; `None` for all but closing lines.
    fn counts(self, line: &str) -> Option<Tally> {
        let line = without_colours(line);
        let line = line.trim();
        let counts = match self {
            Self::Libtest => line.strip_prefix("test result:")?.split_once('.')?.1,
            Self::Nextest => line.strip_prefix("Summary [")?.split_once("run:")?.1,
            Self::Script => {
                // `name: remarks; 5 passed, 0 failed`
                let end = line.rsplit([';', ':']).next()?.trim();
                if !end.split(", ").all(is_count) {
                    return None;
                }
                end
            }
        };
        let mut tally = Tally::default();
        for part in counts.split([',', ';']) {
            let mut words = part.trim().splitn(2, ' ');
            let (Some(number), Some(kind)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            // nextest adds remarks: `5 passed (1 slow)`.
            match kind.split(" (").next().unwrap_or(kind) {
                "passed" => tally.passed += number,
                "failed" | "timed out" | "exec failed" => tally.failed += number,
                _ => {}
            }
        }
        Some(tally)
    }
}

/// `12 passed` and the like.
fn is_count(part: &str) -> bool {
    part.split_once(' ').is_some_and(|(number, kind)| {
        number.parse::<u64>().is_ok() && matches!(kind, "passed" | "failed" | "skipped")
    })
}

fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Runs a command, passes its output on line by line, and counts the tests that it reports.
///
/// A command that fails without reporting a failed test (a build error, a crash) counts as one.
pub fn run_and_count(runner: Runner, command: &mut Command) -> Result<(ExitStatus, Tally)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let errors = child.stderr.take().expect("stderr was asked to be piped");
    let output = child.stdout.take().expect("stdout was asked to be piped");
    let of_errors = thread::spawn(move || forward(runner, errors, std::io::stderr()));
    let mut tally = forward(runner, output, std::io::stdout());
    tally += of_errors.join().expect("forwarding lines does not panic");
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok((status, tally))
}

fn forward(runner: Runner, source: impl std::io::Read, mut sink: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    // A closed terminal must not stop the tests: what cannot be shown is still counted.
    while reader
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        let _ = sink.write_all(&line).and_then(|()| sink.flush());
        if let Some(counts) = runner.counts(&String::from_utf8_lossy(&line)) {
            tally += counts;
        }
        line.clear();
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(runner: Runner, line: &str) -> Option<(u64, u64)> {
        runner
            .counts(line)
            .map(|tally| (tally.passed, tally.failed))
    }

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        let libtest = "test result: FAILED. 11 passed; 2 failed; 3 ignored; 0 filtered out";
        assert_eq!(counts(Runner::Libtest, libtest), Some((11, 2)));
        assert_eq!(
            counts(
                Runner::Libtest,
                "test result: ok. 5 passed; 0 failed; 1 ignored"
            ),
            Some((5, 0))
        );
        let nextest = "  Summary [   0.006s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(counts(Runner::Nextest, nextest), Some((6, 3)));
        let coloured = "\u{1b}[32;1m  Summary\u{1b}[0m [  0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m";
        assert_eq!(counts(Runner::Nextest, coloured), Some((2, 0)));
    }

    #[test]
    fn nextest_repeats_of_a_failed_test_are_not_counted_again() {
        let repeated = "    test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(counts(Runner::Nextest, repeated), None);
        assert_eq!(counts(Runner::Nextest, "5 passed, 1 failed"), None);
    }

    #[test]
    fn a_plain_count_is_read_when_alone_or_after_a_mark() {
        assert_eq!(counts(Runner::Script, "10 passed, 0 failed"), Some((10, 0)));
        assert_eq!(
            counts(Runner::Script, "10 passed, 1 failed, 2 skipped\n"),
            Some((10, 1))
        );
        let remarks = "lbf: 208000 transitions; 21 passed, 1 failed";
        assert_eq!(counts(Runner::Script, remarks), Some((21, 1)));
        assert_eq!(counts(Runner::Script, "then 10 passed, 0 failed"), None);
        assert_eq!(counts(Runner::Script, "10 foods, 2 players"), None);
        assert_eq!(counts(Runner::Script, ""), None);
    }

    #[test]
    fn a_command_that_breaks_without_a_report_counts_as_failed() {
        let run = |script| {
            run_and_count(Runner::Script, Command::new("sh").args(["-c", script])).unwrap()
        };
        let (status, tally) = run("exit 3");
        assert_eq!(status.code(), Some(3));
        assert_eq!(
            tally,
            Tally {
                passed: 0,
                failed: 1
            }
        );
        let (_, tally) = run("echo '4 passed, 0 failed'; echo '1 passed, 2 failed' >&2; exit 1");
        assert_eq!(
            tally,
            Tally {
                passed: 5,
                failed: 2
            }
        );
    }
}
