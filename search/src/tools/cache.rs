//! Answers calls that were made before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Tool, ToolError, ToolReply};

/// A tool that keeps its replies by their input. Failures are not kept. A call costs the same either way: what a search may
/// spend does not depend on what others asked before.
pub struct Cached<T> {
    tool: T,
    replies: Mutex<HashMap<String, ToolReply>>,
}

impl<T: Tool> Cached<T> {
    /// Keeps the replies of this one.
    pub fn new(tool: T) -> Self {
        Self {
            tool,
            replies: Mutex::default(),
        }
    }

    /// How many replies are kept.
    pub fn len(&self) -> usize {
        self.replies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Tool> Tool for Cached<T> {
    fn name(&self) -> &str {
        self.tool.name()
    }

    fn purpose(&self) -> &str {
        self.tool.purpose()
    }

    fn input(&self) -> &str {
        self.tool.input()
    }

    fn cost(&self) -> u64 {
        self.tool.cost()
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        // A panic while the map was held left it whole: entries are added at once.
        let kept = |cache: &Self| {
            let replies = cache.replies.lock().unwrap_or_else(PoisonError::into_inner);
            replies.get(input).cloned()
        };
        if let Some(reply) = kept(self) {
            return Ok(reply);
        }
        let reply = self.tool.call(input)?;
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        replies.insert(input.to_owned(), reply.clone());
        Ok(reply)
    }
}
