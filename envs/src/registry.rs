//! From an id to an environment.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::batch::engine::{Batch, Threads, threads};
use crate::batch::{ResetMode, VectorEnvironment};
use crate::environment::Environment;
use crate::error::EnvironmentError;
use crate::level_based_foraging::{self, ForagingId};
use crate::matrix_game::{self, MatrixId};
use crate::options::EnvironmentOptions;
use crate::rendezvous::{self, RendezvousId};
use crate::simulation::{Blueprint, Simulation, Single, UseBlueprint};

/// An id, or a family of ids, that [`make`] understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentEntry {
    /// An id, or a pattern with `{}` and `[]`.
    pub id: String,
    /// One line about it.
    pub description: String,
}

type Factory = Arc<
    dyn Fn(&EnvironmentOptions) -> Result<Box<dyn Environment>, EnvironmentError> + Send + Sync,
>;

static REGISTERED: RwLock<BTreeMap<String, (String, Factory)>> = RwLock::new(BTreeMap::new());

/// Gives a user's own environment an id, so that [`make`], [`make_vector`] and [`list`] know it. A
/// second registration of an id replaces the first; ids of this crate cannot be replaced.
pub fn register<F>(id: &str, description: &str, factory: F)
where
    F: Fn(&EnvironmentOptions) -> Result<Box<dyn Environment>, EnvironmentError>
        + Send
        + Sync
        + 'static,
{
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    registered.insert(id.to_owned(), (description.to_owned(), Arc::new(factory)));
}

fn registered(id: &str) -> Option<Factory> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.get(id).map(|(_, factory)| Arc::clone(factory))
}

/// Every id and family of ids that [`make`] understands.
#[must_use]
pub fn list() -> Vec<EnvironmentEntry> {
    let entry = |id: &str, description: &str| EnvironmentEntry {
        id: id.to_owned(),
        description: description.to_owned(),
    };
    let mut entries = vec![entry(
        ForagingId::PATTERN,
        "Level-based foraging: agents load food whose level their levels together reach.",
    )];
    entries.extend(
        matrix_game::ENTRIES
            .iter()
            .map(|(id, description)| entry(id, description)),
    );
    entries.push(entry(rendezvous::ENTRY.0, rendezvous::ENTRY.1));
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    entries.extend(
        registered
            .iter()
            .map(|(id, (description, _))| entry(id, description)),
    );
    entries
}

/// Builds one environment, seeded with 0 and not yet started: call `seed` and `reset`.
///
/// # Errors
/// An unknown id (the message offers the nearest name) or an option that the id cannot take.
pub fn make(
    id: &str,
    options: &EnvironmentOptions,
) -> Result<Box<dyn Environment>, EnvironmentError> {
    struct MakeSingle;
    impl UseBlueprint for MakeSingle {
        type Output = Box<dyn Environment>;
        fn apply<S: Simulation + Clone + 'static>(self, blueprint: Blueprint<S>) -> Self::Output {
            Box::new(Single::new(blueprint))
        }
    }
    if let Some(environment) = build(id, options, MakeSingle)? {
        return Ok(environment);
    }
    let Some(factory) = registered(id) else {
        return Err(unknown(id));
    };
    let environment = factory(options)?;
    if options.common_reward {
        return Ok(Box::new(Single::new(wrap(environment, true))));
    }
    Ok(environment)
}

/// Builds `count` copies that step together. `threads` of 0 or 1 step on the caller's thread; more
/// start a rayon pool of their own.
///
/// # Errors
/// As [`make`], and when the threads cannot be started.
pub fn make_vector(
    id: &str,
    options: &EnvironmentOptions,
    count: usize,
    mode: ResetMode,
    threads: usize,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    make_vector_on(id, options, count, mode, self::threads(threads)?)
}

/// Makes a batch of a user's own environments; the factory is called `count` times, at least once.
///
/// # Errors
/// What the factory returns, and when the threads cannot be started.
pub fn vectorise(
    factory: &dyn Fn() -> Result<Box<dyn Environment>, EnvironmentError>,
    count: usize,
    mode: ResetMode,
    threads: usize,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    vectorise_on(factory, count, mode, self::threads(threads)?, false)
}

pub(crate) fn make_vector_on(
    id: &str,
    options: &EnvironmentOptions,
    count: usize,
    mode: ResetMode,
    threads: Threads,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    struct MakeBatch {
        count: usize,
        mode: ResetMode,
        threads: Threads,
    }
    impl UseBlueprint for MakeBatch {
        type Output = Result<Box<dyn VectorEnvironment>, EnvironmentError>;
        fn apply<S: Simulation + Clone + 'static>(self, blueprint: Blueprint<S>) -> Self::Output {
            let batch = Batch::new(
                blueprint,
                |copy| Ok(copy.clone()),
                self.count,
                self.mode,
                self.threads,
            )?;
            Ok(Box::new(batch))
        }
    }
    let user = MakeBatch {
        count,
        mode,
        threads: threads.clone(),
    };
    if let Some(batch) = build(id, options, user)? {
        return batch;
    }
    let Some(factory) = registered(id) else {
        return Err(unknown(id));
    };
    vectorise_on(
        &|| factory(options),
        count,
        mode,
        threads,
        options.common_reward,
    )
}

fn vectorise_on(
    factory: &dyn Fn() -> Result<Box<dyn Environment>, EnvironmentError>,
    count: usize,
    mode: ResetMode,
    threads: Threads,
    common_reward: bool,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    let blueprint = wrap(factory()?, common_reward);
    Ok(Box::new(Batch::new(
        blueprint,
        |_| factory(),
        count,
        mode,
        threads,
    )?))
}

fn wrap(environment: Box<dyn Environment>, common_reward: bool) -> Blueprint<Box<dyn Environment>> {
    Blueprint {
        spec: environment.spec().clone(),
        rules: (),
        prototype: environment,
        common_reward,
    }
}

/// Builds an environment of this crate; `None` when the id is of none.
fn build<U: UseBlueprint>(
    id: &str,
    options: &EnvironmentOptions,
    user: U,
) -> Result<Option<U::Output>, EnvironmentError> {
    if let Some(id) = ForagingId::parse(id) {
        return level_based_foraging::blueprint(&id, options, user).map(Some);
    }
    if let Some(id) = MatrixId::parse(id) {
        return matrix_game::blueprint(id, options, user).map(Some);
    }
    if let Some(id) = RendezvousId::parse(id) {
        return rendezvous::blueprint(id, options, user).map(Some);
    }
    Ok(None)
}

fn unknown(id: &str) -> EnvironmentError {
    EnvironmentError::UnknownId {
        id: id.to_owned(),
        nearest: nearest(id),
        hint: "`concord env list` shows every id and its parts".to_owned(),
    }
}

/// The id that was probably meant: the same parts in the right order, or the one that the fewest
/// changes of a letter reach.
fn nearest(id: &str) -> String {
    if let Some(parsed) = ForagingId::parse_loosely(id) {
        return parsed.to_string();
    }
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    let wanted = id.to_lowercase();
    let mut best = (usize::MAX, String::new());
    for candidate in registered.keys().cloned().chain(well_known()) {
        let distance = edit_distance(&wanted, &candidate.to_lowercase());
        if distance < best.0 {
            best = (distance, candidate);
        }
    }
    best.1
}

/// Concrete ids to compare a wrong one with: the benchmark's sizes and the small tasks.
fn well_known() -> impl Iterator<Item = String> {
    let small = [
        "Climbing-v1",
        "Penalty-100-v1",
        "Penalty-25-v1",
        "Chain-10-v1",
        "Chain-4-v1",
        "TwoStep-8-v1",
    ]
    .into_iter()
    .chain([
        "Rendezvous-5x5-2p-v1",
        "Rendezvous-8x8-2p-v1",
        "Rendezvous-5x5-3p-v1",
    ])
    .map(str::to_owned);
    let foraging = (5..=20).flat_map(|side| {
        (2..=9).flat_map(move |players| {
            (1..=9).flat_map(move |foods| {
                (0..12).map(move |kind| {
                    let sight = if kind % 2 == 1 { "-2s" } else { "" };
                    let coop = if kind / 2 % 2 == 1 { "-coop" } else { "" };
                    let version = 3 - kind / 4;
                    format!("Foraging{sight}-{side}x{side}-{players}p-{foods}f{coop}-v{version}")
                })
            })
        })
    });
    small.chain(foraging)
}

/// Levenshtein's distance.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(80).collect();
    let mut line: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.chars().take(80).enumerate() {
        let mut diagonal = line[0];
        line[0] = row + 1;
        for (col, &to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = line[col + 1];
            line[col + 1] = replaced.min(diagonal + 1).min(line[col] + 1);
        }
    }
    line[right.len()]
}
