//! The smallest door: `doors env replay --env ID`, `doors env reset --env ID --seed S --count N`,
//! `doors env bench --env ID`; enough for `xtask/parity/lbf.py --concord` before the command line is built.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufWriter, Write, stdin, stdout};
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let id = value("--env").ok_or("--env is missing")?;
    let options = envs::EnvironmentOptions::default();
    let output = BufWriter::new(stdout().lock());
    match arguments.get(2).map(String::as_str) {
        Some("replay") => {
            let answered = envs::doors::replay(&id, &options, stdin().lock(), output)?;
            writeln!(std::io::stderr(), "{answered} lines answered")?;
        }
        Some("reset") => {
            let seed = value("--seed").unwrap_or_default().parse()?;
            let count = value("--count").unwrap_or_default().parse()?;
            envs::doors::reset(&id, &options, seed, count, output)?;
        }
        Some("bench") => {
            let number = |name: &str| value(name).unwrap_or_else(|| "1".to_owned());
            let bench = envs::doors::BenchOptions {
                seconds: number("--seconds").parse()?,
                threads: number("--threads").parse()?,
                environments: value("--environments")
                    .unwrap_or_default()
                    .parse()
                    .unwrap_or(0),
                action_masks: arguments.iter().any(|argument| argument == "--masks"),
            };
            let count = || ALLOCATIONS.load(Ordering::Relaxed);
            let report = envs::doors::bench(&id, &options, &bench, &count)?;
            let mut output = output;
            writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?;
        }
        Some("rollout") => {
            let mut environment = envs::make(&id, &options)?;
            let policy = envs::doors::RolloutPolicy::Random;
            let episodes = envs::doors::rollout(environment.as_mut(), policy, 1, 1, output)?;
            if let (Some(film), Some(episode)) = (value("--gif"), episodes.first()) {
                envs::render::write_gif(&episode.scenes, 300, std::fs::File::create(film)?)?;
            }
            if let (Some(path), Some(episode)) = (value("--png"), episodes.first()) {
                envs::render::write_png(&episode.scenes[0], std::fs::File::create(path)?)?;
            }
        }
        Some("check") => {
            let mut environment = envs::make(&id, &options)?;
            let mut output = output;
            write!(
                output,
                "{}",
                envs::doors::check(environment.as_mut(), 1, 500)
            )?;
        }
        _ => return Err("doors env replay|reset|bench --env ID".into()),
    }
    Ok(())
}
