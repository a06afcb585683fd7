//! From questions to answers.

use std::fs;

use tracking::search_log::SearchLog;
use tracking::{EvaluationPurpose, EventKind, RunState};

use super::{lines, logs, outcomes, scripted};
use crate::folder::outcome;

#[test]
fn every_question_has_a_log_an_answer_and_its_judgement() {
    let run = scripted(&[]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    let found = outcomes(&run);
    assert_eq!(found.len(), 6);
    for one in &found {
        assert!(one.over, "{one:?}");
        assert_eq!(one.violations(), 0, "{one:?}");
        assert!(one.answer.is_some() && one.verdict().is_some(), "{one:?}");
        assert_eq!(one.expected, ["right"]);
        assert!(one.spent_of("tokens") <= 1000.0 && one.spent_of("tool_calls") <= 5.0);
    }
    let right = found
        .iter()
        .filter(|one| one.verdict() == Some(true))
        .count();
    assert!(
        right > 0,
        "with these error rates half of the answers are right"
    );
    let returns = run.returns(EvaluationPurpose::Absolute);
    let [(step, mean)] = returns[..] else {
        panic!("{returns:?}")
    };
    assert_eq!((step, mean), (6, right as f64 / 6.0));
    let accuracy = run.curve("search/accuracy");
    assert_eq!(accuracy.len(), 6);
    assert_eq!(accuracy.last(), Some(&(6, mean)));
    assert_eq!(run.curve("search/violations").last(), Some(&(6, 0.0)));
    let full = run.curve("search/full_batch_share");
    assert!(full.iter().all(|(_, share)| (0.0..=1.0).contains(share)));
    let status = run.folder.status().unwrap();
    assert_eq!(status.state, RunState::Finished);
    assert_eq!((status.progress.step, status.total_steps), (6, 6));
    let kept = fs::read_to_string(run.folder.questions()).unwrap();
    assert_eq!(kept.lines().count(), 6);
}

#[test]
fn the_displays_reader_takes_every_line_and_a_replay_gives_the_same_tree() {
    let run = scripted(&["questions.count=2", "seed=3"]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    for (_, path) in logs(&run) {
        let log = SearchLog::read(&path).unwrap();
        assert_eq!(log.problems(), (&[][..], 0));
        assert!(log.is_over());
        let text = fs::read(&path).unwrap();
        let replayed = search::log::replay(&text).unwrap();
        assert_eq!(replayed.search.tree().len(), log.nodes().len());
        assert!(replayed.missing.is_empty() && replayed.search.verdict().is_some());
    }
}

/// The search itself reads neither expected answers nor judgements.
#[test]
fn expected_answers_are_only_where_nobody_searches() {
    let run = scripted(&["questions.count=1"]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    let (_, path) = logs(&run).remove(0);
    for line in lines(&path) {
        let kind = line["kind"].as_str().unwrap();
        let told = line.get("expected").is_some() || line.get("correct").is_some();
        assert_eq!(told, ["question", "answer"].contains(&kind), "{line}");
    }
}

#[test]
fn how_many_are_searched_at_once_changes_no_search() {
    let alone = scripted(&["runtime.parallel_questions=1"]);
    let together = scripted(&["runtime.parallel_questions=6"]);
    for run in [&alone, &together] {
        assert_eq!(outcome(&run.run()), (0, String::new()));
    }
    assert_eq!(super::all_lines(&alone), super::all_lines(&together));
}

#[test]
fn every_method_ends_within_its_budget() {
    for method in [
        "bavt",
        "constant_exponent",
        "inverted_exponent",
        "greedy",
        "uniform",
        "bg_mcts",
        "value_of_information",
        "second_opinion",
        "react",
        "parallel",
        "best_of_n",
        "self_consistency",
        "beam",
        "tree_of_thoughts",
        "mcts",
        "ab_mcts_a",
    ] {
        let run = scripted(&["questions.count=3", &format!("method.kind={method}")]);
        assert_eq!(outcome(&run.run()), (0, String::new()), "{method}");
        for one in outcomes(&run) {
            assert!(one.over && one.violations() == 0, "{method}: {one:?}");
            assert_eq!(one.policy, method);
        }
    }
}

#[test]
fn questions_that_are_there_win_over_the_configured_ones() {
    let run = scripted(&[]);
    let asked = "{\"id\":\"a/b\",\"question\":\"Where does chain 9 end?\",\"answer\":\"right\"}\n{\"question\":\"Who knows?\"}\n";
    fs::write(run.folder.questions(), asked).unwrap();
    assert_eq!(outcome(&run.run()), (0, String::new()));
    let found = outcomes(&run);
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|one| (one.name.as_str(), one.id.as_str()))
        .collect();
    assert_eq!(names, [("a_b", "a/b"), ("q2", "q2")]);
    // Of the second one nobody knows the answer.
    assert!(found[0].verdict().is_some() && found[1].verdict().is_none());
    let evaluated = run.events().into_iter().find_map(|event| match event.kind {
        EventKind::Evaluation { returns, .. } => Some(returns.len()),
        _ => None,
    });
    assert_eq!(evaluated, Some(1));
}
