//! The symbolic world: the same from its seed, split by name and by composition, and judged exactly.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use std::collections::{HashMap, HashSet};
use std::path::Path;

use search::world::documents::{Content, Relevance, relevance};
use search::world::export::{ExportSettings, export};
use search::world::graph::{FactId, Object};
use search::world::names::{Kind, Split};
use search::world::progress::{Aim, Progress, judge, worth};
use search::world::questions::{Form, QuestionSettings, Questions, UNKNOWN, WorldQuestion};
use search::world::random::Draws;
use search::world::relations::{RELATIONS, Relation, composition_split};
use search::world::traces::{Lesson, TraceSettings, trace};
use search::world::vocabulary::vocabulary;
use search::world::{World, WorldError, WorldSettings};

fn world(seed: u64, split: Split) -> World {
    let entities = 600;
    World::new(WorldSettings {
        seed,
        split,
        entities,
    })
    .unwrap()
}

fn questions(world: &World, count: usize) -> Vec<WorldQuestion> {
    let mut questions = Questions::new(world, &QuestionSettings::default(), 7).unwrap();
    (0..count).map(|_| questions.make().unwrap()).collect()
}

/// The query that names a hop as its document does.
fn query(world: &World, question: &WorldQuestion, hop: usize) -> String {
    let hop = &question.hops[hop];
    let word = hop.relation.description().words[world.graph.fact(hop.fact).wording];
    format!("{word} {}", world.graph.entity(hop.subject).name)
}

#[test]
fn the_table_of_relations_is_in_the_order_of_their_names() {
    for row in &RELATIONS {
        assert_eq!(row.relation.description().words, row.words);
        for word in row.words {
            assert_eq!(Relation::of_word(word), Some(row.relation));
        }
        for (word, sentence) in row.words.iter().zip(row.sentences) {
            assert!(
                sentence.split(' ').any(|other| other == *word),
                "{sentence}"
            );
        }
    }
    let functional = RELATIONS.iter().filter(|row| row.functional).count();
    assert_eq!((RELATIONS.len(), functional), (19, 16));
}

#[test]
fn a_seed_gives_one_world_and_another_seed_another() {
    let texts = |seed| -> Vec<String> {
        let world = world(seed, Split::HeldOut);
        let asked = questions(&world, 20)
            .into_iter()
            .map(|question| question.text);
        world
            .documents
            .iter()
            .map(|document| document.text.clone())
            .chain(asked)
            .collect()
    };
    assert_eq!(texts(1), texts(1));
    assert_ne!(texts(1), texts(2));
}

#[test]
fn no_name_and_no_composition_is_on_both_sides() {
    for kind in Kind::ALL {
        let train: HashSet<_> = kind.names(Split::Train).into_iter().collect();
        let held_out = kind.names(Split::HeldOut);
        assert!(held_out.iter().all(|name| !train.contains(name)));
        let [first, second] = kind.words();
        assert_eq!(train.len() + held_out.len(), first.len() * second.len());
    }
    let train = world(3, Split::Train);
    for question in questions(&train, 300) {
        assert!(!question.held_out_composition);
        for hop in question.hops.iter().filter(|hop| hop.needs.is_some()) {
            let first = question.hops[hop.needs.unwrap()].relation;
            assert_eq!(composition_split(first, hop.relation), Split::Train);
        }
    }
    let held_out = world(3, Split::HeldOut);
    let asked = questions(&held_out, 300);
    let new = asked
        .iter()
        .filter(|question| question.held_out_composition)
        .count();
    assert!((20..150).contains(&new), "{new}");
}

#[test]
fn too_many_entities_are_told_by_kind() {
    let settings = WorldSettings {
        entities: 5_000,
        ..WorldSettings::default()
    };
    let error = World::new(settings).unwrap_err();
    assert!(matches!(error, WorldError::TooManyEntities { asked, names, .. } if asked > names));
    assert!(
        error.to_string().contains("ask for fewer entities"),
        "{error}"
    );
}

#[test]
fn questions_are_of_every_form_and_one_in_twenty_has_no_answer() {
    let world = world(1, Split::HeldOut);
    let asked = questions(&world, 1_000);
    let mut forms: HashMap<Form, usize> = HashMap::new();
    for question in &asked {
        *forms.entry(question.form).or_default() += 1;
    }
    for (form, share) in Form::SHARES {
        let share = share * 10.0;
        let made = forms[&form] as f64;
        assert!(
            (made - share).abs() < 0.4 * share,
            "{form:?}: {made}, expected {share}"
        );
    }
    let without = asked.iter().filter(|question| !question.answerable).count();
    assert!((25..80).contains(&without), "{without}");
    for question in asked.iter().filter(|question| !question.answerable) {
        assert_eq!(question.answers, [UNKNOWN]);
        assert!(question.fewest_calls(&world) <= question.hops.len());
    }
    let said = |answer: &str| {
        asked
            .iter()
            .filter(|question| question.answers[0] == answer)
            .count() as f64
    };
    let yes = said("yes") / (said("yes") + said("no"));
    assert!((0.3..0.6).contains(&yes), "{yes}");
}

#[test]
fn hops_are_limited_and_an_empty_range_is_refused() {
    let world = world(1, Split::HeldOut);
    let three = QuestionSettings {
        min_hops: 3,
        max_hops: 3,
        unanswerable: 1.0,
    };
    let mut questions = Questions::new(&world, &three, 1).unwrap();
    for _ in 0..20 {
        let question = questions.make().unwrap();
        assert_eq!((question.hops.len(), question.answerable), (3, false));
    }
    let tiny = World::new(WorldSettings {
        seed: 1,
        split: Split::HeldOut,
        entities: 0,
    });
    let tiny = tiny.unwrap();
    let _ = Questions::new(&tiny, &three, 1).unwrap().make();
    let none = QuestionSettings {
        min_hops: 5,
        max_hops: 8,
        ..three
    };
    let error = Questions::new(&world, &none, 1).unwrap_err();
    assert_eq!(error, WorldError::Hops { min: 5, max: 8 });
}

#[test]
fn evidence_leads_to_the_answer() {
    let world = world(1, Split::HeldOut);
    for question in questions(&world, 200) {
        for hop in &question.hops {
            let fact = world.graph.fact(hop.fact);
            assert_eq!((fact.subject, fact.relation), (hop.subject, hop.relation));
            assert!(fact.holds(hop.year), "{}", question.text);
            match hop.needs {
                Some(earlier) => {
                    let object = world.graph.fact(question.hops[earlier].fact).object;
                    assert_eq!(object, Object::Entity(hop.subject));
                }
                None => assert!(
                    question
                        .text
                        .contains(&world.graph.entity(hop.subject).name)
                ),
            }
        }
        let last = world.graph.fact(question.hops.last().unwrap().fact);
        match question.form {
            _ if !question.answerable => {}
            Form::Bridge(_) | Form::Temporal => {
                assert_eq!(question.answers[0], world.graph.words(last.object));
            }
            Form::Comparison | Form::BridgeComparison => {
                let middle = &question.hops[question.hops.len() / 2 - 1];
                let first = world.graph.fact(middle.fact).object;
                let holds = match (first, last.object) {
                    (Object::Year(first), Object::Year(last)) => first < last,
                    _ => first == last.object,
                };
                assert_eq!(question.answers[0] == "yes", holds, "{}", question.text);
            }
        }
    }
}

#[test]
fn as_many_searches_as_hops_resolve_a_question() {
    let world = world(1, Split::HeldOut);
    let asked = questions(&world, 300);
    let answerable: Vec<_> = asked
        .iter()
        .filter(|question| question.answerable)
        .collect();
    let mut solved = 0;
    for question in &answerable {
        let mut progress = Progress::new(question);
        let mut score = 1;
        for _ in 0..question.fewest_calls(&world) {
            let Some(hop) = progress.next(question) else {
                break;
            };
            assert_eq!(
                progress.aim(&world, question, &query(&world, question, hop)),
                Aim::Needed(hop)
            );
            let seen = world.observe(&query(&world, question, hop), 2);
            score += progress.observe(&world, question, &seen);
        }
        if progress.complete() {
            solved += 1;
            // 0.8 of the scale is where a search answers: reached with the last hop and not before.
            let last = worth(
                question.hops.len(),
                question.hops.len() - 1,
                question.hops.len(),
            );
            assert!(
                score >= 8 && score - last < 8,
                "{score} {last} {}",
                question.text
            );
        }
    }
    assert!(
        solved * 100 >= answerable.len() * 98,
        "{solved} of {}",
        answerable.len()
    );
}

#[test]
fn judgements_are_gain_nothing_or_astray() {
    assert_eq!([2, 3, 4].map(|hops| worth(hops, 0, 1)), [4, 3, 2]);
    assert_eq!((worth(4, 0, 2), worth(4, 2, 1), worth(3, 1, 1)), (4, -2, 0));
    let world = world(1, Split::HeldOut);
    let asked = questions(&world, 100);
    let question = asked
        .iter()
        .find(|asked| asked.form == Form::Bridge(2) && asked.answerable)
        .unwrap();
    let right = query(&world, question, 0);
    let seen = world.observe(&right, 2);
    let start = Progress::new(question);
    assert_eq!(judge(&world, question, &start, &right, &seen), 4);
    let after = Progress::after(&world, question, [seen.as_str()]);
    assert_eq!(after.count(), 1);
    assert_eq!(judge(&world, question, &after, &right, &seen), 0);
    assert_eq!(
        judge(
            &world,
            question,
            &after,
            "companion Nobody Known",
            "nothing found"
        ),
        -1
    );
    // What builds on the first hop counts only once that is known.
    let second = world.observe(&query(&world, question, 1), 2);
    assert_eq!(
        Progress::after(&world, question, [second.as_str()]).count(),
        0
    );
    assert_eq!(
        Progress::after(&world, question, [seen.as_str(), &second]).count(),
        2
    );
}

#[test]
fn searches_find_every_kind_of_distractor() {
    let world = world(1, Split::HeldOut);
    let mut seen: HashSet<Relevance> = HashSet::new();
    for question in questions(&world, 200) {
        let evidence: Vec<FactId> = question.hops.iter().map(|hop| hop.fact).collect();
        for hop in 0..question.hops.len() {
            for hit in world.collection.search(&query(&world, &question, hop), 3) {
                let content = world.documents[hit].content;
                seen.insert(relevance(&world.graph, &evidence, content));
            }
        }
    }
    for kind in [
        Relevance::Gold,
        Relevance::Outdated,
        Relevance::Reversed,
        Relevance::SameRelation,
        Relevance::SameSubject,
        Relevance::SameSurname,
    ] {
        assert!(seen.contains(&kind), "{kind:?} not among {seen:?}");
    }
}

#[test]
fn untold_facts_are_in_no_document() {
    let world = world(1, Split::HeldOut);
    for (index, fact) in world.graph.facts.iter().enumerate() {
        let content = Content::Fact(FactId(index as u32));
        assert_eq!(world.document_of(content).is_some(), fact.told);
    }
}

#[test]
fn traces_teach_in_known_words_and_end_with_the_right_answer() {
    let world = world(5, Split::Train);
    let words: HashSet<String> = vocabulary().into_iter().collect();
    let mut draws = Draws::new(1, "test");
    let mut lessons: HashMap<Lesson, usize> = HashMap::new();
    let (mut longest, mut gains, mut judged) = (0, 0, 0);
    for question in questions(&world, 300) {
        for row in trace(&world, &question, &TraceSettings::default(), &mut draws) {
            *lessons.entry(row.lesson).or_default() += 1;
            let whole = format!("{} {}", row.prompt, row.reply);
            for word in whole.split(' ') {
                assert!(words.contains(word), "{word} in {whole}");
            }
            longest = longest.max(row.prompt.split(' ').count());
            if row.lesson == Lesson::Critic {
                judged += 1;
                gains += usize::from(row.reply.parse::<i32>().unwrap() > 0);
            }
            if row.lesson == Lesson::Step && row.reply.contains("<ans>") {
                let right = format!("<ans> {}", question.answers[0]);
                assert!(row.reply.ends_with(&right), "{whole}");
            }
        }
    }
    assert!(lessons.values().all(|count| *count > 100), "{lessons:?}");
    assert!(longest <= 140, "{longest}");
    assert!(
        gains * 10 > judged * 4 && gains * 10 < judged * 8,
        "{gains} of {judged}"
    );
}

#[test]
fn an_export_is_whole_and_the_same_from_its_seed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export");
    let settings = ExportSettings {
        rows: 60,
        held_out_rows: 30,
        worlds: 2,
        entities: 300,
        ..ExportSettings::default()
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    export(&folder, &settings).unwrap();
    let first = [
        read("train.jsonl"),
        read("held-out.jsonl"),
        read("start/tokenizer.json"),
    ];
    export(&folder, &settings).unwrap();
    assert_eq!(
        first,
        [
            read("train.jsonl"),
            read("held-out.jsonl"),
            read("start/tokenizer.json")
        ]
    );
    assert_eq!(
        (first[0].lines().count(), first[1].lines().count()),
        (60, 30)
    );
    let config: serde_json::Value = serde_json::from_str(&read("start/config.json")).unwrap();
    assert_eq!(config["vocab_size"], vocabulary().len());
    assert_eq!(
        vocabulary()[config["eos_token_id"].as_u64().unwrap() as usize],
        "<end>"
    );
    let shipped = include_str!("../../assets/searcher/tokenizer.json");
    let made: serde_json::Value = serde_json::from_str(&first[2]).unwrap();
    let shipped: serde_json::Value = serde_json::from_str(shipped).unwrap();
    assert_eq!(
        made, shipped,
        "the vocabulary has changed: the model in assets/searcher is to be trained anew"
    );
}
