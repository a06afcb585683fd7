//! Which licences the dependencies may have.

use super::dependencies::Graph;

/// Permissive licences, as SPDX names them. MPL-2.0 is absent: no dependency needs it so far.
const ALLOWED: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "WTFPL",
    "Zlib",
];

/// Packages under another licence that does not reach beyond their own files, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 1] = [(
    "option-ext",
    "MPL-2.0",
    "thirty lines that hf-hub's way to the home folder needs; used unchanged",
)];

/// A sentence for each package whose licence is not permissive or not stated.
pub fn violations(graph: &Graph) -> Vec<String> {
    graph
        .packages
        .values()
        .filter_map(|package| {
            let name = format!("{} {}", package.name, package.version);
            match &package.licence {
                None => Some(format!("{name} states no licence")),
                Some(expression) if allows(expression) == Some(true) => None,
                Some(expression)
                    if EXCEPTIONS.iter().any(|(name, licence, _)| {
                        package.name == *name && expression == licence
                    }) =>
                {
                    None
                }
                Some(expression) => Some(format!(
                    "{name} is under {expression} - replace it, or add the licence to ALLOWED in \
                     xtask/src/check/licences.rs and to deny.toml"
                )),
            }
        })
        .collect()
}

/// Whether an SPDX expression can be met with allowed licences; `None` where it cannot be read.
fn allows(expression: &str) -> Option<bool> {
    // Old manifests write a slash for OR.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader {
        words: &words,
        next: 0,
    };
    let verdict = reader.alternatives()?;
    (reader.next == words.len()).then_some(verdict)
}

struct Reader<'a> {
    words: &'a [&'a str],
    next: usize,
}

impl Reader<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next) == Some(&word);
        self.next += usize::from(found);
        found
    }

    fn alternatives(&mut self) -> Option<bool> {
        let mut verdict = self.conjunction()?;
        while self.takes("OR") {
            verdict |= self.conjunction()?;
        }
        Some(verdict)
    }

    fn conjunction(&mut self) -> Option<bool> {
        let mut verdict = self.licence()?;
        while self.takes("AND") {
            verdict &= self.licence()?;
        }
        Some(verdict)
    }

    fn licence(&mut self) -> Option<bool> {
        if self.takes("(") {
            let verdict = self.alternatives()?;
            return self.takes(")").then_some(verdict);
        }
        let mut name = (*self.words.get(self.next)?).to_owned();
        self.next += 1;
        if self.takes("WITH") {
            name = format!("{name} WITH {}", self.words.get(self.next)?);
            self.next += 1;
        }
        Some(ALLOWED.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::dependencies::fixture::graph;
    use super::*;

    #[test]
    fn expressions_are_judged_as_a_lawyer_would() {
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
        ] {
            assert_eq!(allows(fine), Some(true), "{fine}");
        }
        for bad in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR ISC) AND SSPL-1.0",
        ] {
            assert_eq!(allows(bad), Some(false), "{bad}");
        }
        for unreadable in ["", "MIT OR", "(MIT", "MIT Apache-2.0"] {
            assert_eq!(allows(unreadable), None, "{unreadable}");
        }
    }

    #[test]
    fn a_missing_or_closed_licence_is_told_by_package() {
        let mut graph = graph(&["a"], &["a -> b", "a -> c"]);
        graph.packages.get_mut("b").unwrap().licence = None;
        graph.packages.get_mut("c").unwrap().licence = Some("BUSL-1.1".into());
        let problems = violations(&graph);
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0], "b 1.0.0 states no licence");
        assert!(
            problems[1].starts_with("c 1.0.0 is under BUSL-1.1"),
            "{problems:?}"
        );
    }
}
