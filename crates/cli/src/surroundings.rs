//! What is known of the terminal and of the folder with the runs.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::path::PathBuf;

use configs::env;
use tui::preferences::Preferences;
use tui::{ColourDepth, Surroundings};

use crate::arguments::{Global, Ui};
use crate::failure::Failure;

/// The folder that holds the run folders.
pub(crate) fn runs_root(global: &Global) -> PathBuf {
    global
        .run_dir
        .clone()
        .or_else(|| env::path("CONCORD_RUNS_DIR"))
        .unwrap_or_else(|| PathBuf::from("runs"))
}

/// Whether stdin and stdout are a terminal that can hold the dashboard.
pub(crate) fn has_terminal() -> bool {
    let dumb = env::variable("TERM").is_none_or(|term| term == "dumb");
    stdin().is_terminal() && stdout().is_terminal() && !dumb
}

/// Whether bars may be drawn on stderr.
pub(crate) fn has_bars() -> bool {
    stderr().is_terminal() && env::variable("TERM").is_some_and(|term| term != "dumb")
}

/// The interface asked for: the flag, else `CONCORD_UI`, else what the terminal allows.
pub(crate) fn interface(flag: Option<Ui>) -> Result<Ui, Failure> {
    let asked = match (flag, env::variable("CONCORD_UI")) {
        (Some(ui), _) => ui,
        (None, Some(name)) => <Ui as clap::ValueEnum>::from_str(&name, false).map_err(|_| {
            Failure::arguments(format!(
                "CONCORD_UI: {name} - allowed: auto, tui, plain, json, none - change or unset it"
            ))
        })?,
        (None, None) => Ui::Auto,
    };
    Ok(match asked {
        Ui::Auto if has_terminal() && env::variable("CI").is_none() => Ui::Tui,
        Ui::Auto => Ui::Plain,
        Ui::Tui if !has_terminal() => {
            crate::output::tell(
                "--ui tui needs a terminal for keys and screen; going on with --ui plain",
            );
            Ui::Plain
        }
        other => other,
    })
}

/// The user's folder for this program's configuration.
pub(crate) fn configuration() -> Option<PathBuf> {
    let folder =
        env::path("XDG_CONFIG_HOME").or_else(|| env::path("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("concord"))
}

/// What the user prefers of the dashboard: `concord/dashboard.toml` in the folder for
/// configuration; no file means the defaults.
///
/// # Errors
/// In a line: the file cannot be read, or what is wrong in it.
pub(crate) fn preferences() -> Result<Preferences, String> {
    let Some(path) = configuration().map(|folder| folder.join("dashboard.toml")) else {
        return Ok(Preferences::default());
    };
    let shown = path.display();
    match std::fs::read_to_string(&path) {
        Ok(text) => Preferences::from_toml(&text).map_err(|problems| {
            format!("{shown}: {} - the defaults are used", problems.join("; "))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Preferences::default()),
        Err(error) => Err(format!(
            "cannot read {shown}: {error} - the defaults are used"
        )),
    }
}

/// The user's editor, as a shell would run it.
pub(crate) fn editor() -> String {
    ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(env::variable)
        .unwrap_or_else(|| "vi".to_owned())
}

/// Colours and characters that the terminal shows.
pub(crate) fn of_terminal() -> Surroundings {
    judge(&|name| env::variable(name))
}

/// The same for text on stdout: no colours where it is no terminal.
pub(crate) fn of_stdout() -> Surroundings {
    let found = of_terminal();
    let dumb = env::variable("TERM").is_none_or(|term| term == "dumb");
    if stdout().is_terminal() && !dumb {
        found
    } else {
        Surroundings {
            colour: ColourDepth::None,
            ..found
        }
    }
}

fn judge(variable: &dyn Fn(&str) -> Option<String>) -> Surroundings {
    let term = variable("TERM").unwrap_or_default();
    let true_colour =
        variable("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit");
    let colour = if variable("NO_COLOR").is_some() {
        ColourDepth::None
    } else if true_colour || term.ends_with("-direct") {
        ColourDepth::True
    } else if term.contains("256color") {
        ColourDepth::Indexed
    } else {
        ColourDepth::Sixteen
    };
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(variable);
    // Containers often set no locale at all while the terminal outside knows UTF-8.
    let unicode = locale.is_none_or(|name| {
        let name = name.to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    });
    Surroundings { colour, unicode }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(variables: &[(&str, &str)]) -> (ColourDepth, bool) {
        let found = judge(&|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        (found.colour, found.unicode)
    }

    #[test]
    fn colours_follow_the_variables() {
        assert_eq!(judged(&[("TERM", "xterm")]), (ColourDepth::Sixteen, true));
        assert_eq!(
            judged(&[("TERM", "xterm-256color")]).0,
            ColourDepth::Indexed
        );
        assert_eq!(
            judged(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]).0,
            ColourDepth::True
        );
        assert_eq!(
            judged(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]).0,
            ColourDepth::None
        );
    }

    #[test]
    fn only_a_locale_that_says_otherwise_forbids_unicode() {
        assert!(judged(&[("LANG", "de_DE.UTF-8")]).1);
        assert!(!judged(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]).1);
        assert!(judged(&[("LC_ALL", "C.utf8")]).1);
    }
}
