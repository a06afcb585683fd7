//! Makes a tool fail, to see what a search does about it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Tool, ToolError, ToolReply};
use crate::world::random::Draws;

/// A tool of which a share of the calls fails.
///
/// Whether the first, second, .. call with an input fails is decided by the seed alone, in whatever order calls come.
pub struct Failing<T> {
    tool: T,
    rate: f64,
    seed: u64,
    calls: Mutex<HashMap<String, u64>>,
}

impl<T: Tool> Failing<T> {
    /// Fails with probability `rate`.
    pub fn new(tool: T, rate: f64, seed: u64) -> Self {
        Self {
            tool,
            rate,
            seed,
            calls: Mutex::default(),
        }
    }
}

impl<T: Tool> Tool for Failing<T> {
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
        let number = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let number = calls.entry(input.to_owned()).or_default();
            *number += 1;
            *number
        };
        let purpose = format!("{} {input} {number}", self.tool.name());
        if Draws::new(self.seed, &purpose).chance(self.rate) {
            let why = "made to fail by the settings".to_owned();
            return Err(ToolError::Failed { why });
        }
        self.tool.call(input)
    }
}
