//! `[method]`: how the tree is searched.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The method and every choice that the paper leaves open.
///
/// A setting that a method does not use is kept at its default, is never written into a file
/// and may not be set (see [`Field::when`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MethodConfig {
    /// How the tree is searched.
    pub kind: Method,
    /// Power of the value that nodes are drawn by.
    pub exponent: f64,
    /// Guard of the power 1 / r as the budget runs out.
    pub largest_exponent: f64,
    /// Power at the whole budget: the power is this over the budget left.
    pub sharpness: f64,
    /// Most judgements of one step, as long as they cost nothing of the scarcest budget.
    pub opinions: u32,
    /// Weight of visits against value: the c of UCT and PUCT.
    pub exploration: f64,
    /// BG-MCTS's kappa: how strongly deep nodes are preferred as the budget runs out.
    pub completion_bias: f64,
    /// Added to the mean of the children's values in BG-MCTS's score of one more child.
    pub widening_mean: f64,
    /// BG-MCTS's lambda: weight of the spread of the children's values in the score of one more child.
    pub widening_spread: f64,
    /// Paths that are kept after every round.
    pub width: usize,
    /// Children of every path in a round, or of every node.
    pub branching: usize,
    /// Trajectories that are started; as many as the budget allows when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples: Option<u64>,
    /// Children that are made at once of a selected node.
    pub children_per_visit: usize,
    /// Value of the question before any step: the critic's 1 of 10.
    pub root_value: f64,
    /// Value from which a node is answered from.
    pub answer_threshold: f64,
    /// Share of the tokens below which an answer is forced where there is none.
    pub backstop_fraction: f64,
    /// Most points that one step may add or take, of 10.
    pub delta_clip: f64,
    /// Which nodes can be selected: every open one, or those without live children.
    pub frontier: Frontier,
    /// When the search ends with answers at hand.
    pub stop: StopRule,
    /// Equal answers that end the search, where it stops by agreement.
    pub agreement: u32,
    /// Which of several answers is given: most value in sum, the best single one, or the most frequent.
    pub answer: AnswerRule,
    /// Whether a step that gained nothing is not continued.
    pub prune_no_gain: bool,
    /// Which of a node's earlier actions the policy is told of: none, those without gain, or all.
    pub tried_actions: TriedActions,
    /// What a call nearly equal to an earlier one of its path or siblings saves: nothing, the critic, or the call too.
    pub duplicate_check: DuplicateCheck,
    /// Share of equal words (Jaccard) from which two calls are one.
    pub duplicate_similarity: f64,
    /// Which value of the parent a gain is added to: the smoothed one, or the one that the critic gave.
    pub residual_base: ResidualBase,
    /// Whether an answer smooths the values of its ancestors.
    pub backpropagate: bool,
    /// Whether pruned children take part in that.
    pub backpropagate_pruned: bool,
    /// Whether the critic judges an answer that the policy gave unasked; else it has its parent's value.
    pub judge_answers: bool,
    /// Whether a plan is made before anything else.
    pub plan: bool,
    /// Steps of the longest path.
    pub depth_limit: u32,
    /// Nodes of the tree.
    pub node_limit: u32,
    /// Children that a node may have; 0 for no limit.
    pub child_limit: u32,
    /// How often a failed job is asked again before its node counts as failed.
    pub retries: u32,
}

/// How the tree is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Nodes drawn by value to the power of one over the budget left (BAVT, eq. 4 and 5).
    #[default]
    Bavt,
    /// Nodes drawn by a fixed power of their value.
    ConstantExponent,
    /// The power is the budget left: flatter as it shrinks. Wrong, for the ablation.
    InvertedExponent,
    /// Always the best node.
    Greedy,
    /// Any open node.
    Uniform,
    /// Budget-guided MCTS (arXiv 2602.09574).
    BgMcts,
    /// The most gain expected for each unit of the budget.
    ValueOfInformation,
    /// BAVT with a sharper power, whose spare tokens buy further judgements of a step (ours).
    SecondOpinion,
    /// One trajectory.
    React,
    /// Trajectories until the budget is used up, and a majority vote.
    Parallel,
    /// Trajectories, and the one that the critic likes best.
    BestOfN,
    /// Answers without tools, and a majority vote.
    SelfConsistency,
    /// Beam search by the critic.
    Beam,
    /// Tree of thoughts, breadth first.
    TreeOfThoughts,
    /// Monte Carlo tree search with UCT.
    Mcts,
    /// Adaptive branching MCTS, aggregated (TreeQuest).
    AbMctsA,
}

/// Which nodes can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frontier {
    /// Every node that is neither terminal nor pruned.
    #[default]
    OpenAll,
    /// Of these, those without live children.
    LeavesOnly,
}

/// When a search with answers ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopRule {
    /// At the first one.
    FirstAnswer,
    /// When nothing more can be paid.
    #[default]
    UntilBudget,
    /// When enough of them are equal.
    Agreement,
}

/// Which answer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerRule {
    /// The one with the most value in sum.
    #[default]
    SumValue,
    /// The one of the best single value.
    BestValue,
    /// The most frequent one.
    Majority,
}

/// Which earlier actions the policy is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriedActions {
    /// None.
    Off,
    /// Those that gained nothing.
    #[default]
    NoGain,
    /// All of the node.
    All,
}

/// Which value of the parent a gain is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualBase {
    /// The value now, smoothed by answers.
    #[default]
    Value,
    /// The value that the critic gave.
    Judged,
}

/// What a repeated call saves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateCheck {
    /// Nothing: it is called and judged.
    Off,
    /// The critic: no gain.
    #[default]
    Critic,
    /// The call and the critic.
    Call,
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self {
            kind: Method::Bavt,
            exponent: 4.0,
            largest_exponent: 50.0,
            sharpness: 2.0,
            opinions: 5,
            exploration: 1.0,
            completion_bias: 0.5,
            widening_mean: 0.0,
            widening_spread: 1.0,
            width: 3,
            branching: 3,
            samples: None,
            children_per_visit: 1,
            root_value: 0.1,
            answer_threshold: 0.8,
            backstop_fraction: 0.2,
            delta_clip: 4.0,
            frontier: Frontier::OpenAll,
            stop: StopRule::UntilBudget,
            agreement: 2,
            answer: AnswerRule::SumValue,
            prune_no_gain: true,
            tried_actions: TriedActions::NoGain,
            duplicate_check: DuplicateCheck::Critic,
            duplicate_similarity: 0.9,
            residual_base: ResidualBase::Value,
            backpropagate: true,
            backpropagate_pruned: true,
            judge_answers: true,
            plan: true,
            depth_limit: 12,
            node_limit: 256,
            child_limit: 0,
            retries: 1,
        }
    }
}

impl MethodConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("method.kind", "Method", FieldKind::Variant { values: &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "react", "parallel", "best_of_n", "self_consistency", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"] }, "How the tree is searched."),
        Field::new("method.exponent", "Exponent", FieldKind::Number { min: 0.0, max: 1_000.0, min_excluded: false }, "Power of the value that nodes are drawn by.").known_as(&["alpha"]).when("method.kind", &["constant_exponent"]),
        Field::new("method.largest_exponent", "Largest exponent", FieldKind::Number { min: 1.0, max: 1_000_000.0, min_excluded: false }, "Guard of the power 1 / r as the budget runs out.").known_as(&["alpha_max"]).advanced().when("method.kind", &["bavt", "second_opinion"]),
        Field::new("method.sharpness", "Sharpness", FieldKind::Number { min: 0.0, max: 1_000.0, min_excluded: true }, "Power at the whole budget: the power is this over the budget left.").when("method.kind", &["second_opinion"]),
        Field::new("method.opinions", "Most opinions", FieldKind::Integer { min: 1, max: 99 }, "Most judgements of one step, as long as they cost nothing of the scarcest budget.").when("method.kind", &["second_opinion"]),
        Field::new("method.exploration", "Exploration", FieldKind::Number { min: 0.0, max: 1_000.0, min_excluded: false }, "Weight of visits against value: the c of UCT and PUCT.").known_as(&["c_puct", "c_uct", "c"]).when("method.kind", &["bg_mcts", "mcts"]),
        Field::new("method.completion_bias", "Completion bias", FieldKind::Number { min: 0.0, max: 1_000.0, min_excluded: false }, "BG-MCTS's kappa: how strongly deep nodes are preferred as the budget runs out.").known_as(&["kappa"]).advanced().when("method.kind", &["bg_mcts"]),
        Field::new("method.widening_mean", "Widening, mean", FieldKind::Number { min: -1_000.0, max: 1_000.0, min_excluded: false }, "Added to the mean of the children's values in BG-MCTS's score of one more child.").advanced().when("method.kind", &["bg_mcts"]),
        Field::new("method.widening_spread", "Widening, spread", FieldKind::Number { min: 0.0, max: 1_000.0, min_excluded: false }, "BG-MCTS's lambda: weight of the spread of the children's values in the score of one more child.").known_as(&["lambda"]).advanced().when("method.kind", &["bg_mcts"]),
        Field::new("method.width", "Width", FieldKind::Integer { min: 1, max: 1_024 }, "Paths that are kept after every round.").known_as(&["beam_size", "beam_width", "n_select_sample"]).when("method.kind", &["beam", "tree_of_thoughts"]),
        Field::new("method.branching", "Branching", FieldKind::Integer { min: 1, max: 1_024 }, "Children of every path in a round, or of every node.").known_as(&["n_generate_sample", "n_actions"]).when("method.kind", &["beam", "tree_of_thoughts", "mcts"]),
        Field::new("method.samples", "Samples", FieldKind::Integer { min: 1, max: i64::MAX }, "Trajectories that are started; as many as the budget allows when absent.").optional().known_as(&["n", "num_samples"]).when("method.kind", &["parallel", "best_of_n", "self_consistency"]),
        Field::new("method.children_per_visit", "Children per visit", FieldKind::Integer { min: 1, max: 64 }, "Children that are made at once of a selected node.").known_as(&["k"]).when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.root_value", "Value of the root", FieldKind::Number { min: 0.1, max: 1.0, min_excluded: false }, "Value of the question before any step: the critic's 1 of 10.").known_as(&["v0"]).advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.answer_threshold", "Answer threshold", FieldKind::Number { min: 0.1, max: 1.0, min_excluded: false }, "Value from which a node is answered from.").known_as(&["tau", "threshold"]).when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.backstop_fraction", "Backstop", FieldKind::Number { min: 0.0, max: 1.0, min_excluded: false }, "Share of the tokens below which an answer is forced where there is none.").known_as(&["eta"]),
        Field::new("method.delta_clip", "Clip of the gain", FieldKind::Number { min: 0.0, max: 9.0, min_excluded: true }, "Most points that one step may add or take, of 10.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.frontier", "Frontier", FieldKind::Choice { values: &["open_all", "leaves_only"] }, "Which nodes can be selected: every open one, or those without live children.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "value_of_information", "second_opinion"]),
        Field::new("method.stop", "Stop", FieldKind::Choice { values: &["first_answer", "until_budget", "agreement"] }, "When the search ends with answers at hand.").when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.agreement", "Agreement", FieldKind::Integer { min: 2, max: 1_024 }, "Equal answers that end the search, where it stops by agreement.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.answer", "Choice of the answer", FieldKind::Choice { values: &["sum_value", "best_value", "majority"] }, "Which of several answers is given: most value in sum, the best single one, or the most frequent.").when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.prune_no_gain", "Prune without gain", FieldKind::Boolean, "Whether a step that gained nothing is not continued.").when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "value_of_information", "second_opinion", "bg_mcts"]),
        Field::new("method.tried_actions", "Tried actions", FieldKind::Choice { values: &["off", "no_gain", "all"] }, "Which of a node's earlier actions the policy is told of: none, those without gain, or all.").when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.duplicate_check", "Duplicates", FieldKind::Choice { values: &["off", "critic", "call"] }, "What a call nearly equal to an earlier one of its path or siblings saves: nothing, the critic, or the call too.").when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.duplicate_similarity", "Similarity of duplicates", FieldKind::Number { min: 0.0, max: 1.0, min_excluded: true }, "Share of equal words (Jaccard) from which two calls are one.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.residual_base", "Base of the gain", FieldKind::Choice { values: &["value", "judged"] }, "Which value of the parent a gain is added to: the smoothed one, or the one that the critic gave.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "value_of_information"]),
        Field::new("method.backpropagate", "Back-propagate", FieldKind::Boolean, "Whether an answer smooths the values of its ancestors.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "value_of_information", "second_opinion"]),
        Field::new("method.backpropagate_pruned", "Pruned ones too", FieldKind::Boolean, "Whether pruned children take part in that.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "value_of_information", "second_opinion"]),
        Field::new("method.judge_answers", "Judge answers", FieldKind::Boolean, "Whether the critic judges an answer that the policy gave unasked; else it has its parent's value.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.plan", "Plan", FieldKind::Boolean, "Whether a plan is made before anything else."),
        Field::new("method.depth_limit", "Deepest node", FieldKind::Integer { min: 1, max: 100_000 }, "Steps of the longest path.").unit("steps").known_as(&["max_depth", "max_steps"]),
        Field::new("method.node_limit", "Most nodes", FieldKind::Integer { min: 2, max: 10_000_000 }, "Nodes of the tree.").unit("nodes").advanced(),
        Field::new("method.child_limit", "Most children", FieldKind::Integer { min: 0, max: 10_000_000 }, "Children that a node may have; 0 for no limit.").advanced().when("method.kind", &["bavt", "constant_exponent", "inverted_exponent", "greedy", "uniform", "bg_mcts", "value_of_information", "second_opinion", "beam", "tree_of_thoughts", "mcts", "ab_mcts_a"]),
        Field::new("method.retries", "Retries", FieldKind::Integer { min: 0, max: 100 }, "How often a failed job is asked again before its node counts as failed.").advanced(),
    ];
}
