use std::io::Write;

use super::*;

fn told(line: &str) -> (Level, String, String) {
    let line = LogLine::of_console(line, Level::Info);
    (line.level, line.target, line.text)
}

#[test]
fn the_habits_of_loggers_are_recognised() {
    for (line, level, target, text) in [
        ("warning: disk: full", Level::Warning, "disk", "full"),
        (
            "error: no such device",
            Level::Error,
            "console",
            "no such device",
        ),
        (
            "error[E0502]: cannot borrow",
            Level::Error,
            "console",
            "cannot borrow",
        ),
        ("Warning: slow path", Level::Warning, "console", "slow path"),
        ("WARNING:root:careful", Level::Warning, "root", "careful"),
        ("[ERROR] broken", Level::Error, "console", "broken"),
        (
            "DEBUG tracking::sink: opened",
            Level::Debug,
            "tracking::sink",
            "opened",
        ),
        (
            "2026-11-24T13:35:02.123Z  WARN learner: loss is large",
            Level::Warning,
            "learner",
            "loss is large",
        ),
        (
            "2026-11-24 13:35:02,123 - INFO - hello",
            Level::Info,
            "console",
            "hello",
        ),
        (
            "[W1124 13:35:02.123 TensorImpl.cpp:12] Warning: no CUDA",
            Level::Warning,
            "TensorImpl.cpp:12",
            "no CUDA",
        ),
        (
            "[E socket.cpp:7] refused",
            Level::Error,
            "socket.cpp:7",
            "refused",
        ),
        (
            "thread 'main' panicked at src/a.rs:1:1:",
            Level::Error,
            "console",
            "thread 'main' panicked at src/a.rs:1:1:",
        ),
        (
            "thread 'a' started",
            Level::Info,
            "console",
            "thread 'a' started",
        ),
        (
            "no error: all is well",
            Level::Info,
            "console",
            "no error: all is well",
        ),
        (
            "error rates fall",
            Level::Info,
            "console",
            "error rates fall",
        ),
        ("[Worker] hello", Level::Info, "console", "[Worker] hello"),
        ("", Level::Info, "console", ""),
        ("warning:", Level::Warning, "console", ""),
        ("[", Level::Info, "console", "["),
        ("[W", Level::Info, "console", "[W"),
        ("[é]", Level::Info, "console", "[é]"),
        (
            "2026-11-24T13:35:02.1234",
            Level::Info,
            "console",
            "2026-11-24T13:35:02.1234",
        ),
    ] {
        assert_eq!(
            told(line),
            (level, target.to_owned(), text.to_owned()),
            "{line}"
        );
    }
}

#[test]
fn an_indented_line_goes_on_with_the_level_above() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.log");
    std::fs::write(&path, "error: a\n   at b\nfine\n   at c\n").unwrap();
    let levels: Vec<Level> = ConsoleReader::open(&path)
        .poll()
        .iter()
        .map(|line| line.level)
        .collect();
    assert_eq!(
        levels,
        [Level::Error, Level::Error, Level::Info, Level::Info]
    );
}

#[test]
fn a_console_is_followed_over_half_lines_and_starts_anew_when_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.log");
    let mut reader = ConsoleReader::open(&path);
    assert!(reader.poll().is_empty());
    let texts = |reader: &mut ConsoleReader| -> Vec<String> {
        reader.poll().into_iter().map(|line| line.text).collect()
    };
    std::fs::write(&path, "hello\n\u{1b}[1mha").unwrap();
    assert_eq!(texts(&mut reader), ["hello"]);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"lf\x1b[0m line\n 10%\r 20%\r\n\xff\n")
        .unwrap();
    assert_eq!(texts(&mut reader), ["half line", " 20%", "\u{fffd}"]);
    assert!(reader.poll().is_empty());
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(texts(&mut reader), ["new"]);
}

#[test]
fn of_a_long_console_the_tail_is_read_and_a_half_line_at_its_start_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("console.log");
    let text: String = (0..40_000).map(|index| format!("line {index}\n")).collect();
    std::fs::write(&path, &text).unwrap();
    let lines = ConsoleReader::open(&path).poll();
    assert_eq!(lines.last().unwrap().text, "line 39999");
    assert!(lines.len() > 10_000 && lines.len() < 40_000);
    assert!(lines.iter().all(|line| line.text.starts_with("line ")));
    std::fs::write(&path, "x".repeat(3 * TAIL as usize) + "\nend\n").unwrap();
    let lines = ConsoleReader::open(&path).poll();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].text, "end");
}
