//! `concord data` as a program.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::Place;

#[test]
fn made_up_rows_are_written_and_looked_at() {
    let place = Place::new();
    for (kind, split, file) in [
        ("prompts", "held-out", "prompts.jsonl"),
        ("problems", "train", "problems.parquet"),
        ("demonstrations", "train", "demonstrations.json"),
    ] {
        let words = ["data", "create", "arithmetic", "--rows", "40", "--kind"];
        let rest = [kind, "--split", split, "--seed", "3", "-o", file];
        let created = place.run(&[&words[..], &rest, &["--format", "json"]].concat());
        assert_eq!(created.code, Some(0), "{}", created.stderr);
        assert_eq!(created.json()["rows"], 40);

        let seen = place.run(&["data", "inspect", file, "--format", "json"]);
        assert_eq!(seen.code, Some(0), "{}", seen.stderr);
        let seen = seen.json();
        assert_eq!((&seen["rows"], &seen["usable"]), (&json!(40), &json!(40)));
        assert_eq!(seen["lengths"][0]["part"], "prompt");
        assert_eq!(seen["lengths"][0]["count"], 40);
    }
    let head = place.run(&["data", "head", "demonstrations.json", "-n", "2"]);
    assert_eq!(head.stdout.matches("row ").count(), 2, "{}", head.stdout);
    assert!(head.stdout.contains("  answer   "), "{}", head.stdout);
    assert!(head.stdout.contains("also     right = "), "{}", head.stdout);
    let head = place.run(&[
        "data",
        "head",
        "problems.parquet",
        "-n",
        "1",
        "--format",
        "json",
    ]);
    let rows = head.json();
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    assert!(rows[0]["answer"].is_string() && rows[0]["steps"].is_string());
}

#[test]
fn tokens_are_counted_as_the_model_reads_them() {
    let place = Place::new();
    let start = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/arithmetic-start");
    fs::write(
        place.path().join("pairs.jsonl"),
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"12\"}], \
         \"chosen\": [{\"role\": \"assistant\", \"content\": \"345\"}], \
         \"rejected\": [{\"role\": \"assistant\", \"content\": \"6\"}]}\n",
    )
    .expect("a file");
    let start = start.to_str().expect("a path");
    let words = ["data", "inspect", "pairs.jsonl", "--tokenizer", start];
    let seen = place.run(&[&words[..], &["--format", "json"]].concat());
    assert_eq!(seen.code, Some(0), "{}", seen.stderr);
    let tokens: Vec<(String, u64)> = seen.json()["lengths"]
        .as_array()
        .expect("lengths")
        .iter()
        .filter(|one| one["unit"] == "tokens")
        .map(|one| {
            let part = one["part"].as_str().unwrap_or_default().to_owned();
            (part, one["most"].as_u64().unwrap_or_default())
        })
        .collect();
    // <|im_start|> user \n 1 2 <|im_end|> \n <|im_start|> assistant \n
    let expected = [("prompt", 10), ("chosen", 3), ("rejected", 1)];
    assert_eq!(
        tokens,
        expected.map(|(part, count)| (part.to_owned(), count))
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let place = Place::new();
    let file = place.path().join("rows.jsonl");
    fs::write(
        &file,
        "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n\
         {\"prompt\": \" \", \"chosen\": \"b\", \"rejected\": \"c\"}\n\
         {\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n",
    )
    .expect("a file");
    let seen = place.run(&["data", "inspect", "rows.jsonl"]);
    assert_eq!(seen.code, Some(0), "{}", seen.stderr);
    for part in ["line 1", "line 2", "line 3", "the prompt is empty"] {
        assert!(seen.stdout.contains(part), "{part}: {}", seen.stdout);
    }
    let seen = place
        .run(&["data", "inspect", "rows.jsonl", "--format", "json"])
        .json();
    for (name, count) in [
        ("dropped", 1),
        ("empty", 1),
        ("duplicate_prompts", 1),
        ("ties", 1),
    ] {
        assert_eq!(seen[name], count, "{name}");
    }

    fs::write(&file, "{\"prompt\": \"a\"}\nno\n").expect("a file");
    for (words, part) in [
        (vec!["head", "rows.jsonl"], "line 2: no JSON"),
        (
            vec!["head", "rows.jsonl", "--form", "rated"],
            "no column `responses`",
        ),
        (vec!["head", "rows.jsonl", "--form", "x"], "allowed: auto, "),
        (vec!["inspect", "none.jsonl"], "cannot read none.jsonl"),
        (
            vec!["create", "arithmetic", "-o", "rows.jsonl"],
            "is there already",
        ),
        (
            vec!["create", "arithmetic", "-o", "rows.txt"],
            "ends with .jsonl, .json or .parquet",
        ),
        (
            vec![
                "create",
                "arithmetic",
                "--kind",
                "demonstrations",
                "--split",
                "held-out",
                "-o",
                "new.jsonl",
            ],
            "allowed: --split train",
        ),
    ] {
        let refused = place.run(&[&["data"], &words[..]].concat());
        assert_eq!(refused.code, Some(2), "{words:?}");
        assert!(
            refused.stderr.contains(part),
            "{words:?}: {}",
            refused.stderr
        );
        assert!(refused.stdout.is_empty());
    }
    assert!(!place.path().join("new.jsonl").exists());
    let full = place.run(&["data", "create", "arithmetic", "-o", "nowhere/new.jsonl"]);
    assert_eq!(full.code, Some(3), "{}", full.stderr);
}
