//! The events of a fine-tuning by self-play preference in three iterations.

use tracking::{
    Axis, Event, EventKind, Label, Progress, Response, RunState, Sample, Stage, TokenLogProb,
};

use crate::chance::Chance;

const ITERATIONS: u32 = 3;
const UPDATES: u64 = 312;
const STAGES: [(&str, u64, &str); 5] = [
    ("generate", 20_000, "prompts"),
    ("score", 20_000, "prompts"),
    ("pair", 20_000, "prompts"),
    ("train", UPDATES, "updates"),
    ("evaluate", 512, "prompts"),
];

const PROMPTS: [(&str, [&str; 3]); 6] = [
    (
        "Why is the sky blue during the day but red at sunset?",
        [
            "Air scatters short wavelengths more strongly than long ones, so daylight looks blue from every direction. At sunset the light crosses far more air; most blue is scattered away before it reaches you and red remains.",
            "The sky is blue because of the ocean's reflection, and red because the sun is hotter in the evening.",
            "Rayleigh scattering grows with the fourth power of the frequency. Overhead the path through the air is short, at the horizon it is long, which filters out the blue part.",
        ],
    ),
    (
        "Write a polite reply that declines a meeting on Friday.",
        [
            "Thank you for the invitation. I am not free on Friday; would Monday at ten suit you instead?",
            "No.",
            "Dear all, unfortunately I cannot make it on Friday. Please go ahead without me, and I will read the notes afterwards.",
        ],
    ),
    (
        "A train leaves at 14:35 and arrives at 17:10. How long is the journey?",
        [
            "From 14:35 to 17:35 would be three hours; 25 minutes less makes 2 hours 35 minutes.",
            "3 hours and 35 minutes.",
            "2 h 35 min.",
        ],
    ),
    (
        "Explain to a child what a database index does.",
        [
            "Imagine a book without a list of pages: to find the dragon you read everything. An index is the list at the end that says on which page the dragon is.",
            "An index is a B-tree with a logarithmic look-up.",
            "It is like the labels on the drawers of a big cupboard: you open one drawer instead of all of them.",
        ],
    ),
    (
        "日本の首都はどこですか。人口も教えてください。",
        [
            "日本の首都は東京です。東京都の人口は約1400万人です。",
            "京都です。",
            "首都は東京で、都の人口はおよそ千四百万人、首都圏では三千七百万人ほどです。",
        ],
    ),
    (
        "List the steps to change a bicycle tyre.",
        [
            "1. Take the wheel out.\n2. Lift one side of the tyre over the rim with levers.\n3. Pull out the tube and look for what made the hole.\n4. Put in the new tube, slightly inflated.\n5. Press the tyre back by hand, inflate, and refit the wheel.",
            "Buy a new bicycle.",
            "1.\tlevers\n2.\tnew tube\n3.\tpump\nRemember to check the rim tape \u{1f6b2}.",
        ],
    ),
];

/// All events, numbered from 0.
pub fn events() -> Vec<Event> {
    let mut log = Log {
        events: Vec::new(),
        time: 1_795_500_000.0,
        chance: Chance(7),
        progress: Progress::default(),
    };
    log.push(EventKind::State {
        state: RunState::Running,
        progress: Progress::default(),
        message: String::new(),
    });
    for iteration in 1..=ITERATIONS {
        for (index, (name, total, unit)) in STAGES.into_iter().enumerate() {
            let stage = Stage {
                iteration,
                iterations: ITERATIONS,
                name: name.to_owned(),
                index: index as u32 + 1,
                count: STAGES.len() as u32,
                done: 0,
                total,
                unit: unit.to_owned(),
                progress: log.progress,
            };
            log.stage(&stage);
            // The recording ends in the middle of the last training.
            if iteration == ITERATIONS && name == "train" {
                return log.events;
            }
        }
    }
    log.events
}

struct Log {
    events: Vec<Event>,
    time: f64,
    chance: Chance,
    progress: Progress,
}

impl Log {
    fn push(&mut self, kind: EventKind) {
        self.time += 1.5;
        self.progress.seconds += 1.5;
        self.events.push(Event {
            version: 1,
            sequence: self.events.len() as u64,
            time: self.time,
            kind,
        });
    }

    fn stage(&mut self, stage: &Stage) {
        let last = stage.iteration == ITERATIONS && stage.name == "train";
        let parts = if stage.name == "train" { 13 } else { 4 };
        let until = if last { 6 } else { parts };
        let before = self.progress.updates;
        for part in 0..=until {
            let done = stage.total * part / parts;
            if stage.name == "train" {
                self.progress.updates = before + done;
                self.metrics(stage.iteration);
            }
            if (stage.name == "generate" && part > 0) || (stage.name == "train" && part % 6 == 5) {
                self.sample(stage.iteration);
            }
            let progress = self.progress;
            self.push(EventKind::Stage(Stage {
                done,
                progress,
                ..stage.clone()
            }));
        }
        if stage.name == "evaluate" {
            self.win_rate(stage.iteration);
        }
    }

    fn scalar(&mut self, name: &str, value: f64) {
        let step = self.progress.updates;
        self.push(EventKind::Scalar {
            name: name.to_owned(),
            value,
            axis: Axis::LearnerUpdates,
            step,
        });
    }

    fn metrics(&mut self, iteration: u32) {
        let learnt = self.progress.updates as f64 / (UPDATES * u64::from(ITERATIONS)) as f64;
        let in_iteration = (self.progress.updates % UPDATES) as f64 / UPDATES as f64;
        let noise = |chance: &mut Chance| chance.share() - 0.5;
        let chosen = -142.0 + 9.0 * learnt + 3.0 * noise(&mut self.chance);
        let rejected = -151.0 - 14.0 * learnt + 4.0 * noise(&mut self.chance);
        // The reference is the policy of the iteration before: margins start anew.
        let margin = 0.004 * in_iteration + 0.001 * noise(&mut self.chance);
        let accuracy = 0.5 + 0.3 * in_iteration + 0.05 * noise(&mut self.chance);
        let length = 205.0 + 40.0 * learnt + 12.0 * noise(&mut self.chance);
        self.scalar("finetune/loss", 1.9e5 - 2.0e4 * in_iteration);
        self.scalar("finetune/reward_margin", margin);
        self.scalar("finetune/chosen_log_prob", chosen);
        self.scalar("finetune/rejected_log_prob", rejected);
        self.scalar("finetune/reward_accuracy", accuracy.min(1.0));
        self.scalar("finetune/kl", 0.02 + 0.3 * in_iteration);
        self.scalar("finetune/chosen_length", length);
        self.scalar(
            "finetune/rejected_length",
            length + 18.0 * f64::from(iteration),
        );
    }

    fn win_rate(&mut self, iteration: u32) {
        let rate = 0.5 + 0.06 * f64::from(iteration);
        // Wilson's interval of 512 comparisons.
        let half = 1.96 * (rate * (1.0 - rate) / 512.0).sqrt();
        self.scalar("preference/win_rate", rate);
        self.scalar("preference/win_rate_low", rate - half);
        self.scalar("preference/win_rate_high", rate + half);
    }

    fn sample(&mut self, iteration: u32) {
        let (prompt, texts) = PROMPTS[self.chance.below(PROMPTS.len())];
        let mut responses: Vec<Response> = (0..5)
            .map(|index| self.response(texts[index % texts.len()], index))
            .collect();
        let rate = |response: &Response| response.win_rate.unwrap_or(0.5);
        let by_rate = |best: bool| {
            let order = |left: &usize, right: &usize| {
                let order = rate(&responses[*left]).total_cmp(&rate(&responses[*right]));
                if best { order } else { order.reverse() }
            };
            (0..responses.len()).max_by(order).unwrap_or(0)
        };
        let (best, worst) = (by_rate(true), by_rate(false));
        responses[best].label = Some(Label::Chosen);
        responses[worst].label = Some(Label::Rejected);
        let sample = Sample {
            axis: Axis::LearnerUpdates,
            step: self.progress.updates,
            iteration,
            prompt: prompt.to_owned(),
            responses,
        };
        self.push(EventKind::Sample(sample));
    }

    fn response(&mut self, text: &str, index: usize) -> Response {
        let quality = (text.chars().count() as f64 / 200.0).min(1.0);
        let win_rate = 0.25 + 0.4 * quality + 0.1 * self.chance.share();
        // Only the first two keep their tokens, as a job would to save space.
        let token_log_probs: Vec<TokenLogProb> = if index < 2 {
            let words = text.split_inclusive(' ');
            words
                .map(|word| {
                    TokenLogProb(word.to_owned(), rounded(-self.chance.share().powi(3) * 6.0))
                })
                .collect()
        } else {
            Vec::new()
        };
        let tokens = text.split_inclusive(' ').count() as u64;
        let log_prob = rounded(-(tokens as f64) * (1.1 + 0.3 * self.chance.share()));
        Response {
            text: text.to_owned(),
            win_rate: Some(rounded(win_rate)),
            log_prob: Some(log_prob),
            reference_log_prob: Some(rounded(log_prob - self.chance.share())),
            tokens,
            token_log_probs,
            ..Response::default()
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
