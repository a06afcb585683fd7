//! Which crate may know which.

use super::dependencies::{Graph, Kind};

/// The arrows between the crates of the workspace. A crate that is not listed here is a problem:
/// its author decides where it belongs.
const ARROWS: [(&str, &[&str]); 16] = [
    ("configs", &[]),
    ("dataset", &[]),
    ("envs", &[]),
    ("search", &["configs"]),
    ("tracking", &["configs"]),
    ("tui", &["tracking", "configs"]),
    (
        "cli",
        &[
            "tui", "tracking", "configs", "envs", "search", "hub", "dataset",
        ],
    ),
    ("nn", &["tracking", "configs"]),
    ("hub", &["configs", "dataset"]),
    ("openai", &["configs", "dataset"]),
    ("lm", &["nn", "tracking", "configs"]),
    ("agents", &["envs", "nn", "tracking", "configs"]),
    (
        "alignment",
        &[
            "lm", "hub", "openai", "nn", "tracking", "configs", "dataset",
        ],
    ),
    (
        "worker",
        &[
            "agents",
            "alignment",
            "search",
            "lm",
            "hub",
            "openai",
            "nn",
            "envs",
            "tracking",
            "configs",
            "dataset",
        ],
    ),
    ("testkit", &[]),
    ("xtask", &[]),
];

/// These build and test without LibTorch, their own tests included.
const WITHOUT_TORCH: [&str; 11] = [
    "tui", "cli", "envs", "search", "configs", "dataset", "tracking", "hub", "openai", "testkit",
    "xtask",
];

const TORCH: [&str; 2] = ["tch", "torch-sys"];

/// Neither may reach the other.
const STRANGERS: [(&str, &str); 2] = [("agents", "alignment"), ("alignment", "agents")];

/// Crates from outside whose names only a few of ours may write.
const OWNERS: [(&[&str], &[&str]); 4] = [
    (
        &["tch", "torch-sys"],
        &["nn", "lm", "agents", "alignment", "worker"],
    ),
    (
        &["hf-hub", "tokenizers", "minijinja", "minijinja-contrib"],
        &["hub"],
    ),
    (
        &["tensorboard-rs", "tensorboard-proto", "protobuf"],
        &["tracking"],
    ),
    (&["parquet"], &["dataset"]),
];

/// Crates of ours that only tests may use.
const FOR_TESTS: [&str; 1] = ["testkit"];

/// All broken rules, a sentence each.
pub fn violations(graph: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (id, package) in graph.members() {
        let name = package.name.as_str();
        let arrows = ARROWS
            .iter()
            .find(|(from, _)| *from == name)
            .map(|(_, to)| *to);
        if arrows.is_none() {
            problems.push(format!(
                "{name} has no place in the layers - add it to ARROWS in xtask/src/check/layering.rs \
                 and to docs/architecture.md"
            ));
        }
        for (dependency, kind) in graph.direct(package) {
            let other = dependency.name.as_str();
            if dependency.in_workspace && kind != Kind::Development {
                if FOR_TESTS.contains(&other) {
                    problems.push(format!(
                        "{name} -> {other}: only as a development dependency"
                    ));
                } else if arrows.is_some_and(|arrows| !arrows.contains(&other)) {
                    problems.push(format!(
                        "{name} -> {other}: no such arrow in docs/architecture.md"
                    ));
                }
            }
            for (owned, owners) in OWNERS {
                if owned.contains(&other) && !owners.contains(&name) {
                    problems.push(format!("{name} -> {other}: only {} may", owners.join(", ")));
                }
            }
        }
        if WITHOUT_TORCH.contains(&name)
            && let Some(way) = graph.way_to(id, &TORCH)
        {
            problems.push(format!(
                "{name} must build without LibTorch: {}",
                way.join(" -> ")
            ));
        }
        for (from, to) in STRANGERS {
            if name == from
                && let Some(way) = graph.way_to(id, &[to])
            {
                problems.push(format!("{from} must not see {to}: {}", way.join(" -> ")));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::dependencies::fixture::graph;
    use super::*;

    /// The design's own arrows, all of them allowed.
    const SOUND: [&str; 16] = [
        "cli -> tui",
        "cli -> envs",
        "tui -> tracking",
        "tracking -> configs",
        "tracking -> tensorboard-rs",
        "worker -> agents",
        "worker -> alignment",
        "worker -> search",
        "agents -> envs",
        "agents -> nn",
        "alignment -> lm",
        "alignment -> hub",
        "lm -> nn",
        "nn -> tracking",
        "nn -> tch",
        "tch -> torch-sys",
    ];

    const MEMBERS: [&str; 12] = [
        "cli",
        "tui",
        "envs",
        "tracking",
        "configs",
        "worker",
        "agents",
        "alignment",
        "search",
        "lm",
        "hub",
        "nn",
    ];

    fn with(edge: &str) -> Vec<String> {
        let mut edges = SOUND.to_vec();
        edges.push(edge);
        violations(&graph(&MEMBERS, &edges))
    }

    #[test]
    fn the_design_is_sound() {
        assert_eq!(violations(&graph(&MEMBERS, &SOUND)), Vec::<String>::new());
    }

    #[test]
    fn torch_is_found_through_other_crates_and_in_tests() {
        let problems = with("envs -> nn");
        assert!(
            problems
                .iter()
                .any(|text| text.contains("envs -> nn -> tch")),
            "{problems:?}"
        );
        // cli and tui are reached by it too.
        assert!(
            problems
                .iter()
                .any(|text| text.contains("cli -> envs -> nn -> tch")),
            "{problems:?}"
        );
        let problems = with("tui -> nn (dev)");
        assert_eq!(
            problems,
            ["tui must build without LibTorch: tui -> nn -> tch"]
        );
        assert_eq!(with("nn -> envs (dev)"), Vec::<String>::new());
    }

    #[test]
    fn agents_and_alignment_never_meet() {
        let problems = with("agents -> alignment (dev)");
        assert_eq!(
            problems,
            ["agents must not see alignment: agents -> alignment"]
        );
        let problems = with("lm -> agents");
        assert!(
            problems.contains(&"alignment must not see agents: alignment -> lm -> agents".into()),
            "{problems:?}"
        );
    }

    #[test]
    fn foreign_crates_have_owners() {
        assert_eq!(
            with("alignment -> tokenizers"),
            ["alignment -> tokenizers: only hub may"]
        );
        assert_eq!(
            with("worker -> protobuf"),
            ["worker -> protobuf: only tracking may"]
        );
        assert_eq!(with("hub -> tokenizers"), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_against_the_stream_or_an_unplaced_crate_is_told() {
        assert_eq!(
            with("configs -> envs"),
            ["configs -> envs: no such arrow in docs/architecture.md"]
        );
        let problems = violations(&graph(&["planner"], &["planner -> serde"]));
        assert!(
            problems[0].starts_with("planner has no place"),
            "{problems:?}"
        );
        let problems = violations(&graph(&["worker", "testkit"], &["worker -> testkit"]));
        assert_eq!(
            problems,
            ["worker -> testkit: only as a development dependency"]
        );
    }
}
