//! Which node is continued next: BAVT and everything that it is compared with.
//!
//! | module | methods |
//! |---|---|
//! | [`open`] | every open node is a candidate: BAVT, a constant or the inverted exponent, greedy, uniform, value of information, second opinion |
//! | [`descent`] | from the root down by visits and values: MCTS, budget-guided MCTS |
//! | [`thompson`] | from the root down by Thompson sampling: AB-MCTS-A |
//! | [`rounds`] | level by level: beam search, tree of thoughts |
//! | [`trajectories`] | independent paths: ReAct, parallel, best of N, self-consistency |

use configs::search::{AnswerRule, Method, MethodConfig, ResidualBase, StopRule, TriedActions};
use rand_chacha::ChaCha8Rng;

use crate::tree::{NodeId, Tree};

pub mod descent;
pub mod open;
pub mod rounds;
pub mod subtrees;
pub mod thompson;
pub mod trajectories;

/// What a strategy sees of a search.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All nodes.
    pub tree: &'a Tree,
    /// The settings.
    pub method: &'a MethodConfig,
    /// `r`, the remaining share of the tightest budget, in 0..=1.
    pub fraction: f64,
    /// Nodes with answers, in their order.
    pub terminals: &'a [NodeId],
    /// Whether a tool can still be paid, or there are none and none is needed.
    pub tools_left: bool,
}

/// A choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection {
    /// The node to continue.
    pub node: NodeId,
    /// The probability of that choice; 1 where nothing was drawn.
    pub probability: f64,
}

/// A rule of selection. Everything it keeps follows from the calls that it got, so that a replay
/// comes to the same state.
pub trait Strategy: Send {
    /// A node is new or changed: its value, status, children or children under way.
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool);

    /// A node got its first value, or an answer.
    fn scored(&mut self, tree: &Tree, node: NodeId) {
        let _ = (tree, node);
    }

    /// Whether [`select`](Self::select) would choose a node once nothing is under way.
    fn ready(&self, view: &View<'_>) -> bool;

    /// The node to continue; none when it waits for what is under way or has nothing left.
    fn select(&mut self, view: &View<'_>, random: &mut ChaCha8Rng) -> Option<Selection>;
}

/// The strategy of a method.
pub fn of(method: &MethodConfig) -> Box<dyn Strategy> {
    match method.kind {
        Method::Bavt
        | Method::ConstantExponent
        | Method::InvertedExponent
        | Method::Greedy
        | Method::Uniform
        | Method::ValueOfInformation
        | Method::SecondOpinion => Box::new(open::Open::new(method.kind)),
        Method::Mcts | Method::BgMcts => Box::new(descent::Descent::new(method.kind)),
        Method::AbMctsA => Box::<thompson::Thompson>::default(),
        Method::Beam | Method::TreeOfThoughts => Box::<rounds::Rounds>::default(),
        Method::React | Method::Parallel | Method::BestOfN | Method::SelfConsistency => {
            Box::new(trajectories::Trajectories::new(method))
        }
    }
}

/// What a method does apart from selecting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The critic judges steps.
    pub judges: bool,
    /// A step without gain is not continued.
    pub prunes: bool,
    /// An answer smooths the values of its ancestors.
    pub smooths: bool,
    /// Which value of the parent a gain is added to.
    pub base: ResidualBase,
    /// Most judgements of one step.
    pub opinions: u32,
    /// Which earlier actions the policy is told of.
    pub tried: TriedActions,
    /// The root is answered from directly, without steps.
    pub answers_only: bool,
    /// Paths go on without tools once these are used up.
    pub finishes_paths: bool,
    /// Children that a node may have; 0 for no limit.
    pub child_limit: usize,
    /// When the search ends with answers at hand.
    pub stop: StopRule,
    /// Which answer is given.
    pub answer: AnswerRule,
}

impl Rules {
    /// Of a method.
    pub fn of(method: &MethodConfig) -> Self {
        let kind = method.kind;
        let open = matches!(
            kind,
            Method::Bavt
                | Method::ConstantExponent
                | Method::InvertedExponent
                | Method::Greedy
                | Method::Uniform
                | Method::ValueOfInformation
                | Method::SecondOpinion
        );
        let trajectories = kind.is_trajectories();
        Self {
            judges: kind.judges(),
            prunes: method.prune_no_gain && (open || kind == Method::BgMcts),
            smooths: method.backpropagate && open,
            base: match kind {
                Method::SecondOpinion => ResidualBase::Judged,
                _ => method.residual_base,
            },
            opinions: match kind {
                Method::SecondOpinion => method.opinions,
                _ => 1,
            },
            tried: match kind {
                // Thoughts are proposed one after another, each told of those before.
                Method::TreeOfThoughts => TriedActions::All,
                _ if trajectories => TriedActions::Off,
                _ => method.tried_actions,
            },
            answers_only: kind == Method::SelfConsistency,
            finishes_paths: trajectories,
            child_limit: match kind {
                Method::Mcts => method.branching,
                _ if trajectories => 0,
                _ => method.child_limit as usize,
            },
            stop: if trajectories {
                StopRule::UntilBudget
            } else {
                method.stop
            },
            answer: match kind {
                Method::React | Method::Parallel | Method::SelfConsistency => AnswerRule::Majority,
                Method::BestOfN => AnswerRule::BestValue,
                _ => method.answer,
            },
        }
    }
}
