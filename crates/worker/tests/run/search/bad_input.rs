//! What cannot be searched, and what is said about it.

use std::fs;
use std::process::Command;

use super::{SCRIPTED, configured, logs, outcomes, scripted};
use crate::folder::{TestRun, outcome, worker};

/// The settings' problems as one text.
fn problems(sets: &[&str]) -> String {
    let problems = configured(SCRIPTED, sets).unwrap_err();
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

#[test]
fn budgets_that_are_none_are_refused() {
    for (sets, what) in [
        (&["budget.tokens=0"][..], "budget.tokens"),
        (&["budget.tokens=-5"], "budget.tokens"),
        (&["budget.tool_calls=-1"], "budget.tool_calls"),
        (
            &["budget.tokens=none", "budget.tool_calls=none"],
            "no limit",
        ),
        (&["budget.answer_reserve=5000"], "budget.answer_reserve"),
    ] {
        let text = problems(sets);
        assert!(text.contains(what), "{sets:?}: {text}");
    }
}

#[test]
fn the_smallest_budget_still_answers() {
    let run = scripted(&[
        "budget.tokens=25",
        "budget.answer_reserve=25",
        "questions.count=2",
    ]);
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 0, "{message}");
    for one in outcomes(&run) {
        assert!(one.answer.is_some() && one.backstop, "{one:?}");
        assert!(one.spent_of("tokens") <= 25.0, "{one:?}");
    }
}

#[test]
fn no_tool_calls_at_all_is_a_budget_too() {
    let run = scripted(&["budget.tool_calls=0", "questions.count=2"]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    for one in outcomes(&run) {
        assert!(
            one.answer.is_some() && one.spent_of("tool_calls") == 0.0,
            "{one:?}"
        );
    }
}

#[test]
fn a_bad_line_of_the_questions_is_named_and_nothing_is_searched() {
    let run = scripted(&[]);
    fs::write(
        run.folder.questions(),
        "{\"question\":\"a\"}\n{\"question\":\n",
    )
    .unwrap();
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("questions.jsonl, line 2"), "{message}");
    assert!(logs(&run).is_empty());
}

#[test]
fn made_up_chains_take_no_text() {
    let sets = ["questions.kind=text", "questions.text=Who?"];
    assert!(
        configured(SCRIPTED, &sets).is_err(),
        "scripted takes no text"
    );
}

/// A limit on the size of files stands in for a full disk: writes fail with EFBIG.
#[test]
fn a_full_disk_stops_with_exit_3_and_the_run_goes_on_once_there_is_room() {
    let run = scripted(&["questions.count=4"]);
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} run --run-dir {}",
        worker().display(),
        run.folder.path().display()
    );
    let output = Command::new("bash")
        .args(["-c", &limited])
        .output()
        .unwrap();
    let (code, message) = outcome(&output);
    assert_eq!(code, 3, "{message}");
    assert!(
        message.contains("cannot write") && message.contains("concord resume"),
        "{message}"
    );
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    let straight = scripted(&["questions.count=4"]);
    assert_eq!(outcome(&straight.run()), (0, String::new()));
    assert_eq!(super::all_lines(&run), super::all_lines(&straight));
}

#[test]
fn a_model_that_is_not_here_is_an_environment_problem() {
    let text = SCRIPTED.replace(
        "kind = \"scripted\"",
        "kind = \"local\"\nname = \"nowhere/at-all\"",
    );
    let text = text.replace("[questions]", "[questions]\nkind = \"world\"");
    let run = TestRun::of(configured(&text, &[]).unwrap());
    let mut command = run.command();
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", run.folder.path());
    let (code, message) = outcome(&command.output().unwrap());
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("nowhere/at-all"), "{message}");
}
