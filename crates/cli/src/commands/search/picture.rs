//! `concord search report`: a search as a page, a graph or JSON.

use std::path::Path;

use configs::RunConfig;
use search::report::{self, Format, Prices, Recorded, ReportError};

use crate::arguments::{Report, ReportFormat};
use crate::failure::Failure;
use crate::output::{print, tell};

/// Runs the command.
pub(super) fn report(arguments: &Report) -> Result<(), Failure> {
    let format = match arguments.format {
        ReportFormat::Html => Format::Html,
        ReportFormat::Dot => Format::Dot,
        ReportFormat::Mermaid => Format::Mermaid,
        ReportFormat::Json => Format::Json,
    };
    let page = written(&arguments.log, format, arguments.prices.as_deref())?;
    match &arguments.out {
        None => print(&page),
        Some(out) => {
            tracking::write_atomic(out, page.as_bytes())?;
            tell(&format!("written: {}", out.display()));
            Ok(())
        }
    }
}

/// The report of a log, with the user's prices or else those of its run.
pub(crate) fn written(log: &Path, format: Format, prices: Option<&str>) -> Result<String, Failure> {
    let failed = |error: ReportError| Failure::arguments(error.to_string());
    let text = read(log)?;
    let prices = match prices {
        Some(text) => Some(text.parse::<Prices>().map_err(failed)?),
        None => configured(log),
    };
    let recorded = Recorded::read(text.lines());
    report::write(&recorded, format, prices.as_ref()).map_err(failed)
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
        unit: prices.tool_unit,
        currency: "dollars".to_owned(),
        date: prices.date.unwrap_or_default(),
        ..Prices::default()
    })
}
