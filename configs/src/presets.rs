//! The built-in presets: complete configurations under `presets/`, compiled in.

/// A configuration that ships with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// The file's name without `.toml`; unique over all folders.
    pub name: &'static str,
    /// The file's path under `presets/`.
    pub path: &'static str,
    /// The file itself.
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/presets.rs"));

impl Preset {
    /// The command that runs it: the first line, which is a comment.
    #[must_use]
    pub fn command(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or("");
        line.trim_start_matches('#').trim()
    }

    /// What it is for: the comment after the first line, on one line.
    #[must_use]
    pub fn description(&self) -> String {
        self.text
            .lines()
            .skip(1)
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Every preset, by name.
#[must_use]
pub fn all() -> &'static [Preset] {
    ALL
}

/// The names of all presets, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|preset| preset.name)
}

/// The preset of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}
