//! What policy and critic did in a run of `concord search` about the held-out world:
//!
//! ```text
//! cargo run -p search --example world_audit -- runs/ID [WORLD_SEED [ENTITIES]]
//! ```
//!
//! For runs with the default range of hops and share of questions without an answer.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use search::log::replay;
use search::world::audit::Audit;
use search::world::questions::{QuestionSettings, Questions, WorldQuestion};
use search::world::{World, WorldSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let run = arguments.next().ok_or("give the folder of a run")?;
    let mut settings = WorldSettings::default();
    if let Some(seed) = arguments.next() {
        settings.seed = seed.parse()?;
    }
    if let Some(entities) = arguments.next() {
        settings.entities = entities.parse()?;
    }
    let world = World::new(settings)?;
    let mut maker = Questions::new(&world, &QuestionSettings::default(), world.settings.seed)?;
    let mut asked: HashMap<String, WorldQuestion> = HashMap::new();
    let mut audit = Audit::default();
    for file in fs::read_dir(Path::new(&run).join("search"))? {
        let replayed = replay(&fs::read(file?.path())?)?;
        let id = replayed.search.question().id.to_string();
        let number: usize = id.rsplit('-').next().unwrap_or_default().parse()?;
        while asked.len() <= number {
            let made = maker.make().ok_or("the world is too small")?;
            asked.insert(made.id.clone(), made);
        }
        let question = asked.get(&id).ok_or("the log is about another world")?;
        audit.add(&world, question, replayed.search.tree());
    }
    println!("{audit:#?}");
    println!("{:?}", audit.critic());
    Ok(())
}
