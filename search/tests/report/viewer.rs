//! The page's own script, played by node without a browser: a page of 2,000 nodes, every key.

use std::fmt::Write;
use std::process::Command;

use search::report::{Ending, Format, Recorded, write};

use super::hostile;

/// What stands in for a browser.
const BROWSER: &str = include_str!("browser.js");

/// Plays keys on a page; what `told` says afterwards. None without node.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn played(recorded: &Recorded, keys: &[&str], told: &str) -> Option<String> {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: no node on this machine to play the page's script");
        return None;
    }
    let page = write(recorded, Format::Html, None).unwrap();
    let script = page.rsplit_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let data = page.split_once("id=\"log\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    let mut program = String::new();
    writeln!(program, "const PAGE = {};", serde_json::Value::from(data)).unwrap();
    program.push_str(BROWSER);
    // In a function, without a document: the page then does not start by itself.
    writeln!(
        program,
        "function page(document) {{ {script}\nreturn {{ start }}; }}"
    )
    .unwrap();
    writeln!(program, "const log = JSON.parse(PAGE);").unwrap();
    writeln!(program, "const view = page().start(document, log);").unwrap();
    for key in keys {
        writeln!(program, "press({});", serde_json::Value::from(*key)).unwrap();
    }
    writeln!(program, "process.stdout.write(JSON.stringify({told}));").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.js");
    std::fs::write(&path, program).unwrap();
    let output = Command::new("node").arg(&path).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_page_ends_where_the_report_ends() {
    let recorded = crate::small();
    let ending = Ending::of(&recorded);
    let told = "[view.state.spent, view.best, view.state.value, view.rows.map((row) => row.place)]";
    let Some(read) = played(&recorded, &[], told) else {
        return;
    };
    let spent: Vec<f64> = ending.spent.iter().map(|spent| spent.spent).collect();
    let values: Vec<Option<f64>> = ending.nodes.iter().map(|node| node.value).collect();
    let right = serde_json::json!([spent, ending.best_path, values, [0, 1, 2, 3, 4]]);
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    let loose = |value: &serde_json::Value| value.to_string().replace(".0", "");
    assert_eq!(loose(&read), loose(&right));
}

#[test]
fn keys_walk_fold_and_replay() {
    let recorded = crate::small();
    let places: [(&[&str], &str, &str); 8] = [
        (&["0"], "[view.state.position, view.state.nodes]", "[0,0]"),
        (&["0", ".", ".", "."], "view.state.nodes", "1"),
        (&["0", "$"], "view.state.nodes", "5"),
        (&["g", "h"], "view.rows.length", "2"),
        (&["g", "h", "l", "l"], "view.selected", "1"),
        (&["G"], "view.selected", "4"),
        (
            &["C", "E", "g", "j", "j", "o"],
            "[view.selected, view.order]",
            "[2,\"value\"]",
        ),
        (&["g", "b"], "view.selected", "3"),
    ];
    for (keys, told, right) in places {
        match played(&recorded, keys, told) {
            Some(read) => assert_eq!(read, right, "{keys:?}"),
            None => return,
        }
    }
    let verdict = "find('verdict').textContent";
    if let Some(read) = played(&recorded, &[], verdict) {
        assert!(read.contains("right: the Mur"), "{read}");
        assert!(read.contains("5 lines of the log refused"), "{read}");
    }
}

#[test]
fn hostile_texts_are_shown_as_they_are() {
    let told = "[find('step').textContent, markup]";
    if let Some(read) = played(&hostile::search(), &["g"], told) {
        let read: serde_json::Value = serde_json::from_str(&read).unwrap();
        assert!(read[0].as_str().unwrap().contains(hostile::TEXTS[0]));
        assert_eq!(read[1], 0, "texts were set as markup");
    }
}

/// A chain of 1,000 nodes with a bush of as many on it: deep and wide at once.
fn large() -> Recorded {
    let mut lines = vec![
        r#"{"kind":"question","id":"q","text":"?","policy":"bavt"}"#.to_owned(),
        r#"{"kind":"budget","resource":"tokens","limit":100000}"#.to_owned(),
        r#"{"kind":"node","id":0,"role":"root","text":"?"}"#.to_owned(),
    ];
    for id in 1..2_000_u32 {
        let parent = if id < 1_000 { id - 1 } else { id % 1_000 };
        let value = f64::from(id * 37 % 100) / 100.0;
        lines.push(format!(
            r#"{{"time":{id},"kind":"node","id":{id},"parent":{parent},"role":"tool","text":"step {id}"}}"#
        ));
        lines.push(format!(
            r#"{{"time":{id},"kind":"spend","resource":"tokens","amount":40,"node":{id}}}"#
        ));
        lines.push(format!(
            r#"{{"time":{id},"kind":"value","id":{id},"value":{value},"delta":1,"why":"x"}}"#
        ));
        lines.push(format!(
            r#"{{"time":{id},"kind":"visit","id":{parent},"probability":0.5,"ratio":0.5}}"#
        ));
    }
    Recorded::read(lines.iter().map(String::as_str))
}

#[test]
fn two_thousand_nodes_are_walked_without_waiting() {
    let recorded = large();
    assert_eq!((recorded.nodes.len(), recorded.refused), (2_000, 0));
    let keys: Vec<&str> =
        std::iter::repeat_n(["E", "j", "o", ",", "h", "l", "b", "0", "$", "G"], 3)
            .flatten()
            .collect();
    let told = "[view.rows.length, find('rows').children.length, slowest]";
    if let Some(read) = played(&recorded, &keys, told) {
        let read: Vec<f64> = serde_json::from_str(&read).unwrap();
        assert_eq!(read[0], 2_000.0);
        assert!(read[1] < 60.0, "only rows in sight are drawn: {}", read[1]);
        assert!(read[2] < 1_000.0, "a key took {} ms", read[2]);
    }
}
