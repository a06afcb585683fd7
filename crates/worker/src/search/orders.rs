//! What a run is told to do: taken by its loop, and seen by whoever waits for a server meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};
use tracking::ControlCommand;

/// Commands in the order in which they came. Clones share them.
#[derive(Debug, Clone)]
pub struct Orders {
    commands: Receiver<ControlCommand>,
    /// Seen and not taken yet.
    seen: Arc<Mutex<VecDeque<ControlCommand>>>,
}

impl Orders {
    /// Commands that come this way.
    pub fn new(commands: Receiver<ControlCommand>) -> Self {
        Self {
            commands,
            seen: Arc::default(),
        }
    }

    /// Takes the next command, if one has come.
    pub fn next(&self) -> Option<ControlCommand> {
        let seen = self.seen().pop_front();
        seen.or_else(|| self.commands.try_recv().ok())
    }

    /// Takes the next command, waiting for it.
    ///
    /// # Errors
    /// None came in time, or none can come any more.
    pub fn wait(&self, limit: Duration) -> Result<ControlCommand, RecvTimeoutError> {
        match self.seen().pop_front() {
            Some(command) => Ok(command),
            None => self.commands.recv_timeout(limit),
        }
    }

    /// Whether a stop is among the commands that came; all of them stay to be taken.
    pub fn include_stop(&self) -> bool {
        let mut seen = self.seen();
        seen.extend(self.commands.try_iter());
        seen.contains(&ControlCommand::Stop)
    }

    fn seen(&self) -> MutexGuard<'_, VecDeque<ControlCommand>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crossbeam::channel::unbounded;

    use super::*;

    #[test]
    fn a_stop_is_seen_before_it_is_taken() {
        let (sender, commands) = unbounded();
        let orders = Orders::new(commands);
        let waiting = orders.clone();
        sender.send(ControlCommand::Pause).expect("an open channel");
        assert!(!waiting.include_stop());
        sender.send(ControlCommand::Stop).expect("an open channel");
        assert!(waiting.include_stop());
        assert_eq!(orders.next(), Some(ControlCommand::Pause));
        assert!(waiting.include_stop());
        assert_eq!(orders.wait(Duration::ZERO), Ok(ControlCommand::Stop));
        assert!(!waiting.include_stop());
        assert_eq!(orders.next(), None);
    }
}
