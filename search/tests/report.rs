//! Reports of recorded searches: what they hold, and that no text of a log gets out of its place.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;

use search::report::{Cost, Ending, Format, Prices, Recorded, ReportError, write};

mod report {
    pub mod hostile;
    pub mod viewer;
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/report")
        .join(name)
}

fn small() -> Recorded {
    let text = std::fs::read_to_string(fixture("small.jsonl")).unwrap();
    Recorded::read(text.lines())
}

fn prices() -> Prices {
    "input=0.5,cached=0.1,output=2,call=0.005,call.lookup=0.001,currency=EUR,date=2026-11"
        .parse()
        .unwrap()
}

#[test]
fn small_searches_are_written_as_before() {
    let recorded = small();
    for format in [Format::Dot, Format::Mermaid, Format::Json] {
        let text = write(&recorded, format, Some(&prices())).unwrap();
        let path = fixture(&format!("small.{format}"));
        if std::env::var_os("REPORT_UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, known, "{format}: REPORT_UPDATE=1 writes it anew");
    }
}

#[test]
fn a_search_ends_as_its_log_says() {
    let recorded = small();
    let ending = Ending::of(&recorded);
    assert_eq!(recorded.nodes.len(), 5);
    assert_eq!(ending.best_path, [0, 1, 3]);
    assert_eq!(
        ending.nodes[2].pruned.as_deref(),
        Some("no gain over its parent")
    );
    assert_eq!(ending.nodes[1].visits, 2);
    // A node whose parent is missing, one that is there already, a spend
    // below zero, a line that is no JSON and one that is half written.
    assert_eq!(recorded.refused, 5);
    let spent: Vec<f64> = ending.spent.iter().map(|spent| spent.spent).collect();
    assert_eq!(spent, [300.0, 3.0]);
    let of_nodes: f64 = ending.nodes.iter().map(|node| node.costs[0]).sum();
    assert_eq!(of_nodes, 260.0);
    assert!(!ending.spent[0].violated());
}

#[test]
fn money_follows_the_counts_of_the_calls() {
    let recorded = small();
    let cost = Cost::of(&recorded, &Ending::of(&recorded), &prices());
    let lines: Vec<(&str, f64)> = cost
        .lines
        .iter()
        .map(|line| (line.what.as_str(), line.amount))
        .collect();
    assert_eq!(
        lines,
        [
            ("prompt tokens", 600.0),
            ("cached prompt tokens", 400.0),
            ("output tokens", 120.0),
            ("calls of lookup", 1.0),
            ("calls of search", 1.0),
        ]
    );
    let right = 600.0 * 0.5e-6 + 400.0 * 0.1e-6 + 120.0 * 2e-6 + 0.001 + 0.005;
    assert!((cost.total - right).abs() < 1e-12, "{}", cost.total);
    assert_eq!(cost.total_text(), "0.0066 EUR");
    assert_eq!(cost.note, "some token counts are estimates");
}

/// The lines of a machine: a tool's name is in the step that asks for it, not in the job.
#[test]
fn calls_are_counted_by_the_tool_that_was_called() {
    let asks = |id: u64, tool: &str| {
        format!(
            r#"{{"kind":"result","id":{id},"outcome":"stepped","action":{{"kind":"call","tool":"{tool}","input":"x"}}}}"#
        )
    };
    let gives = |id: u64, work: &str| format!(r#"{{"kind":"job","id":{id},"work":"{work}"}}"#);
    let ends =
        |id: u64, outcome: &str| format!(r#"{{"kind":"result","id":{id},"outcome":"{outcome}"}}"#);
    let made = |id: u64| format!(r#"{{"kind":"node","id":{id},"role":"tool"}}"#);
    let lines = [
        gives(0, "step"),
        gives(1, "step"),
        gives(2, "step"),
        // Refused: the node is there at once.
        asks(0, "refused"),
        made(1),
        asks(1, "search"),
        asks(2, "lookup"),
        gives(3, "tool"),
        gives(4, "tool"),
        // Given out again, and the other one given up.
        ends(4, "failed"),
        gives(5, "tool"),
        ends(3, "failed"),
        made(2),
        ends(5, "observed"),
        made(3),
        gives(6, "step"),
        asks(6, "sums"),
        gives(7, "tool"),
        ends(7, "observed"),
    ];
    let recorded = Recorded::read(lines.iter().map(String::as_str));
    let calls: Vec<(&str, u64)> = recorded
        .totals
        .calls
        .iter()
        .map(|(tool, calls)| (tool.as_str(), *calls))
        .collect();
    assert_eq!(calls, [("lookup", 2), ("search", 1), ("sums", 1)]);
}

#[test]
fn money_follows_the_budgets_where_calls_were_not_counted() {
    let text = std::fs::read_to_string(fixture("small.jsonl")).unwrap();
    let lines = text.lines().filter(|line| !line.contains("result"));
    let recorded = Recorded::read(lines);
    let cost = Cost::of(&recorded, &Ending::of(&recorded), &prices());
    let right = 300.0 * 2e-6 + 3.0 * 0.005;
    assert!((cost.total - right).abs() < 1e-12, "{}", cost.total);
    assert!(cost.note.contains("priced as output"));
}

#[test]
fn price_tables_that_cannot_be_used_say_why() {
    let refused = [
        ("input", "no `=` in it"),
        ("input=cheap", "no number"),
        ("output=-1", "a price is finite and not negative"),
        ("output=inf", "a price is finite and not negative"),
        ("tokens=1", "nothing has this name"),
    ];
    for (text, reason) in refused {
        match text.parse::<Prices>() {
            Err(ReportError::Price { word, why }) => assert_eq!((&*word, &*why), (text, reason)),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn nothing_read_is_no_report() {
    let recorded = Recorded::read(["{}", "no json"]);
    let told = write(&recorded, Format::Html, None).unwrap_err();
    assert_eq!(told, ReportError::Empty { refused: 2 });
    assert!("pdf".parse::<Format>().is_err());
    assert_eq!("Mermaid".parse::<Format>(), Ok(Format::Mermaid));
}

#[test]
fn a_search_that_goes_on_has_a_report() {
    let text = std::fs::read_to_string(fixture("small.jsonl")).unwrap();
    let whole: Vec<&str> = text.lines().collect();
    for count in 1..whole.len() {
        let recorded = Recorded::read(whole[..count].iter().copied());
        for format in Format::ALL {
            assert!(
                write(&recorded, format, Some(&prices())).is_ok(),
                "{count} lines"
            );
        }
    }
}

#[test]
fn graphviz_takes_every_graph() {
    let Ok(version) = Command::new("dot").arg("-V").output() else {
        eprintln!("skipped: no `dot` of Graphviz on this machine");
        return;
    };
    assert!(version.status.success());
    let folder = tempfile::tempdir().unwrap();
    for (name, recorded) in [("small", small()), ("hostile", report::hostile::search())] {
        let path = folder.path().join(name);
        std::fs::write(&path, write(&recorded, Format::Dot, None).unwrap()).unwrap();
        let drawn = Command::new("dot")
            .arg("-Tsvg")
            .arg(&path)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&drawn.stderr);
        assert!(drawn.status.success() && told.is_empty(), "{name}: {told}");
    }
}
