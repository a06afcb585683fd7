//! Work that is queued or under way, with what is reserved for it.

use crate::job::{Action, Instruction, JobId, JobKind};
use crate::ledger::ReservationId;
use crate::tree::NodeId;

/// A job that was asked for, or will be.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The node that it is for.
    pub node: NodeId,
    /// What it does.
    pub work: Work,
    /// What is set aside for it.
    pub reservation: ReservationId,
    /// Most tokens of the reply.
    pub max_tokens: u64,
    /// How often it failed before.
    pub attempt: u32,
}

/// What a job does, and what the machine needs to go on from its outcome.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// The plan.
    Plan,
    /// A step from the node.
    Step {
        instruction: Instruction,
        tried: Vec<Action>,
        tools_allowed: bool,
        rest: Rest,
    },
    /// The tool call of a step from the node.
    Tool {
        thought: String,
        tool: String,
        input: String,
        /// The job of the step.
        step: JobId,
        rest: Rest,
    },
    /// A judgement of the node.
    Critic,
    /// An answer from the node, which becomes terminal; or a child with it.
    Answer { forced: bool, as_child: bool },
}

/// What is set aside for the rest of an expansion.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    /// For the critic.
    pub critic: Option<ReservationId>,
    /// For a tool, of so many units.
    pub tool: Option<(ReservationId, u64)>,
}

impl Rest {
    /// All of it.
    pub(super) fn all(self) -> impl Iterator<Item = ReservationId> {
        self.critic.into_iter().chain(self.tool.map(|(id, _)| id))
    }
}

impl Work {
    /// What is set aside for work that follows.
    pub(super) fn reservations(&self) -> Vec<ReservationId> {
        match self {
            Self::Step { rest, .. } | Self::Tool { rest, .. } => rest.all().collect(),
            Self::Plan | Self::Critic | Self::Answer { .. } => Vec::new(),
        }
    }

    /// The same as a backend sees it.
    pub(super) fn kind(&self) -> JobKind {
        match self {
            Self::Plan => JobKind::Plan,
            Self::Step {
                instruction,
                tried,
                tools_allowed,
                ..
            } => JobKind::Step {
                instruction: *instruction,
                tried: tried.clone(),
                tools_allowed: *tools_allowed,
            },
            Self::Tool { tool, input, .. } => JobKind::Tool {
                tool: tool.clone(),
                input: input.clone(),
            },
            Self::Critic => JobKind::Critic,
            Self::Answer { forced, .. } => JobKind::Answer { forced: *forced },
        }
    }

    /// The kind's name in the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Step { .. } => "step",
            Self::Tool { .. } => "tool",
            Self::Critic => "critic",
            Self::Answer { .. } => "answer",
        }
    }

    /// Whether a model serves it.
    pub(super) fn is_of_model(&self) -> bool {
        !matches!(self, Self::Tool { .. })
    }
}
