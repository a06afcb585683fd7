//! What an engine has done.

/// Counts since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Passes over the newest token of every row.
    pub steps: usize,
    /// Rows of all those passes.
    pub row_steps: usize,
    /// Those of them that gave a token somebody asked for.
    pub useful_row_steps: usize,
    /// Prompt tokens that were asked for, those of every sample counted.
    pub prompt_tokens: usize,
    /// Prompt tokens that were computed.
    pub prompt_tokens_computed: usize,
    /// Tokens that the batch had memory for, at most.
    pub cached_tokens: usize,
}

impl Statistics {
    /// How full the batch was: the part of row-steps that gave a token somebody asked for.
    pub fn occupancy(&self) -> f64 {
        self.useful_row_steps as f64 / self.row_steps.max(1) as f64
    }

    /// Prompt tokens that need not be computed, since a sample or an earlier text had them.
    pub fn prompt_tokens_saved(&self) -> usize {
        self.prompt_tokens - self.prompt_tokens_computed.min(self.prompt_tokens)
    }
}
