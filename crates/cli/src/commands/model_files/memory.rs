//! `concord model memory`: what a training or a generation would take.

use hub::ModelFolder;
use hub::memory::{Activations, Adaptation, Numbers, Rule, Task, Training, estimate};
use serde_json::json;

use crate::arguments::{Format, MemoryTask, ModelMemory};
use crate::failure::Failure;
use crate::output::{Table, print_json};

pub(super) fn memory(folder: &ModelFolder, arguments: &ModelMemory) -> Result<(), Failure> {
    let numbers = if arguments.dtype == "f32" {
        Numbers::F32
    } else {
        Numbers::Bf16
    };
    let training = |adaptation| {
        Task::Train(Training {
            adaptation,
            rule: match arguments.optimiser.as_str() {
                "rmsprop" => Rule::RmsProp,
                "sgd" => Rule::Sgd { momentum: false },
                _ => Rule::AdamW,
            },
            activations: if arguments.keep_activations {
                Activations::Kept
            } else {
                Activations::Recomputed
            },
        })
    };
    let task = match arguments.task {
        MemoryTask::Full => training(Adaptation::Full),
        MemoryTask::Lora => training(Adaptation::Lora {
            rank: arguments.rank,
        }),
        MemoryTask::Generate => Task::Generate,
    };
    let told = estimate(folder, numbers, task, arguments.rows, arguments.length)?;
    if arguments.format.format == Format::Json {
        let items = told.items.iter();
        let items = items.map(|item| json!({ "name": item.name, "bytes": item.bytes }));
        let items: Vec<_> = items.collect();
        return print_json(&json!({ "total_bytes": told.total(), "items": items }));
    }
    let mut table = Table::new(&["what", "bytes", "size"]);
    for item in &told.items {
        let size = super::fetching::size(item.bytes);
        table.row(vec![json!(item.name), json!(item.bytes), json!(size)]);
    }
    let size = super::fetching::size(told.total());
    table.row(vec![json!("total"), json!(told.total()), json!(size)]);
    table.print(arguments.format.format)
}
