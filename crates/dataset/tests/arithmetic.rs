//! Made-up problems: the same everywhere, right, and apart from those that are held out.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, HashSet};

use dataset::arithmetic::{Split, demonstrations, problems, prompts};
use dataset::{Content, FileKind, Form, Rows, read, write_rows};

/// Evaluates `(7 + 5) * 3` and the like by its own rules: signs of products bind closer.
fn value(text: &str) -> i64 {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut sum = 0;
    let mut sign = 1;
    let mut product: Option<i64> = None;
    let mut bound = None;
    for token in tokens {
        match token {
            "+" | "-" => {
                sum += sign * product.take().unwrap();
                sign = if token == "+" { 1 } else { -1 };
            }
            "*" | "/" => bound = Some(token),
            number => {
                let number: i64 = number.parse().unwrap();
                product = Some(match bound.take() {
                    Some("*") => product.unwrap() * number,
                    Some(_) => product.unwrap() / number,
                    None => number,
                });
            }
        }
    }
    sum + sign * product.unwrap()
}

/// The answer from the words of the question alone.
fn solve(question: &str) -> i64 {
    let number = |text: &str| text.trim_matches(|c: char| !c.is_ascii_digit()).parse();
    let numbers: Vec<i64> = question
        .split_whitespace()
        .filter_map(|word| number(word).ok())
        .collect();
    let has = |text: &str| question.contains(text);
    let expression = question
        .strip_prefix("What is ")
        .and_then(|text| text.strip_suffix('?'))
        .or_else(|| question.strip_prefix("Compute ")?.strip_suffix('.'))
        .or_else(|| question.strip_suffix(" = ?"));
    if let Some(expression) = expression.filter(|text| !text.contains("times")) {
        return match expression.strip_prefix('(') {
            Some(rest) => {
                let (inner, outer) = rest.split_once(") * ").unwrap();
                value(inner) * outer.parse::<i64>().unwrap()
            }
            None => value(expression),
        };
    }
    match numbers[..] {
        [a, b] if has("Add ") || has("older") => a + b,
        [a, b] if has("Subtract ") => b - a,
        [a, b] if has("younger") => a - b,
        [a, b] if has("Multiply ") || has(" times ") || has(" an hour ") || has("is that?") => {
            a * b
        }
        [a, b] if has(" shares ") => {
            assert_eq!(a % b, 0);
            a / b
        }
        [a, b, c] if has("are left?") => a - b * c,
        [a, b, c] if has(" boxes ") => a * b + c,
        [a, b, c] if has(" km, ") || has("older") => a + b + c,
        _ => panic!("no rule for {question}"),
    }
}

#[test]
fn answers_are_right_and_end_the_steps() {
    for split in [Split::Train, Split::HeldOut] {
        for problem in problems(split, 5).take(20_000) {
            let right: i64 = problem.answer.parse().unwrap();
            assert_eq!(solve(&problem.question), right, "{}", problem.question);
            let last = problem.steps.rsplit(' ').next().unwrap();
            assert_eq!(last, problem.answer, "{}", problem.steps);
            for step in problem.steps.split(", ") {
                let (left, result) = step.split_once(" = ").unwrap();
                assert_eq!(value(left), result.parse::<i64>().unwrap(), "{step}");
            }
        }
    }
}

#[test]
fn a_seed_says_it_all() {
    let first: Vec<_> = problems(Split::Train, 7).take(500).collect();
    let again: Vec<_> = problems(Split::Train, 7).take(500).collect();
    let other: Vec<_> = problems(Split::Train, 8).take(500).collect();
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(demonstrations(500, 7), demonstrations(500, 7));
    // A run that is resumed years later reads the same rows.
    let questions: Vec<&str> = first.iter().map(|one| one.question.as_str()).collect();
    assert_eq!(
        questions[..4],
        [
            "Compute 12 * 2.",
            "What is 29 + 8 + 11?",
            "Compute 583 + 5.",
            "Subtract 57 from 856."
        ]
    );
}

#[test]
fn nothing_held_out_is_trained_on_in_any_wording() {
    // All numbers and signs of a question, in order of size: wordings and orders are the same.
    let content = |question: &str| {
        let mut numbers: Vec<u64> = question
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let sums = |split, seed| {
        problems(split, seed)
            .take(30_000)
            .filter(|problem| problem.kind() == "sum")
            .map(|problem| content(&problem.question))
            .collect::<HashSet<_>>()
    };
    let held_out = sums(Split::HeldOut, 1);
    assert!(held_out.len() > 3_000);
    for seed in [1, 2] {
        assert!(held_out.is_disjoint(&sums(Split::Train, seed)));
    }
    let questions = |split, seed| {
        problems(split, seed)
            .take(30_000)
            .map(|problem| problem.question)
            .collect::<HashSet<_>>()
    };
    assert!(questions(Split::HeldOut, 1).is_disjoint(&questions(Split::Train, 2)));
}

#[test]
fn both_sides_have_the_same_mixture() {
    for split in [Split::Train, Split::HeldOut] {
        let count = 2_000;
        let mut kinds = BTreeMap::new();
        for problem in problems(split, 3).take(count) {
            *kinds.entry(problem.kind().to_owned()).or_insert(0_u32) += 1;
        }
        assert_eq!(kinds.len(), 5);
        for (kind, share) in [
            ("sum", 24.0),
            ("difference", 20.0),
            ("product", 12.0),
            ("steps", 20.0),
            ("words", 24.0),
        ] {
            let found = 100.0 * f64::from(kinds[kind]) / count as f64;
            assert!((found - share).abs() < 4.0, "{split:?} {kind}: {found} %");
        }
    }
}

#[test]
fn no_id_comes_twice_and_no_question_before_its_kind_is_used_up() {
    for (split, unused) in [(Split::Train, 30_000), (Split::HeldOut, 3_000)] {
        let mut ids = HashSet::new();
        let mut questions = HashSet::new();
        for (index, problem) in problems(split, 11).take(100_000).enumerate() {
            assert!(ids.insert(problem.id.clone()), "{split:?} {}", problem.id);
            let new = questions.insert(problem.question);
            assert!(new || index > unused, "{split:?} {index} {}", problem.id);
            assert!(new || problem.id.matches('-').count() == 2);
        }
    }
}

#[test]
fn demonstrations_are_half_with_a_trace_and_one_in_ten_is_wrong() {
    let rows = demonstrations(20_000, 1);
    let share = |count: usize| count as f64 / rows.len() as f64;
    let thinking = share(rows.iter().filter(|row| row.thinking).count());
    let wrong = share(rows.iter().filter(|row| !row.right).count());
    assert!((0.48..0.52).contains(&thinking), "{thinking}");
    assert!((0.09..0.11).contains(&wrong), "{wrong}");
    for row in &rows {
        let [user, assistant] = &row.messages[..] else {
            panic!("{row:?}");
        };
        assert_eq!(
            (user.role.as_str(), assistant.role.as_str()),
            ("user", "assistant")
        );
        let mut said = assistant.content.as_str();
        let mut concluded = None;
        if row.thinking {
            let (trace, answer) = said
                .strip_prefix("<think>\n")
                .and_then(|said| said.split_once("\n</think>\n\n"))
                .unwrap();
            concluded = trace.rsplit(' ').next();
            said = answer;
        }
        let said = said
            .strip_prefix("The answer is ")
            .and_then(|said| said.strip_suffix('.'))
            .unwrap();
        assert_eq!(said == row.answer, row.right);
        // A slip is in the trace, and the answer follows it.
        assert_eq!(concluded.unwrap_or(said), said);
    }
}

#[test]
fn prompts_have_one_turn_and_their_answer() {
    let prompts = prompts(Split::HeldOut, 100, 3);
    assert_eq!(prompts.len(), 100);
    for (prompt, problem) in prompts.iter().zip(problems(Split::HeldOut, 3)) {
        let Content::Messages(messages) = &prompt.content else {
            panic!("{prompt:?}");
        };
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].role, "user");
        assert_eq!(messages[0].content, problem.question);
        assert_eq!(prompt.answer.as_deref(), Some(problem.answer.as_str()));
        assert_eq!(
            problem.sentence(),
            format!("The answer is {}.", problem.answer)
        );
    }
}

#[test]
fn files_of_them_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [FileKind::JsonLines, FileKind::Parquet] {
        let path = folder.path().join("rows");
        let problems: Vec<_> = problems(Split::Train, 1).take(50).collect();
        write_rows(&path, kind, &problems).unwrap();
        let back = read(&path, Form::Auto).unwrap();
        assert_eq!(back.form, Form::Problems);
        let Rows::Prompts(rows) = back.rows else {
            panic!();
        };
        assert_eq!(rows[7].id, problems[7].id);
        assert_eq!(rows[7].answer.as_deref(), Some(problems[7].answer.as_str()));
        let rows = prompts(Split::Train, 50, 1);
        write_rows(&path, kind, &rows).unwrap();
        assert_eq!(read(&path, Form::Auto).unwrap().into_prompts(), rows);
    }
}
