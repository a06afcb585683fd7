//! What a job is told, by signals and through the control socket.

use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded, select};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use tracking::ControlCommand;

use crate::exit::LEFT_AT_ONCE;

/// Commands that may wait for the training.
const WAITING: usize = 64;

/// The threads that listen; dropped, they end.
pub struct Listeners {
    signals: Handle,
    threads: Vec<JoinHandle<()>>,
    ended: Option<Sender<()>>,
}

/// Catches SIGINT, SIGTERM and SIGHUP from here on; [`listen`] acts on those that came in
/// between.
///
/// # Errors
/// When signals cannot be caught.
pub fn catch() -> std::io::Result<Signals> {
    Signals::new([SIGINT, SIGTERM, SIGHUP])
}

/// Starts listening. The first SIGINT, SIGTERM or SIGHUP stops the training with a
/// checkpoint; the second one runs `leave` and ends the process at once.
///
/// # Errors
/// When a thread cannot be started.
pub fn listen(
    mut signals: Signals,
    control: Option<Receiver<ControlCommand>>,
    leave: impl Fn() + Send + 'static,
) -> std::io::Result<(Receiver<ControlCommand>, Listeners)> {
    let (sender, receiver) = bounded(WAITING);
    let handle = signals.handle();
    let stop = sender.clone();
    let mut threads = vec![
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for (count, _) in signals.forever().enumerate() {
                    if count > 0 {
                        leave();
                        // Not `std::process::exit`: its exit handlers would tear LibTorch down under
                        // threads that still compute.
                        signal_hook::low_level::exit(i32::from(LEFT_AT_ONCE));
                    }
                    let _ = stop.try_send(ControlCommand::Stop);
                }
            })?,
    ];
    let (ended, end) = bounded::<()>(0);
    if let Some(control) = control {
        let forward = move || {
            loop {
                select! {
                    recv(control) -> command => match command {
                        Ok(command) => {
                            let _ = sender.try_send(command);
                        }
                        Err(_) => break,
                    },
                    recv(end) -> _ => break,
                }
            }
        };
        threads.push(
            std::thread::Builder::new()
                .name("commands".to_owned())
                .spawn(forward)?,
        );
    }
    Ok((
        receiver,
        Listeners {
            signals: handle,
            threads,
            ended: Some(ended),
        },
    ))
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.signals.close();
        self.ended = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
