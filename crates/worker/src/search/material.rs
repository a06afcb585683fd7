//! What a run is made of: questions, and the documents that tools search for them.

use std::path::Path;
use std::sync::Arc;

use configs::search::{ModelKind, QuestionFormat, QuestionsConfig, QuestionsKind, SearchConfig};
use search::datasets::{self, Format};
use search::job::Question;
use search::metrics::Variant;
use search::scripted;
use search::tools::collection::Collection;
use search::world::questions::{MADE_UP, QuestionSettings, Questions};
use search::world::{World, WorldSettings};

use crate::exit::{BAD_CONFIG, Failure};

use super::questions::Asked;

/// Questions, and what there is to be searched for them.
pub struct Material {
    /// What is asked.
    pub asked: Vec<Asked>,
    /// What tools search.
    pub documents: Arc<Collection>,
    /// How answers are scored by the questions' format.
    pub metric: Variant,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Loads what the configuration names; `given` are other questions about the same documents.
///
/// # Errors
/// A file that cannot be read, a world that cannot be made, no question at all.
pub fn load(
    config: &SearchConfig,
    given: Option<(Vec<Asked>, Variant)>,
) -> Result<Material, Failure> {
    let mut material = match (config.model.kind, config.questions.kind) {
        (ModelKind::Scripted, _) => Material {
            asked: chains(&config.questions),
            documents: Arc::new(Collection::new(Vec::new())),
            metric: Variant::Squad,
            notes: Vec::new(),
        },
        (_, QuestionsKind::World) => of_world(config, given.is_none())?,
        (_, QuestionsKind::File) => of_file(config)?,
        (_, QuestionsKind::Text) => of_text(config)?,
    };
    if let Some((asked, metric)) = given {
        (material.asked, material.metric) = (asked, metric);
    }
    if material.asked.is_empty() {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "no question is left: questions.offset = {} passes over all of them - lower it",
                config.questions.offset
            ),
        ));
    }
    Ok(material)
}

/// Those that are wanted, of all.
fn chosen<T>(config: &QuestionsConfig, all: impl IntoIterator<Item = T>) -> Vec<T> {
    let offset = usize::try_from(config.offset).unwrap_or(usize::MAX);
    let count = config.count.unwrap_or(u64::MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    all.into_iter().skip(offset).take(count).collect()
}

fn chains(config: &QuestionsConfig) -> Vec<Asked> {
    scripted::questions(config.offset, config.count.unwrap_or(MADE_UP))
        .map(|question| Asked {
            question,
            expected: vec![scripted::RIGHT.to_owned()],
        })
        .collect()
}

/// The made-up world of the settings.
pub fn world(config: &SearchConfig) -> Result<World, Failure> {
    World::new(WorldSettings::of(&config.world))
        .map_err(|error| Failure::new(BAD_CONFIG, error.to_string()))
}

fn of_world(config: &SearchConfig, ask: bool) -> Result<Material, Failure> {
    let world = world(config)?;
    let mut notes = Vec::new();
    let mut asked = Vec::new();
    if ask {
        let settings = QuestionSettings::of(&config.world);
        let mut questions = Questions::new(&world, &settings, config.world.seed)
            .map_err(|error| Failure::new(BAD_CONFIG, error.to_string()))?;
        let wanted = config.questions.count.unwrap_or(MADE_UP);
        let last = wanted.saturating_add(config.questions.offset);
        let made = std::iter::from_fn(|| questions.make()).take(last as usize);
        asked = chosen(&config.questions, made)
            .into_iter()
            .map(|made| Asked {
                question: Question::new(&made.id, &made.text),
                expected: made.answers,
            })
            .collect();
        if (asked.len() as u64) < wanted {
            notes.push(format!(
                "the world has {} such questions, {wanted} were wanted - raise world.entities",
                asked.len()
            ));
        }
    }
    Ok(Material {
        asked,
        documents: Arc::clone(&world.collection),
        metric: Variant::Squad,
        notes,
    })
}

fn of_text(config: &SearchConfig) -> Result<Material, Failure> {
    let questions = &config.questions;
    let text = questions.text.as_deref().unwrap_or_default();
    let documents = match &questions.documents {
        Some(path) => documents(Path::new(path))?,
        None => Arc::clone(&world(config)?.collection),
    };
    Ok(Material {
        asked: vec![Asked {
            question: Question::new("q1", text),
            expected: questions.expected.iter().cloned().collect(),
        }],
        documents,
        metric: Variant::Squad,
        notes: Vec::new(),
    })
}

fn of_file(config: &SearchConfig) -> Result<Material, Failure> {
    let questions = &config.questions;
    let path = Path::new(questions.path.as_deref().unwrap_or_default());
    let format = match questions.format {
        QuestionFormat::Auto => None,
        QuestionFormat::Hotpotqa => Some(Format::Hotpotqa),
        QuestionFormat::TwoWiki => Some(Format::TwoWiki),
        QuestionFormat::Musique => Some(Format::Musique),
        QuestionFormat::Bamboogle => Some(Format::Bamboogle),
        QuestionFormat::Plain => Some(Format::Plain),
    };
    let aliases = questions.aliases.as_deref().map(Path::new);
    let read = datasets::read(path, format, aliases)?;
    let mut notes = Vec::new();
    if read.left_out > 0 {
        let (noun, verb) = match read.left_out {
            1 => ("question", "is"),
            _ => ("questions", "are"),
        };
        notes.push(format!(
            "{} {noun} of {} {verb} marked as not answerable and left out",
            read.left_out,
            path.display()
        ));
    }
    let own = read.passages;
    let documents = match &questions.documents {
        Some(path) => documents(Path::new(path))?,
        None => Arc::new(Collection::new(own)),
    };
    let tools = &config.tools;
    if documents.passages().is_empty() && (tools.search || tools.lookup) {
        notes.push(format!(
            "there are no documents to be searched: {} has none - name some with questions.documents",
            path.display()
        ));
    }
    Ok(Material {
        asked: chosen(questions, read.questions.into_iter().map(Asked::from)),
        documents,
        metric: read.format.metric(),
        notes,
    })
}

fn documents(path: &Path) -> Result<Arc<Collection>, Failure> {
    Ok(Arc::new(Collection::new(datasets::read_passages(path)?)))
}
