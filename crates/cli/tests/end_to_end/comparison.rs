//! Curves and differences of runs on stdout.

use serde_json::json;

use crate::harness::Place;

/// Three seeds of a preset and two of another that differs in a setting.
fn place() -> Place {
    let place = Place::new();
    place.run(&[
        "train", "demo", "--name", "slow", "--seeds", "3", "--ui", "none",
    ]);
    let other = [
        "train", "demo", "--name", "fast", "--seeds", "2", "--ui", "none",
    ];
    place.run(&[&other[..], &["--set", "algorithm.learning_rate=0.01"]].concat());
    place
}

#[test]
fn curves_of_groups_and_of_each_run() {
    let place = place();
    let folded = place
        .run(&["compare", "slow", "fast", "--curves", "--format", "json"])
        .json();
    let curves = folded["curves"].as_array().expect("curves");
    assert_eq!(curves.len(), 2);
    assert_eq!(curves[0]["name"], "slow (3 seeds)");
    assert_eq!(curves[0]["runs"].as_array().map(Vec::len), Some(3));
    let point = &curves[0]["points"][0];
    // Every seed of the tests' worker scores the same.
    assert_eq!(point["value"], json!(0.75));
    assert_eq!(
        (&point["low"], &point["high"], &point["seeds"]),
        (&json!(0.75), &json!(0.75), &json!(3))
    );

    let apart = place.run(&[
        "compare",
        "slow",
        "fast",
        "--curves",
        "train/return",
        "--apart",
        "--axis",
        "step",
        "--smooth",
        "0.9",
        "--points",
        "2",
        "--format",
        "csv",
    ]);
    let lines: Vec<&str> = apart.stdout.lines().collect();
    assert_eq!(lines[0], "curve,metric,axis,x,value,low,high,seeds");
    assert!(lines[1].starts_with("slow-s"), "{}", apart.stdout);
    assert!(lines.len() > 5 && lines.len() <= 11, "{}", apart.stdout);

    let chart = place.run(&["compare", "slow", "fast", "--curves", "train/return"]);
    assert!(chart.stdout.contains("slow (3 seeds)"), "{}", chart.stdout);
    assert!(!chart.stdout.contains('\u{1b}'), "{}", chart.stdout);
    let shown = place.run(&[
        "show",
        "slow-s1",
        "--curves",
        "train/return",
        "--svg",
        "a.svg",
    ]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let picture = std::fs::read_to_string(place.path().join("a.svg")).expect("a picture");
    assert!(picture.starts_with("<svg"), "{picture}");
}

#[test]
fn differing_settings_and_improvement() {
    let place = place();
    let settings = place
        .run(&["compare", "slow", "fast", "--diff", "--format", "json"])
        .json();
    assert_eq!(settings.as_array().map(Vec::len), Some(1));
    assert_eq!(settings[0]["setting"], "algorithm.learning_rate");
    assert_eq!(settings[0]["fast"], "0.01");
    let all = place
        .run(&["compare", "slow", "fast", "--format", "json"])
        .json();
    assert_eq!(all["settings"], settings);
    assert_eq!(all["groups"][1]["seeds"], 2);
    // Equal scores: neither group is ahead.
    assert_eq!(all["improvement"][0]["probability"]["estimate"], json!(0.5));
    let text = place.run(&["compare", "slow", "fast"]).stdout;
    assert!(text.contains("probability of improvement"), "{text}");
}

#[test]
fn what_cannot_be_shown_says_why() {
    let place = Place::new();
    place.run(&["train", "demo", "--name", "one", "--ui", "none"]);
    let told = |arguments: &[&str]| {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}", answer.stdout);
        answer.stderr
    };
    let near = told(&["compare", "one", "--curves", "train/retrun"]);
    assert!(near.contains("did you mean `train/return`?"), "{near}");
    let tokens = told(&["compare", "one", "--curves", "--axis", "tokens"]);
    assert!(
        tokens.contains("nothing tells its tokens") && tokens.contains("--axis"),
        "{tokens}"
    );
    let smooth = told(&["show", "one", "--curves", "--smooth", "1"]);
    assert!(
        smooth.contains("--smooth 1") && smooth.contains("0.9"),
        "{smooth}"
    );
    let alone = told(&["compare", "one", "--apart"]);
    assert!(alone.contains("--curves"), "{alone}");
    let both = told(&["compare", "one", "--curves", "--diff"]);
    assert!(both.contains("cannot be used with"), "{both}");
}
