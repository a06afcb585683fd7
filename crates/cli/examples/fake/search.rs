//! Searches of the tests' worker: real ones, of a made-up policy and critic.

use configs::RunConfig;
use search::Search;
use search::job::Question;
use search::log::{Sink, Writer, resume};
use search::scripted::{Coupling, Ending, Scripted, questions};
use search::serving::serve;
use search::settings::{Settings, limits};
use tracking::RunFolder;

/// Searches what the run's folder asks, one question after the other; how many there were.
pub fn search(run: &RunFolder) -> Option<u64> {
    let text = std::fs::read_to_string(run.config()).ok()?;
    let Ok(RunConfig::Search(config)) = RunConfig::from_toml("config.toml", &text) else {
        return None;
    };
    let asked = std::fs::read_to_string(run.questions()).map_or_else(
        |_| questions(0, config.questions.count.unwrap_or(3)).collect(),
        |text| text.lines().map(question).collect::<Vec<Question>>(),
    );
    std::fs::create_dir_all(run.searches()).expect("a folder for logs");
    let mut backend = Scripted::new(&config.scripted, config.seed, Ending::Critic, Coupling::Job);
    for question in &asked {
        let path = run.searches().join(format!("{}.jsonl", question.id));
        let (search, writer) = if path.exists() {
            resume(&path).expect("a log that can be replayed")
        } else {
            let settings = Settings::of(&config);
            let mut search = Search::new(&settings, question.clone(), limits(&config), config.seed)
                .expect("a budget that suffices");
            let file = std::fs::File::create(&path).expect("a log");
            let mut writer = Writer::new(file);
            writer.record(search.events()).expect("a log");
            (search, writer)
        };
        serve(search, writer, &mut backend, 1).expect("a whole search");
    }
    Some(asked.len() as u64)
}

fn question(line: &str) -> Question {
    let value: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let id = value["id"].as_str().unwrap_or("q1");
    Question::new(id, value["question"].as_str().expect("a question"))
}
