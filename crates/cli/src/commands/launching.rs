//! What starts runs: a folder and a worker for each variant of a configuration.

use std::collections::BTreeMap;
use std::path::Path;

use configs::Loaded;
use serde_json::json;
use tracking::RunFolder;

use super::train::{conclude, observer};
use crate::arguments::{Format, Global, Settings, Train, Ui};
use crate::creation;
use crate::dashboard;
use crate::failure::Failure;
use crate::follow::{Ending, Followed, Interrupts, Observer, OnInterrupt, follow};
use crate::observers::{Bars, Words};
use crate::output::{print, print_json, tell};
use crate::scheduler;
use crate::surroundings::{has_bars, interface, runs_root};
use crate::worker;

/// One run to be started.
pub(crate) struct Variant {
    /// Of the run's name.
    pub(crate) name: String,
    /// Of its bar.
    pub(crate) label: String,
    /// What it does.
    pub(crate) loaded: Loaded,
}

/// What a run's folder gets before its worker starts.
pub(crate) type Preparation<'a> = &'a dyn Fn(&RunFolder) -> Result<(), Failure>;

/// Who sees a run with this label.
pub(crate) type Watch<'a> = &'a dyn Fn(&RunFolder, &str) -> Box<dyn Observer>;

/// Runs to be started.
pub(crate) struct Launch<'a> {
    pub(crate) global: &'a Global,
    pub(crate) arguments: &'a Train,
    pub(crate) variants: Vec<Variant>,
    pub(crate) prepare: Preparation<'a>,
    /// Who sees the runs instead of bars and lines.
    pub(crate) watch: Option<Watch<'a>>,
}

/// The run's name without seed: what groups the seeds of one launch.
pub(crate) fn group(arguments: &Train) -> String {
    arguments
        .name
        .clone()
        .unwrap_or_else(|| target_name(&arguments.settings))
}

fn target_name(settings: &Settings) -> String {
    let path = Path::new(&settings.target);
    path.file_stem().map_or_else(
        || settings.target.clone(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// The seeds that are asked for, of a configuration that is called so.
pub(crate) fn seeds(arguments: &Train, loaded: &Loaded, name: &str) -> Vec<Variant> {
    let several = arguments.seeds > 1;
    let seeds = 0..u64::from(arguments.seeds);
    seeds
        .map(|offset| {
            let seed = loaded.config.seed().wrapping_add(offset);
            let loaded = Loaded {
                config: loaded.config.clone().with_seed(seed),
                ..loaded.clone()
            };
            let (name, label) = match several {
                true => (format!("{name}-s{seed}"), format!("seed {seed}")),
                false => (name.to_owned(), name.to_owned()),
            };
            Variant {
                name,
                label,
                loaded,
            }
        })
        .collect()
}

impl Launch<'_> {
    /// Starts them, and shows how they fare unless they are left to themselves; none when nobody
    /// waits for their results.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let worker = worker::locate(self.global)?;
        let root = runs_root(self.global);
        if self.arguments.detach {
            return self.detach(&worker, &root);
        }
        if self.arguments.queue {
            return self.enqueue(&worker, &root);
        }
        let mut ui = interface(self.arguments.ui)?;
        if ui == Ui::Tui && self.variants.len() > 1 {
            if self.arguments.ui == Some(Ui::Tui) {
                tell(
                    "the dashboard watches several runs from another terminal: `concord`; going on with --ui plain here",
                );
            }
            ui = Ui::Plain;
        }
        let format = self.arguments.format.format;
        if ui == Ui::Tui {
            let run = self.create(&root, &self.variants[0])?;
            return dashboard::launch(self.global, &worker, &root, &run, false, format);
        }
        let endings = self.follow(&worker, &root, ui)?;
        conclude(&endings, ui, format)
    }

    /// Makes a run's folder.
    fn create(&self, root: &Path, variant: &Variant) -> Result<RunFolder, Failure> {
        let Loaded {
            config, origins, ..
        } = &variant.loaded;
        let run = creation::create(root, variant.name.clone(), config, origins, BTreeMap::new())?;
        (self.prepare)(&run)?;
        Ok(run)
    }

    /// Makes every run and lets it wait for its device.
    fn enqueue(&self, worker: &Path, root: &Path) -> Result<(), Failure> {
        let mut waiting = Vec::new();
        for variant in &self.variants {
            let run = self.create(root, variant)?;
            waiting.push(scheduler::enqueue(self.global, root, &run, worker)?);
        }
        super::queue::enqueued(&waiting, self.arguments.format.format)
    }

    fn detach(&self, worker: &Path, root: &Path) -> Result<(), Failure> {
        let [variant] = self.variants.as_slice() else {
            return Err(Failure::arguments(format!(
                "{} with --detach: nobody would start the next run - detach one at a time, or leave --detach out",
                self.several()
            )));
        };
        let run = self.create(root, variant)?;
        worker::spawn(worker, &run, false)?;
        let id = run.id();
        tell(&format!(
            "{id} is running; follow it with: concord{} attach {id}",
            dashboard::root_flag(self.global)
        ));
        match self.arguments.format.format {
            Format::Json => print_json(&json!({"id": id, "folder": run.path()})),
            Format::Table | Format::Csv => print(&run.path().display().to_string()),
        }
    }

    fn several(&self) -> String {
        match self.arguments.seeds {
            1 => format!("{} runs", self.variants.len()),
            seeds => format!("--seeds {seeds}"),
        }
    }

    /// Runs them all, at most `jobs` at a time.
    fn follow(
        &self,
        worker: &Path,
        root: &Path,
        ui: Ui,
    ) -> Result<Vec<(RunFolder, Ending)>, Failure> {
        let stage = Stage::new(ui, self.watch);
        let mut interrupts = Interrupts::new(OnInterrupt::Stop)?;
        let mut variants = self.variants.iter();
        follow(&mut interrupts, self.arguments.jobs as usize, || {
            let Some(variant) = variants.next() else {
                return Ok(None);
            };
            let run = self.create(root, variant)?;
            stage.start(worker, run, &variant.label, false).map(Some)
        })
    }
}

/// Where runs are seen that this program starts and follows.
pub(crate) struct Stage<'a> {
    ui: Ui,
    bars: Option<Bars>,
    watch: Option<Watch<'a>>,
}

impl<'a> Stage<'a> {
    /// `watch` is who sees runs in plain lines instead of bars.
    pub(crate) fn new(ui: Ui, watch: Option<Watch<'a>>) -> Self {
        Stage {
            ui,
            bars: has_bars().then(Bars::new),
            watch,
        }
    }

    /// Starts a run's worker and shows how it fares.
    ///
    /// # Errors
    /// The worker cannot be started.
    pub(crate) fn start(
        &self,
        worker: &Path,
        run: RunFolder,
        label: &str,
        resume: bool,
    ) -> Result<Followed<'static>, Failure> {
        let mut observer = match self.watch {
            Some(watch) if self.ui == Ui::Plain => watch(&run, label),
            _ => observer(self.ui, self.bars.as_ref(), label, Words::of(&run)),
        };
        if self.ui == Ui::Plain {
            observer.say(&format!("run folder: {}", run.path().display()));
        }
        let child = worker::spawn(worker, &run, resume)?;
        Ok(Followed::new(run, Some(child), observer))
    }
}
