//! The table of methods on the made-up world: rows, budgets, and how one question is answered.

use configs::search::SearchConfig;

use super::chain::{Chain, Place};
use super::{Coupling, Ending, RIGHT, Scripted};
use crate::job::Question;
use crate::log::Sink;
use crate::random;
use crate::serving::{ServingError, serve};
use crate::settings::{Settings, limits};
use crate::{Search, SearchError};

/// What a row is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Methods at the same budget.
    Methods,
    /// The paper's method with something changed or left out.
    Ablations,
    /// The paper's method with critics of other error rates.
    Critics,
}

impl Part {
    /// All parts, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Methods, Self::Ablations, Self::Critics];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::Ablations => "ablations",
            Self::Critics => "critics",
        }
    }
}

/// A row: a name, and what is set for it beside the preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is there for.
    pub part: Part,
    /// Its name.
    pub name: &'static str,
    /// Settings, as `--set` takes them.
    pub sets: &'static [&'static str],
}

/// Budgets of tool calls and tokens, by name.
pub const BUDGETS: [(&str, [&str; 2]); 3] = [
    ("low", ["budget.tool_calls=5", "budget.tokens=1000"]),
    ("middle", ["budget.tool_calls=10", "budget.tokens=2000"]),
    ("high", ["budget.tool_calls=20", "budget.tokens=4000"]),
];

/// The row that the others are compared with.
pub const REFERENCE: &str = "bavt";

/// All rows.
pub const ROWS: &[Row] = &[
    method("bavt", &["method.kind=bavt"]),
    method("second_opinion", &["method.kind=second_opinion"]),
    method("greedy", &["method.kind=greedy"]),
    method(
        "constant_exponent 4",
        &["method.kind=constant_exponent", "method.exponent=4"],
    ),
    method(
        "constant_exponent 1",
        &["method.kind=constant_exponent", "method.exponent=1"],
    ),
    method("inverted_exponent", &["method.kind=inverted_exponent"]),
    method("uniform", &["method.kind=uniform"]),
    method(
        "value_of_information",
        &["method.kind=value_of_information"],
    ),
    method("bg_mcts", &["method.kind=bg_mcts"]),
    method("mcts", &["method.kind=mcts"]),
    method("ab_mcts_a", &["method.kind=ab_mcts_a"]),
    method("beam", &["method.kind=beam"]),
    method("tree_of_thoughts", &["method.kind=tree_of_thoughts"]),
    method("best_of_n", &["method.kind=best_of_n"]),
    method("parallel", &["method.kind=parallel"]),
    method("react", &["method.kind=react"]),
    method("self_consistency", &["method.kind=self_consistency"]),
    ablation("absolute critic", &["critic.score=absolute"]),
    ablation("no pruning", &["method.prune_no_gain=false"]),
    ablation("no tried actions", &["method.tried_actions=off"]),
    ablation("all tried actions", &["method.tried_actions=all"]),
    ablation("first answer", &["method.stop=first_answer"]),
    ablation("two answers agree", &["method.stop=agreement"]),
    ablation("no back-propagation", &["method.backpropagate=false"]),
    ablation("gain on the judged value", &["method.residual_base=judged"]),
    ablation("leaves only", &["method.frontier=leaves_only"]),
    ablation("best value", &["method.answer=best_value"]),
    ablation("majority", &["method.answer=majority"]),
    ablation("duplicates not judged", &["method.duplicate_check=critic"]),
    ablation("duplicates not called", &["method.duplicate_check=call"]),
    critic("fp 0", &["scripted.false_positive=0"]),
    critic("fp 0.05", &["scripted.false_positive=0.05"]),
    critic("fp 0.1", &["scripted.false_positive=0.1"]),
    critic("fp 0.15", &["scripted.false_positive=0.15"]),
    critic("fp 0.2", &["scripted.false_positive=0.2"]),
    critic("fp 0.25", &["scripted.false_positive=0.25"]),
    critic("fp 0.3", &["scripted.false_positive=0.3"]),
    critic("fp 0.4", &["scripted.false_positive=0.4"]),
    critic("fp 0.5", &["scripted.false_positive=0.5"]),
];

const fn method(name: &'static str, sets: &'static [&'static str]) -> Row {
    row(Part::Methods, name, sets)
}

const fn ablation(name: &'static str, sets: &'static [&'static str]) -> Row {
    row(Part::Ablations, name, sets)
}

const fn critic(name: &'static str, sets: &'static [&'static str]) -> Row {
    row(Part::Critics, name, sets)
}

const fn row(part: Part, name: &'static str, sets: &'static [&'static str]) -> Row {
    Row { part, name, sets }
}

/// Why a question could not be searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The settings or budgets allow no search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The search could not be served.
    #[error(transparent)]
    Serving(#[from] ServingError),
}

/// What became of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answered {
    /// The answer was right.
    pub right: bool,
    /// It was forced when a budget ran out.
    pub backstop: bool,
    /// Units of tool calls spent.
    pub tool_calls: u64,
    /// Tokens spent.
    pub tokens: u64,
    /// Of these, by the critic.
    pub critic_tokens: u64,
    /// Jobs that cost more than they were allowed.
    pub violations: u32,
    /// Steps from nodes that had left the path.
    pub astray: u64,
    /// Steps from nodes on the path that was gone further already.
    pub behind: u64,
}

/// Answers the question of that number. Its chain and its luck depend on the seed and the number
/// alone, so that methods can be compared question by question.
///
/// # Errors
/// [`TableError`].
pub fn answer(config: &SearchConfig, seed: u64, number: u64) -> Result<Answered, TableError> {
    let (search, ()) = searched(config, seed, number, ())?;
    let spent = search.ledger().spent();
    let verdict = search.verdict();
    let (astray, behind) = wasted(config, seed, &search);
    Ok(Answered {
        right: verdict.is_some_and(|verdict| verdict.answer.as_deref() == Some(RIGHT)),
        backstop: verdict.is_some_and(|verdict| verdict.backstop),
        tool_calls: spent.tool_calls,
        tokens: spent.tokens,
        critic_tokens: search.counters().critic_tokens,
        violations: search.counters().violations,
        astray,
        behind,
    })
}

/// Steps that could not help: from nodes that had left the path, and from nodes behind the
/// furthest one that had not.
fn wasted(config: &SearchConfig, seed: u64, search: &Search) -> (u64, u64) {
    let chain = Chain::of(&config.scripted, seed, &search.question().id);
    let mut places: Vec<Place> = Vec::with_capacity(search.tree().len());
    let (mut furthest, mut astray, mut behind) = (0, 0, 0);
    for node in search.tree().nodes() {
        // A parent is made before its children.
        let before = node.parent.map(|parent| places[parent.index()]);
        let place = match (before, &node.step) {
            (Some(before), Some(step)) => {
                astray += u64::from(before.derailed);
                behind += u64::from(!before.derailed && before.resolved < furthest);
                before.on(&chain, &step.action)
            }
            _ => Place::default(),
        };
        if !place.derailed {
            furthest = furthest.max(place.resolved);
        }
        places.push(place);
    }
    (astray, behind)
}

/// As [`answer`], with the search and its log.
///
/// # Errors
/// [`TableError`].
pub fn searched<S: Sink>(
    config: &SearchConfig,
    seed: u64,
    number: u64,
    sink: S,
) -> Result<(Search, S), TableError> {
    let ending = if config.method.kind.is_trajectories() {
        Ending::Policy
    } else {
        Ending::Critic
    };
    let mut backend = Scripted::new(&config.scripted, seed, ending, Coupling::Path);
    let question = Question::new(&format!("chain-{number:06}"), "Where does the chain end?");
    let draws = random::seed(seed, random::Stream::Selection, number);
    let search = Search::new(&Settings::of(config), question, limits(config), draws)?;
    Ok(serve(search, sink, &mut backend, 1)?)
}
