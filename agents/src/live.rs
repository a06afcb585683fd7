//! Episodes of the training itself, for whoever watches it.

use std::ops::Range;
use std::sync::Arc;

use tracking::{LiveFrame, LiveStage, LiveWatcher};

use crate::rollout::Moment;

/// Shows one actor's environments to those who watch them.
pub(crate) struct Showing {
    stage: Arc<LiveStage>,
    environments: Range<usize>,
    watchers: Vec<LiveWatcher>,
}

impl Showing {
    /// `environments`: which of the run's environments are this actor's.
    pub(crate) fn new(stage: Arc<LiveStage>, environments: Range<usize>) -> Self {
        Self {
            stage,
            environments,
            watchers: Vec::new(),
        }
    }

    /// Sees every moment. With no watcher this is one relaxed read per round.
    pub(crate) fn see(&mut self, moment: &Moment) {
        if moment.rewards.is_empty() {
            self.watchers = self.stage.waiting(self.environments.clone());
        }
        self.watchers.retain(|watcher| {
            let index = watcher.environment() - self.environments.start;
            let frame = frame(watcher.environment(), index, moment);
            let goes_on = !frame.over;
            watcher.show(frame);
            goes_on
        });
    }
}

/// The moment of one environment of the batch.
fn frame(environment: usize, index: usize, moment: &Moment) -> LiveFrame {
    let agents = moment.environment.spec().agents;
    let own = index * agents..(index + 1) * agents;
    let scene = moment.environment.scene(index);
    let call = moment.calls.get(index).filter(|_| moment.running[index]);
    LiveFrame {
        environment,
        step: scene.step as u64,
        scene: serde_json::to_value(&scene).expect("a scene is plain data"),
        central: call.map(|&call| call == 1),
        budget_left: moment.budget_left(index),
        episode_return: moment.returns[index],
        reward: moment.rewards.get(own.clone()).unwrap_or(&[]).iter().sum(),
        actions: moment.actions.get(own).unwrap_or(&[]).to_vec(),
        over: !moment.running[index],
    }
}

#[cfg(test)]
mod tests {
    use configs::train::{Execution, TrainConfig};
    use envs::ResetMode;
    use nn::parameters::Parameters;
    use tch::Device;
    use tracking::{ControlServer, LiveFrames, NewRun, RunFolder};

    use super::*;
    use crate::rollout::{ActingStreams, PlayOrder, Rollout};
    use crate::team::Team;

    #[test]
    fn a_watcher_sees_whole_episodes_of_his_environment_and_others_cost_nothing() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(root.path(), &NewRun::default()).unwrap();
        let stage = LiveStage::new(8);
        let (_commands, _server) = ControlServer::start_on_stage(&run, stage.clone()).unwrap();
        let limit = std::time::Duration::from_secs(5);
        let mut frames = LiveFrames::open(&run, 5, limit).unwrap();
        while stage.waiting(0..8).is_empty() {
            std::thread::yield_now();
        }

        let options = envs::EnvironmentOptions::default();
        let make = || envs::make("Foraging-5x5-2p-1f-v3", &options);
        let batch = envs::vectorise(&make, 4, ResetMode::Hold, 1).unwrap();
        let config = TrainConfig::default();
        let team = Arc::new(Team::new(&config, batch.spec()));
        let parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
        let mut rollout = Rollout::new(batch, team, parameters, true, false);
        let mut streams = ActingStreams::new(1, "exploration", 0);
        let mut showing = Showing::new(stage.clone(), 4..8);
        let order = PlayOrder::greedy(1.0, Execution::Mansa);
        let mut play = || {
            let see = |moment: &Moment| showing.see(moment);
            rollout.play(&order, &mut streams, see).unwrap()
        };
        let played = play();
        play(); // he still has frames to see: this one is not for him

        let mut steps = Vec::new();
        let last = loop {
            let frame = frames.next(limit).unwrap().expect("a frame");
            steps.push(frame.step);
            assert_eq!(frame.environment, 5);
            assert_eq!(frame.central, None, "there is no switch");
            assert_eq!(frame.actions.len(), if frame.step == 0 { 0 } else { 2 });
            assert!(frame.scene["marks"].as_array().unwrap().len() >= 2);
            if frame.over {
                break frame;
            }
        };
        let length = played.lengths[1] as u64;
        // On a busy machine some frames wait unread: those before the newest are skipped.
        assert!(steps.is_sorted_by(|one, next| one < next), "{steps:?}");
        assert_eq!(steps.last(), Some(&length));
        let first = steps.first().copied().unwrap_or(length);
        assert!(
            first < length / 2,
            "the episode from its beginning: {steps:?}"
        );
        assert_eq!(last.episode_return, played.returns[1]);
        let beyond = frames.next(std::time::Duration::from_millis(300)).unwrap();
        assert_eq!(beyond, None);
    }

    /// Ten frames a second must stay far below a hundredth of a core, and no watcher must be
    /// as good as free. The best of many counts, since the machine may be busy.
    #[test]
    fn a_frame_costs_little_and_no_watcher_next_to_nothing() {
        let options = envs::EnvironmentOptions::default();
        let make = || envs::make("Foraging-15x15-4p-5f-v3", &options);
        let mut batch = envs::vectorise(&make, 2, ResetMode::Hold, 1).unwrap();
        let mut buffers = envs::BatchBuffers::new(batch.spec(), 2);
        batch.reset_all(&mut buffers).unwrap();
        let moment = Moment {
            environment: batch.as_ref(),
            rewards: &[0.0; 8],
            calls: &[1, 0],
            running: &[true, true],
            actions: &[0; 8],
            returns: &[0.5, 0.25],
            decision: None,
        };
        let best = |call: &mut dyn FnMut()| {
            let time = |_| {
                let start = std::time::Instant::now();
                call();
                start.elapsed()
            };
            (0..2000).map(time).min().unwrap()
        };
        let watched = best(&mut || drop(std::hint::black_box(frame(1, 1, &moment))));
        let mut showing = Showing::new(LiveStage::new(2), 0..2);
        let first = Moment {
            rewards: &[],
            ..moment
        };
        let unwatched = best(&mut || (0..1000).for_each(|_| showing.see(&first))) / 1000;
        println!("a frame: {watched:?}; a look without a watcher: {unwatched:?}");
        assert!(watched.as_micros() < 200, "{watched:?}");
        assert!(unwatched.as_nanos() < 1000, "{unwatched:?}");
    }
}
