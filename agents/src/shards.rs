//! Data-parallel gradients: each shard takes an equal part of every batch.
//!
//! The parts and the order of summation are fixed, so the result does not depend on
//! timing. Small networks gain more from two threads with half a batch each than from
//! two threads inside every LibTorch operation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::AgentsError;

/// Work on one part of a batch, on one thread.
pub trait Shard: Send + 'static {
    /// A part of a batch.
    type Part: Send + 'static;
    /// What comes back.
    type Output: Send + 'static;

    /// Works on one part.
    ///
    /// # Errors
    /// LibTorch's.
    fn work(&mut self, part: Self::Part) -> Result<Self::Output, AgentsError>;
}

/// One shard on the calling thread, the others on threads of their own.
pub struct Shards<S: Shard> {
    local: S,
    remote: Vec<Remote<S>>,
}

struct Remote<S: Shard> {
    name: String,
    parts: Option<Sender<S::Part>>,
    outputs: Receiver<Result<S::Output, AgentsError>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Shard> Shards<S> {
    /// The first shard works on the calling thread.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(mut shards: Vec<S>) -> Result<Self, AgentsError> {
        let local = shards.remove(0);
        let remote = shards
            .into_iter()
            .enumerate()
            .map(|(index, shard)| Remote::start(format!("learner-shard-{}", index + 1), shard))
            .collect::<Result<_, _>>()?;
        Ok(Self { local, remote })
    }

    /// Number of shards.
    pub fn count(&self) -> usize {
        1 + self.remote.len()
    }

    /// Works on at most one part per shard; the outputs come in the order of the parts.
    ///
    /// # Errors
    /// The first error of any shard; a shard that panicked, by name.
    pub fn work(&mut self, parts: Vec<S::Part>) -> Result<Vec<S::Output>, AgentsError> {
        let mut parts = parts.into_iter();
        let first = parts.next();
        let asked = parts.len().min(self.remote.len());
        for (remote, part) in self.remote.iter().zip(parts) {
            let sent = remote
                .parts
                .as_ref()
                .is_some_and(|sender| sender.send(part).is_ok());
            if !sent {
                return Err(remote.died());
            }
        }
        let mut outputs = Vec::with_capacity(self.count());
        let local = first.map(|part| self.local.work(part));
        for remote in &self.remote[..asked] {
            outputs.push(remote.outputs.recv().map_err(|_| remote.died())?);
        }
        local.into_iter().chain(outputs).collect()
    }
}

impl<S: Shard> Remote<S> {
    fn start(name: String, mut shard: S) -> Result<Self, AgentsError> {
        let (parts, inbox) = bounded::<S::Part>(1);
        let (outbox, outputs) = bounded(1);
        let thread_name = name.clone();
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                nn::runtime::enter_thread();
                for part in inbox {
                    let result = catch_unwind(AssertUnwindSafe(|| shard.work(part)))
                        .unwrap_or_else(|payload| {
                            Err(AgentsError::Thread {
                                thread: thread_name.clone(),
                                reason: AgentsError::panic_text(payload.as_ref()),
                            })
                        });
                    if outbox.send(result).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| AgentsError::Thread {
                thread: name.clone(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            name,
            parts: Some(parts),
            outputs,
            thread: Some(thread),
        })
    }

    fn died(&self) -> AgentsError {
        AgentsError::Thread {
            thread: self.name.clone(),
            reason: "it stopped answering".to_owned(),
        }
    }
}

impl<S: Shard> Drop for Remote<S> {
    fn drop(&mut self) {
        self.parts = None;
        if let Some(thread) = self.thread.take() {
            // A panic was already turned into an error value inside the thread.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Doubler;
    impl Shard for Doubler {
        type Part = i32;
        type Output = i32;
        fn work(&mut self, part: i32) -> Result<i32, AgentsError> {
            assert!(part >= 0, "negative part");
            Ok(2 * part)
        }
    }

    #[test]
    fn outputs_come_in_order() {
        let mut shards = Shards::start(vec![Doubler, Doubler, Doubler]).unwrap();
        assert_eq!(shards.work(vec![1, 2, 3]).unwrap(), [2, 4, 6]);
        assert_eq!(shards.work(vec![4, 5, 6]).unwrap(), [8, 10, 12]);
        assert_eq!(
            shards.work(vec![7, 8]).unwrap(),
            [14, 16],
            "a part for two of three"
        );
    }

    #[test]
    fn a_panic_becomes_an_error_with_the_thread_and_the_reason() {
        let mut shards = Shards::start(vec![Doubler, Doubler]).unwrap();
        let message = shards.work(vec![1, -1]).unwrap_err().to_string();
        assert!(message.contains("learner-shard-1") && message.contains("negative part"));
    }
}
