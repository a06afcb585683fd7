//! Drafts: edits that keep the document, problems at their settings, the command that gives
//! the same configuration.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;

use configs::draft::{Draft, Target, quoted};
use configs::env::Environment;
use configs::{LoadRequest, Origin, load, presets};
use proptest::prelude::*;

fn preset(name: &str) -> Draft {
    Draft::preset(name, &Environment::default()).unwrap()
}

/// Loads what the arguments of a draft's command say.
fn run_command(arguments: &[String], environment: &Environment) -> configs::RunConfig {
    let mut request = LoadRequest {
        environment: environment.clone(),
        ..LoadRequest::named(&arguments[1])
    };
    for pair in arguments[2..].chunks(2) {
        match pair[0].as_str() {
            "--seed" => request.sets.push(format!("seed={}", pair[1])),
            "--set" => request.sets.push(pair[1].clone()),
            other => panic!("unknown flag {other}"),
        }
    }
    load(&request).unwrap().config
}

#[test]
fn an_untouched_preset_is_its_text_and_its_command() {
    for known in presets::all() {
        let draft = preset(known.name);
        assert_eq!(draft.text(), known.text);
        assert_eq!(
            draft.problems(),
            Vec::<&configs::Problem>::new(),
            "{}",
            known.name
        );
        assert!(!draft.is_changed());
        assert!(
            draft.settings().iter().all(|setting| !setting.changed),
            "{}: {:?}",
            known.name,
            draft
                .settings()
                .iter()
                .filter(|setting| setting.changed)
                .collect::<Vec<_>>()
        );
        assert_eq!(draft.arguments().unwrap()[1], known.name);
    }
}

#[test]
fn comments_order_and_everything_else_survive_an_edit() {
    let text = "# my run\nversion = 1\njob = \"train\"\n\n[replay] # the memory\n# how much\n\
                capacity_episodes = 100 # enough\nbatch_episodes = 8\n";
    let mut draft = Draft::file(Path::new("mine.toml"), text, &Environment::default()).unwrap();
    assert!(draft.set("replay.capacity_episodes", "2e3"));
    assert_eq!(draft.text(), text.replace("= 100 #", "= 2_000 #"));
    assert!(draft.set("seed", "7"));
    assert!(
        draft.text().contains("job = \"train\"\nseed = 7\n"),
        "{}",
        draft.text()
    );
    assert!(draft.undo() && draft.undo() && !draft.undo());
    assert_eq!(draft.text(), text);
}

#[test]
fn a_wrong_value_stays_and_is_a_problem_at_its_setting() {
    let mut draft = preset("demo");
    assert!(draft.set("replay.batch_episodes", "lots"));
    assert!(draft.set("algorithm.learning_rate", "7"));
    let places: Vec<&str> = draft
        .problems()
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(places, ["algorithm.learning_rate", "replay.batch_episodes"]);
    let shown = draft.setting("replay.batch_episodes").unwrap();
    assert_eq!(
        (shown.value.as_str(), shown.before.as_str()),
        ("lots", "32")
    );
    assert_eq!((draft.ready(), draft.arguments()), (None, None));
    draft.reset("replay.batch_episodes");
    assert!(draft.set("algorithm.learning_rate", "0.001"));
    assert!(draft.ready().is_some());
    assert_eq!(
        draft.arguments().unwrap(),
        ["train", "demo", "--set", "algorithm.learning_rate=0.001"]
    );
}

#[test]
fn contradictions_name_both_settings() {
    let mut draft = preset("smoke");
    assert!(draft.set("replay.batch_episodes", "65"));
    let found = draft.problems()[0].clone();
    assert_eq!(found.path, "replay.batch_episodes");
    assert_eq!(found.related, ["replay.capacity_episodes"]);
}

#[test]
fn another_kind_hides_settings_and_brings_them_back() {
    let mut draft = preset("demo");
    let before = draft.settings().len();
    assert!(draft.set("algorithm.switch.cost", "0.2"));
    assert!(draft.set("algorithm.kind", "iql"));
    assert!(draft.setting("algorithm.switch.cost").is_none());
    assert!(
        !draft.text().contains("[algorithm.switch]"),
        "{}",
        draft.text()
    );
    assert_eq!(draft.problems(), Vec::<&configs::Problem>::new());
    let arguments = draft.arguments().unwrap();
    assert_eq!(arguments, ["train", "demo", "--set", "algorithm.kind=iql"]);
    assert!(draft.set("algorithm.kind", "mansa"));
    assert_eq!(draft.settings().len(), before);
    assert_eq!(draft.setting("algorithm.switch.cost").unwrap().value, "0.2");
    assert!(draft.ready().is_some(), "{:?}", draft.problems());
    assert!(draft.set("algorithm.target_update.kind", "soft"));
    assert!(
        draft.text().contains("target_update = { kind = \"soft\" }"),
        "{}",
        draft.text()
    );
    assert!(draft.ready().is_some(), "{:?}", draft.problems());
    assert!(draft.set("algorithm.target_update.rate", "0.05"));
    let arguments = draft.arguments().unwrap();
    assert_eq!(
        &run_command(arguments, &Environment::default()),
        draft.ready().unwrap()
    );
}

#[test]
fn a_word_in_place_of_a_table_can_be_edited() {
    let text = "version = 1\nalgorithm = { target_update = \"soft\" } # short\n";
    let mut draft = Draft::file(Path::new("mine.toml"), text, &Environment::default()).unwrap();
    assert_eq!(
        draft.setting("algorithm.target_update.kind").unwrap().value,
        "soft"
    );
    assert!(draft.set("algorithm.target_update.rate", "0.5"));
    assert!(
        draft.ready().is_some(),
        "{}\n{:?}",
        draft.text(),
        draft.problems()
    );
    assert!(draft.text().contains("# short"));
    assert_eq!(
        draft.setting("algorithm.target_update.rate").unwrap().value,
        "0.5"
    );
}

#[test]
fn variables_are_values_of_the_draft_and_the_command_writes_them_out() {
    let environment = Environment::from_pairs([
        ("CONCORD_SEED", "9"),
        ("CONCORD_REPLAY__BATCH_EPISODES", "16"),
    ]);
    let mut draft = Draft::preset("demo", &environment).unwrap();
    let seed = draft.setting("seed").unwrap();
    assert_eq!((seed.value.as_str(), seed.changed), ("9", false));
    assert!(matches!(seed.origin, Some(Origin::Environment { .. })));
    assert!(draft.set("seed", "1"));
    let arguments = draft.arguments().unwrap();
    for surroundings in [&environment, &Environment::default()] {
        assert_eq!(
            &run_command(arguments, surroundings),
            draft.ready().unwrap()
        );
    }
    let misspelt = Environment::from_pairs([("CONCORD_SEDE", "9")]);
    let draft = Draft::preset("demo", &misspelt).unwrap();
    assert_eq!(draft.problems()[0].message, "unknown environment variable");
    assert!(draft.ready().is_none());
}

#[test]
fn a_text_from_an_editor_is_read_with_all_problems_or_refused_with_its_line() {
    let mut draft = preset("smoke");
    let before = draft.text();
    let problems = draft
        .replace("version = 1\nseed = = 3\n[replay\n")
        .unwrap_err();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text[0].contains("form:2:8"), "{text:?}");
    assert_eq!(draft.text(), before);
    draft
        .replace("version = 2\nsede = 3\n[replay]\nbatch_episodes = 0\n")
        .unwrap();
    let places: Vec<&str> = draft
        .problems()
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(places, ["version", "sede", "replay.batch_episodes"]);
    assert!(draft.undo());
    assert_eq!(draft.text(), before);
}

#[test]
fn saving_makes_the_file_the_start() {
    let mut draft = preset("demo");
    assert!(draft.set("seed", "4"));
    draft.saved(Path::new("mine/four.toml"));
    assert_eq!(draft.target(), &Target::File("mine/four.toml".into()));
    assert_eq!(draft.target().name(), "four");
    assert_eq!(draft.arguments().unwrap(), ["train", "mine/four.toml"]);
    assert!(draft.settings().iter().all(|setting| !setting.changed));
}

#[test]
fn arguments_are_quoted_for_a_shell() {
    assert_eq!(quoted("algorithm.kind=iql"), "algorithm.kind=iql");
    assert_eq!(quoted("environment.id=it's"), r"'environment.id=it'\''s'");
    assert_eq!(quoted(""), "''");
}

/// A change of one setting: which one, and what is typed or how it is stepped.
fn change() -> impl Strategy<Value = (usize, u8, String)> {
    (0..200usize, 0..6u8, "[a-z0-9.\"'{\\[ -]{0,8}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_done_the_document_parses_and_a_good_one_has_its_command(
        start in 0..presets::all().len(),
        changes in prop::collection::vec(change(), 1..12),
    ) {
        let mut draft = preset(presets::all()[start].name);
        for (which, how, typed) in changes {
            let settings = draft.settings();
            let path = settings[which % settings.len()].field.path;
            match how {
                0..=2 => {
                    if let Some(next) = draft.stepped(path, how == 0) {
                        assert!(draft.set(path, &next));
                    }
                }
                3 => { draft.undo(); }
                4 => draft.reset(path),
                _ => assert!(draft.set(path, &typed)),
            }
            let text = draft.text();
            prop_assert!(text.parse::<toml_edit::DocumentMut>().is_ok(), "{}", text);
        }
        if let Some(arguments) = draft.arguments() {
            let loaded = run_command(arguments, &Environment::default());
            prop_assert_eq!(&loaded, draft.ready().unwrap());
        }
    }
}
