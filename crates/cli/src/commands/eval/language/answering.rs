//! How a model answers: what flags say, else what `--set` says, else what its run does.

use configs::finetune::{Algorithm, FinetuneConfig, Thinking};

use crate::arguments::LanguageEvaluation;
use crate::failure::Failure;

/// Settings of `data` and `generation` that an evaluation has not, and what to do instead.
const NOT_HERE: [(&str, &str); 8] = [
    ("data.path", "say --problems or --prompts"),
    ("data.evaluation", "say --problems or --prompts"),
    ("data.rows", "say --limit"),
    (
        "data.max_prompt_tokens",
        "leave it out: an evaluation leaves no prompt out",
    ),
    ("data.max_tokens", "say --max-new"),
    ("generation.responses", "say --samples"),
    (
        "generation.kind",
        "leave it out: the model answers by itself",
    ),
    (
        "generation.server",
        "leave it out: the model answers by itself",
    ),
];

/// How a model answers; what is left out is the worker's to choose.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answering {
    thinking: Option<&'static str>,
    samples: u64,
    greedy: bool,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u64>,
    max_new: Option<u64>,
    /// Whether anything of it comes from a run.
    of_run: bool,
}

/// A setting that an evaluation would not heed is refused, so that no figure is taken for another.
pub(super) fn check(sets: &[String]) -> Result<(), Failure> {
    for set in sets {
        let path = set.split('=').next().unwrap_or_default().trim();
        let within = |name: &str| path == name || path.starts_with(&format!("{name}."));
        if let Some((_, instead)) = NOT_HERE.iter().find(|(name, _)| within(name)) {
            return Err(Failure::arguments(format!(
                "--set {set}: an evaluation does not have this - {instead}"
            )));
        }
    }
    Ok(())
}

impl Answering {
    /// By `config`, the run's settings with `--set` over them; `run` are the run's own, where the
    /// model is a run's. A run is measured as it measures itself, so that both figures agree.
    pub(super) fn new(
        wanted: &LanguageEvaluation,
        config: &FinetuneConfig,
        run: Option<&FinetuneConfig>,
    ) -> Self {
        // A tool's answer file is made as the tool says; of a run it has the way of thinking.
        let run_samples = run.filter(|_| wanted.export.is_none());
        let samples = wanted
            .samples
            .or(run_samples.map(|run| run.evaluation.responses as u64))
            .unwrap_or(1);
        let mut said = Self {
            thinking: thinking(wanted, config, run),
            samples,
            greedy: wanted.greedy,
            temperature: wanted.temperature,
            top_p: wanted.top_p,
            top_k: wanted.top_k,
            max_new: wanted.max_new,
            of_run: run.is_some(),
        };
        let set = |name: &str| {
            let path = format!("generation.{name}");
            let paths = wanted.sets.iter().filter_map(|set| set.split('=').next());
            paths.map(str::trim).any(|one| one == path)
        };
        let named = |said: &Self| {
            said.temperature.is_some() || said.top_p.is_some() || said.top_k.is_some()
        };
        let sampled = named(&said) || ["temperature", "top_p", "top_k"].into_iter().any(set);
        // One answer of a run is its best, as in its own evaluations.
        if run_samples.is_some() && samples == 1 && !sampled {
            said.greedy = true;
        }
        let generation = &config.generation;
        let heeded = |name: &str| !said.greedy && (run_samples.is_some() || set(name));
        let temperature = heeded("temperature").then_some(generation.temperature);
        let top_p = heeded("top_p").then_some(generation.top_p);
        let top_k = heeded("top_k").then_some(generation.top_k);
        let max_new = (run_samples.is_some() || set("max_new_tokens"))
            .then_some(generation.max_new_tokens as u64);
        said.temperature = said.temperature.or(temperature);
        said.top_p = said.top_p.or(top_p);
        said.top_k = said.top_k.or(top_k);
        said.max_new = said.max_new.or(max_new);
        said
    }

    /// What is told of a run's way; none for a model, which has none of its own.
    pub(super) fn told(&self) -> Option<String> {
        if !self.of_run {
            return None;
        }
        let mut parts = vec![format!(
            "thinking {}",
            self.thinking.unwrap_or("as the chat template does")
        )];
        parts.push(match self.samples {
            1 => "1 answer to each prompt".to_owned(),
            several => format!("{several} answers to each prompt"),
        });
        if self.greedy {
            parts.push("greedy".to_owned());
        }
        parts.extend(self.temperature.map(|value| format!("temperature {value}")));
        parts.extend(self.top_p.map(|value| format!("top-p {value}")));
        let top_k = self.top_k.filter(|value| *value > 0);
        parts.extend(top_k.map(|value| format!("top-k {value}")));
        parts.extend(
            self.max_new
                .map(|value| format!("at most {value} new tokens")),
        );
        Some(format!(
            "answering as the run and the flags say: {} - change it with --thinking, --samples, --greedy, --temperature, --top-p, --top-k and --max-new",
            parts.join(", ")
        ))
    }

    /// Flags of the worker.
    pub(super) fn words(&self) -> Vec<String> {
        let values = [
            ("samples", Some(self.samples.to_string())),
            ("thinking", self.thinking.map(str::to_owned)),
            (
                "temperature",
                self.temperature.map(|value| value.to_string()),
            ),
            ("top-p", self.top_p.map(|value| value.to_string())),
            ("top-k", self.top_k.map(|value| value.to_string())),
            ("max-new", self.max_new.map(|value| value.to_string())),
        ];
        let values = values
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
        values
            .chain(self.greedy.then(|| "--greedy".to_owned()))
            .collect()
    }
}

/// Whether traces are asked for.
fn thinking(
    wanted: &LanguageEvaluation,
    config: &FinetuneConfig,
    run: Option<&FinetuneConfig>,
) -> Option<&'static str> {
    match wanted.thinking.as_deref() {
        Some("on") => return Some("on"),
        Some("off") => return Some("off"),
        Some(_) => return Some("both"),
        None => {}
    }
    match config.data.thinking {
        Thinking::On => Some("on"),
        Thinking::Off => Some("off"),
        // BVPO evaluates both ways, which a comparison and an answer file cannot.
        Thinking::Auto => (wanted.problems.is_some()
            && run.is_some_and(|run| run.algorithm.kind == Algorithm::Bvpo))
        .then_some("both"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems() -> LanguageEvaluation {
        LanguageEvaluation {
            problems: Some("arithmetic".to_owned()),
            ..LanguageEvaluation::default()
        }
    }

    fn run() -> FinetuneConfig {
        let mut run = FinetuneConfig::default();
        run.data.thinking = Thinking::Off;
        run.evaluation.responses = 4;
        run.generation.temperature = 0.7;
        run.generation.top_p = 0.9;
        run.generation.max_new_tokens = 48;
        run
    }

    #[test]
    fn a_run_is_evaluated_as_it_evaluates_itself() {
        let run = run();
        let way = Answering::new(&problems(), &run, Some(&run));
        let words = [
            "--samples=4",
            "--thinking=off",
            "--temperature=0.7",
            "--top-p=0.9",
            "--top-k=0",
            "--max-new=48",
        ];
        assert_eq!(way.words(), words);
        let told = way.told().expect("a sentence");
        assert!(told.contains("thinking off, 4 answers"), "{told}");
        // One answer is the best one, unless a flag or a setting says how to sample.
        let mut single = run.clone();
        single.evaluation.responses = 1;
        let way = Answering::new(&problems(), &single, Some(&single));
        assert_eq!(
            way.words(),
            ["--samples=1", "--thinking=off", "--max-new=48", "--greedy"]
        );
        let mut wanted = problems();
        wanted.sets.push("generation.temperature=0.7".to_owned());
        let way = Answering::new(&wanted, &single, Some(&single));
        assert_eq!((way.greedy, way.temperature), (false, Some(0.7)));
    }

    #[test]
    fn flags_win_over_the_run_and_a_model_has_only_what_is_said() {
        let run = run();
        let mut wanted = problems();
        wanted.thinking = Some("both".to_owned());
        wanted.samples = Some(1);
        wanted.max_new = Some(9);
        let way = Answering::new(&wanted, &run, Some(&run));
        assert_eq!(
            way.words(),
            ["--samples=1", "--thinking=both", "--max-new=9", "--greedy"]
        );
        let plain = FinetuneConfig::default();
        let way = Answering::new(&problems(), &plain, None);
        assert_eq!(
            (way.words(), way.told()),
            (vec!["--samples=1".to_owned()], None)
        );
        let mut wanted = problems();
        wanted.sets = vec![
            "data.thinking=off".to_owned(),
            "generation.top_p=0.9".to_owned(),
        ];
        let way = Answering::new(&wanted, &run, None);
        assert_eq!(
            way.words(),
            ["--samples=1", "--thinking=off", "--top-p=0.9"]
        );
    }

    #[test]
    fn what_an_evaluation_would_not_heed_is_refused() {
        let refused = |set: &str| check(&[set.to_owned()]).expect_err(set).message;
        assert!(refused("generation.responses=8").contains("--samples"));
        assert!(refused("data.rows=8").contains("--limit"));
        assert!(refused("generation.server.url=\"x\"").contains("by itself"));
        assert!(check(&["generation.temperature=0.5".to_owned()]).is_ok());
    }
}
