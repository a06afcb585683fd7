//! The dependency graph, as `cargo metadata` tells it for this machine's platform.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

/// Why one package asks for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Normal,
    Build,
    /// Tests, examples and benchmarks only.
    Development,
}

/// One package, of the workspace or from outside.
pub struct Package {
    pub name: String,
    pub version: String,
    /// The SPDX expression of its manifest.
    pub licence: Option<String>,
    pub in_workspace: bool,
    /// Package identifiers and why they are asked for.
    pub dependencies: BTreeSet<(String, Kind)>,
}

/// All packages that a build of the workspace takes in, by their identifiers.
#[derive(Default)]
pub struct Graph {
    pub packages: BTreeMap<String, Package>,
}

impl Graph {
    /// Asks cargo. `Cargo.lock` must be up to date.
    pub fn of_workspace() -> Result<Self> {
        let output = workspace::cargo()
            .args([
                "metadata",
                "--format-version",
                "1",
                "--locked",
                "--filter-platform",
            ])
            .arg(host()?)
            .output()
            .context("starting cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Self::parse(&output.stdout)
    }

    fn parse(text: &[u8]) -> Result<Self> {
        let metadata: Value = serde_json::from_slice(text).context("reading cargo metadata")?;
        let members: BTreeSet<&str> = texts(&metadata["workspace_members"]).collect();
        let mut packages = BTreeMap::new();
        for package in items(&metadata["packages"]) {
            let id = package["id"].as_str().unwrap_or_default();
            packages.insert(
                id.to_owned(),
                Package {
                    name: package["name"].as_str().unwrap_or_default().to_owned(),
                    version: package["version"].as_str().unwrap_or_default().to_owned(),
                    licence: package["license"].as_str().map(str::to_owned),
                    in_workspace: members.contains(id),
                    dependencies: BTreeSet::new(),
                },
            );
        }
        for node in items(&metadata["resolve"]["nodes"]) {
            let Some(package) = packages.get_mut(node["id"].as_str().unwrap_or_default()) else {
                continue;
            };
            for dependency in items(&node["deps"]) {
                let target = dependency["pkg"].as_str().unwrap_or_default().to_owned();
                for kind in items(&dependency["dep_kinds"]) {
                    let kind = match kind["kind"].as_str() {
                        Some("dev") => Kind::Development,
                        Some("build") => Kind::Build,
                        _ => Kind::Normal,
                    };
                    package.dependencies.insert((target.clone(), kind));
                }
            }
        }
        Ok(Self { packages })
    }

    /// The packages of the workspace.
    pub fn members(&self) -> impl Iterator<Item = (&String, &Package)> {
        self.packages
            .iter()
            .filter(|(_, package)| package.in_workspace)
    }

    /// The names of a package's direct dependencies, each with its kind.
    pub fn direct(&self, package: &Package) -> Vec<(&Package, Kind)> {
        package
            .dependencies
            .iter()
            .filter_map(|(id, kind)| self.packages.get(id).map(|found| (found, *kind)))
            .collect()
    }

    /// The shortest way from `start` to a package called one of `names`, as package names.
    ///
    /// The first step may be a development dependency: a crate's tests build those too. Further
    /// steps may not, because the tests of a dependency are never built.
    pub fn way_to(&self, start: &str, names: &[&str]) -> Option<Vec<String>> {
        let mut previous: BTreeMap<&str, Option<&str>> = BTreeMap::from([(start, None)]);
        let mut queue = VecDeque::from([start]);
        while let Some(id) = queue.pop_front() {
            let package = self.packages.get(id)?;
            if id != start && names.contains(&package.name.as_str()) {
                let ids =
                    std::iter::successors(Some(id), |id| previous.get(*id).copied().flatten());
                let mut way: Vec<_> = ids.map(|id| self.packages[id].name.clone()).collect();
                way.reverse();
                return Some(way);
            }
            for (next, kind) in &package.dependencies {
                let counts = *kind != Kind::Development || id == start;
                if counts && !previous.contains_key(next.as_str()) {
                    previous.insert(next, Some(id));
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    items(value).filter_map(Value::as_str)
}

/// This machine's target triple: packages for others may not even be downloaded.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("starting rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("rustc -vV names no host")
}

#[cfg(test)]
pub mod fixture {
    use super::*;

    /// A graph of lines `a -> b` or `a -> b (dev)`; names in `members` form the workspace.
    pub fn graph(members: &[&str], edges: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for name in members {
            add(&mut graph, name, true);
        }
        for edge in edges {
            let (from, to) = edge.split_once(" -> ").unwrap();
            let (to, kind) = match to.strip_suffix(" (dev)") {
                Some(to) => (to, Kind::Development),
                None => (to, Kind::Normal),
            };
            add(&mut graph, from, false);
            add(&mut graph, to, false);
            let from = graph.packages.get_mut(from).unwrap();
            from.dependencies.insert((to.to_owned(), kind));
        }
        graph
    }

    fn add(graph: &mut Graph, name: &str, in_workspace: bool) {
        graph
            .packages
            .entry(name.to_owned())
            .or_insert_with(|| Package {
                name: name.to_owned(),
                version: "1.0.0".into(),
                licence: Some("MIT".into()),
                in_workspace,
                dependencies: BTreeSet::new(),
            });
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::graph;
    use super::*;

    #[test]
    fn the_shortest_way_is_told_and_foreign_development_edges_are_not_followed() {
        let graph = graph(
            &["a", "b"],
            &[
                "a -> b (dev)",
                "b -> c (dev)",
                "b -> d",
                "d -> e",
                "a -> x",
                "x -> d",
            ],
        );
        assert_eq!(graph.way_to("a", &["e"]).unwrap().join(">"), "a>b>d>e");
        assert_eq!(graph.way_to("a", &["c"]), None);
        assert_eq!(graph.way_to("b", &["c"]).unwrap().join(">"), "b>c");
    }

    #[test]
    fn metadata_is_read_with_kinds_and_membership() {
        let text = br#"{"workspace_members":["p#a"],
            "packages":[{"id":"p#a","name":"a","version":"0.1.0","license":"MIT"},
                        {"id":"r#b","name":"b","version":"2.0.0","license":null}],
            "resolve":{"nodes":[{"id":"p#a","deps":[{"pkg":"r#b",
                "dep_kinds":[{"kind":null},{"kind":"dev"}]}]},{"id":"r#b","deps":[]}]}}"#;
        let graph = Graph::parse(text).unwrap();
        let members: Vec<_> = graph
            .members()
            .map(|(_, package)| package.name.as_str())
            .collect();
        assert_eq!(members, ["a"]);
        let kinds: Vec<_> = graph
            .direct(&graph.packages["p#a"])
            .iter()
            .map(|(_, kind)| *kind)
            .collect();
        assert_eq!(kinds, [Kind::Normal, Kind::Development]);
        assert_eq!(graph.packages["r#b"].licence, None);
    }
}
