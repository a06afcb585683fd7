//! `concord machine`: what the dashboard's machine panel shows.

use std::time::Duration;

use serde_json::{Value, json};
use tracking::unix_seconds;
use tui::machine::{Machine, rows};
use tui::source::RunList;

use crate::arguments::{Format, Global, MachineLook};
use crate::failure::Failure;
use crate::output::{Table, json_number, json_option};
use crate::surroundings::runs_root;

/// Prints one look at the machine.
pub(crate) fn machine(global: &Global, arguments: &MachineLook) -> Result<(), Failure> {
    let seconds = arguments.seconds;
    if !(0.01..=3600.0).contains(&seconds) {
        return Err(Failure::arguments(format!(
            "--seconds {seconds}: the time between two looks - allowed: 0.01 to 3600"
        )));
    }
    let root = runs_root(global);
    let mut list = RunList::new(&root);
    list.scan(unix_seconds());
    let workers = list.workers();
    let mut machine = Machine::new(&root);
    // Rates are measured between two looks.
    machine.look(unix_seconds(), &workers);
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let seen = machine.look(unix_seconds(), &workers);

    let format = arguments.format.format;
    let mut table = Table::new(&[
        "what", "name", "share", "value", "total", "unit", "remark", "text",
    ])
    .hide(&["value", "total", "unit"]);
    for row in rows(&seen) {
        let share = match format {
            Format::Table => row
                .share
                .map_or(Value::Null, |share| json!(format!("{:.0}%", share * 100.0))),
            Format::Json | Format::Csv => json_option(row.share),
        };
        table.row(vec![
            json!(row.kind),
            json!(row.name),
            share,
            json_option(row.value),
            json_option(row.total),
            json!(row.unit),
            json!(row.remark()),
            json!(row.text),
        ]);
    }
    if format == Format::Json {
        return crate::output::print_json(&json!({
            "time": json_number(seen.time),
            "figures": table.to_json(),
        }));
    }
    table.print(format)
}
