//! Many requests at a time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, TryRecvError, bounded};

use crate::{Answer, Ask, Client, ServerError};

/// How often the caller is told that nothing came.
const TICK: Duration = Duration::from_millis(100);

/// What happens while requests are under way.
#[derive(Debug)]
pub enum Event {
    /// The request of this place among those given has ended.
    Answered(usize, Result<Answer, ServerError>),
    /// Nothing came for a tenth of a second.
    Waiting,
}

impl Client {
    /// Sends all requests, as many at a time as the settings say, and tells of each as it ends, in that
    /// order, on this thread. `Break` breaks those under way off and returns.
    ///
    /// # Errors
    /// [`ServerError::Stopped`] after `Break`; no thread at all. What keeps a request from being answered
    /// is told with it.
    pub fn chat_all(
        &self,
        asks: &[Ask],
        told: &mut dyn FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(), ServerError> {
        let agent = self.agent();
        let threads = self.concurrency.min(asks.len());
        let (ended, stop) = bounded::<()>(0);
        let (sender, answers) = bounded(threads.max(1));
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut started = 0;
            let mut failure = None;
            for _ in 0..threads {
                let (agent, stop, sender, next) = (&agent, &stop, sender.clone(), &next);
                let work = move || {
                    while let Some((place, ask)) = {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        asks.get(place).map(|ask| (place, ask))
                    } {
                        let answer = self.chat(agent, ask, stop);
                        let stopped = stop.try_recv() == Err(TryRecvError::Disconnected);
                        if stopped || sender.send((place, answer)).is_err() {
                            return;
                        }
                    }
                };
                let builder = thread::Builder::new().name("requests".to_owned());
                match builder.spawn_scoped(scope, work) {
                    Ok(_) => started += 1,
                    // The threads there are do all the work.
                    Err(error) => failure = Some(error.to_string()),
                }
            }
            drop(sender);
            if let (0, Some(why)) = (started, failure) {
                return Err(ServerError::Threads(why));
            }
            loop {
                let event = match answers.recv_timeout(TICK) {
                    Ok((place, answer)) => Event::Answered(place, answer),
                    Err(RecvTimeoutError::Timeout) => Event::Waiting,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                };
                if told(event).is_break() {
                    // Ends pauses, then waits for answers, then the requests themselves.
                    drop((ended, answers));
                    agent.clone().shutdown();
                    return Err(ServerError::Stopped);
                }
            }
        })
    }
}
