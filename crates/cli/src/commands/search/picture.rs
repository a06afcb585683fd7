//! `concord search report`: a search as a page, a graph or JSON.

use std::path::Path;

use configs::RunConfig;
use search::report::{self, Format, Prices, Recorded, ReportError};

use crate::arguments::{Report, ReportFormat};
use crate::failure::Failure;
use crate::output::{print, tell};

/// Runs the command.
pub(super) fn report(arguments: &Report) -> Result<(), Failure> {
    let path = &arguments.log;
    let text = read(path)?;
    let format = match arguments.format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Dot => Format::Dot,
        ReportFormat::Mermaid => Format::Mermaid,
        ReportFormat::Json => Format::Json,
    };
    let failed = |error: ReportError| Failure::arguments(error.to_string());
    let prices = match &arguments.prices {
        Some(text) => Some(text.parse::<Prices>().map_err(failed)?),
        None => configured(path),
    };
    let recorded = Recorded::read(text.lines());
    let page = report::write(&recorded, format, prices.as_ref()).map_err(failed)?;
    match &arguments.out {
        None => print(&page),
        Some(out) => {
            tracking::write_atomic(out, page.as_bytes())?;
            tell(&format!("written: {}", out.display()));
            Ok(())
        }
    }
}

/// The text of a log.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::arguments(format!(
            "cannot read the log {}: {error} - name a file of a run's folder search/",
            path.display()
        ))
    })
}

/// The prices of the run that the log belongs to, where it has any.
fn configured(log: &Path) -> Option<Prices> {
    let folder = log.parent()?.parent()?;
    let text = std::fs::read_to_string(folder.join("config.toml")).ok()?;
    let Ok(RunConfig::Search(config)) = RunConfig::from_toml("config.toml", &text) else {
        return None;
    };
    let prices = config.prices;
    (!prices.are_zero()).then(|| Prices {
        input: prices.input_per_million,
        cached: Some(prices.cached_per_million),
        output: prices.output_per_million,
        call: prices.tool_unit,
        currency: "dollars".to_owned(),
        date: prices.date.unwrap_or_default(),
        ..Prices::default()
    })
}
