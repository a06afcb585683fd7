//! The dashboard's list of runs, machine panel and log pane as commands.

use std::io::Write;

use crate::harness::Place;

#[test]
fn the_machine_in_every_format() {
    let place = Place::new();
    let look = |format: &str| place.run(&["machine", "--seconds", "0.05", "--format", format]);
    let json = look("json").json();
    let figures = json["figures"].as_array().expect("figures");
    let kinds: Vec<&str> = figures
        .iter()
        .filter_map(|row| row["what"].as_str())
        .collect();
    for kind in ["processors", "load", "memory", "disk", "device", "core"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let memory = figures.iter().find(|row| row["what"] == "memory");
    let share = memory
        .and_then(|row| row["share"].as_f64())
        .expect("a share");
    assert!(share > 0.0 && share <= 1.0);

    let csv = look("csv").stdout;
    assert!(
        csv.starts_with("what,name,share,value,total,unit,remark,text\n"),
        "{csv}"
    );
    assert!(look("table").stdout.contains("memory"));
    let mistake = place.run(&["machine", "--seconds", "-1"]);
    assert_eq!(mistake.code, Some(2), "{}", mistake.stderr);
}

#[test]
fn the_log_by_level_target_and_match() {
    let place = Place::new();
    place.run(&["train", "demo", "--name", "one", "--ui", "none"]);
    let found = place.run(&["runs", "--format", "json"]).json();
    let folder = found[0]["folder"].as_str().expect("a folder");
    let console = place.path().join(folder).join("console.log");
    let mut console = std::fs::File::options()
        .append(true)
        .create(true)
        .open(console)
        .expect("a console");
    console
        .write_all(b"hello\nwarning: disk: nearly full\nerror: no room\n")
        .expect("a written console");

    let worse = place
        .run(&[
            "show", "one", "--level", "warning", "--log", "2", "--format", "json",
        ])
        .json();
    let lines: Vec<(&str, &str, &str)> = worse
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            (text("level"), text("target"), text("text"))
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("warning", "disk", "nearly full"),
            ("error", "console", "no room")
        ]
    );
    let csv = place.run(&["show", "one", "--match", "hel+o", "--format", "csv"]);
    assert_eq!(csv.stdout, "level,time,target,text\ninfo,,console,hello\n");
    let disk = place.run(&["show", "one", "--target", "disk"]);
    assert!(disk.stdout.contains("nearly full") && !disk.stdout.contains("hello"));
    let none = place.run(&["show", "one", "--target", "dusk"]);
    assert!(none.stderr.contains("this run has: "), "{}", none.stderr);
}

#[test]
fn the_list_of_runs_tells_what_is_wrong() {
    let place = Place::new();
    place.run(&["train", "demo", "--name", "one", "--ui", "none"]);
    let list = |format: &str| place.run(&["runs", "--format", format]);
    let run = &list("json").json()[0];
    assert_eq!(
        (&run["job"], &run["trouble"]),
        (&"train".into(), &"".into())
    );
    assert_eq!(run["progress"], serde_json::json!(1.0));
    assert_eq!(
        (&run["pid"], &run["archived"]),
        (&serde_json::Value::Null, &false.into())
    );

    let folder = place.path().join(run["folder"].as_str().expect("a folder"));
    let status = folder.join("status.json");
    let text = std::fs::read_to_string(&status).expect("a status");
    let newer = text.replace("\"version\": 1", "\"version\": 7");
    assert_ne!(newer, text);
    std::fs::write(&status, newer).expect("a status");
    assert!(list("csv").stdout.contains("written by a newer version"));
    let table = list("table").stdout;
    assert!(table.contains("status 7, this one knows 1"), "{table}");
}
