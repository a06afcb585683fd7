//! `cargo xtask tour`: plays a script of keys in a real terminal (tmux) over an empty
//! folder, and keeps what the screen showed as text and as SVG.
//!
//! A script has a step per line; `#` begins a comment:
//!
//! ```text
//! size 120 40          columns and rows, before the first step
//! type concord         text, as typed
//! key Enter            keys by tmux's names: Enter, Escape, Tab, C-c, Down, n
//! wait No runs yet     until the screen shows these words
//! within 300           how long the waits after it may take, in seconds
//! capture empty        keeps the screen as empty.txt and empty.svg
//! model tiny/chat      puts the tests' tiny chat model into the cache, under this name
//! asset searcher       copies assets/searcher beside the runs, where presets look for it
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{setup, workspace};

mod screen;

/// The name of the server of tmux, so that no other session is touched.
const SERVER: &str = "concord-tour";
/// The commit of a model that was never fetched.
const COMMIT: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";
/// The terminal's own cache of models, in its folder.
const HUB: &str = "huggingface";
/// How often a wait looks at the screen.
const LOOK: Duration = Duration::from_millis(50);
/// How long a wait may take unless the script says otherwise.
const WITHIN: Duration = Duration::from_secs(60);
/// After the words of a capture are there: the rest of the frame arrives.
const SETTLE: Duration = Duration::from_millis(300);

/// Plays the scripts named, or all under `docs/tour/`.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    setup::ensure()?;
    workspace::build_binaries()?;
    let folder = workspace::root().join("docs/tour");
    let scripts = if arguments.is_empty() {
        scripts(&folder)?
    } else {
        arguments.iter().map(PathBuf::from).collect()
    };
    for script in scripts {
        println!("{}", script.display());
        play(&script)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).context("reading docs/tour")? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "tour") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn play(script: &Path) -> Result<()> {
    let text =
        std::fs::read_to_string(script).with_context(|| format!("reading {}", script.display()))?;
    let into = script.parent().unwrap_or(Path::new(".")).to_path_buf();
    let steps: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let (columns, rows) = match steps.first().and_then(|step| step.strip_prefix("size ")) {
        Some(size) => {
            let (columns, rows) = size.split_once(' ').context("size COLUMNS ROWS")?;
            (columns.trim().parse()?, rows.trim().parse()?)
        }
        None => (120, 40),
    };
    let terminal = Terminal::open(columns, rows)?;
    let mut within = WITHIN;
    for step in steps {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            "size" => {}
            "type" => terminal.send(&["-l", rest])?,
            "key" => terminal.send(&rest.split_whitespace().collect::<Vec<_>>())?,
            "wait" => terminal.wait(rest, within)?,
            "model" => terminal.put_model(rest)?,
            "asset" => terminal.put_asset(rest)?,
            "within" => within = Duration::from_secs(rest.parse()?),
            "capture" => {
                std::thread::sleep(SETTLE);
                let shown = terminal.shown(true)?;
                let plain = terminal.shown(false)?;
                let drawn = screen::svg(&shown, columns, rows);
                std::fs::write(into.join(format!("{rest}.txt")), plain)?;
                std::fs::write(into.join(format!("{rest}.svg")), drawn)?;
                println!("  {rest}");
            }
            other => bail!("{}: no step `{other}`", script.display()),
        }
    }
    Ok(())
}

/// A shell in a terminal of its own, in an empty folder.
struct Terminal {
    folder: PathBuf,
}

impl Terminal {
    fn open(columns: u16, rows: u16) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("concord-tour-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let terminal = Terminal { folder };
        let _ = tmux(&["kill-server"]);
        let built = workspace::built("concord");
        let bin = built.parent().context("the program's folder")?;
        let shell = format!(
            "env -u HF_HUB_CACHE -u HF_HUB_OFFLINE HF_HOME={} XDG_CONFIG_HOME={} PATH={}:$PATH PS1='$ ' TERM=tmux-256color COLORTERM=truecolor LC_ALL=C.UTF-8 HISTFILE= sh",
            HUB,
            terminal.folder.join("config").display(),
            bin.display()
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let folder = terminal.folder.display().to_string();
        tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "-c",
            &folder,
            &shell,
        ])?;
        tmux(&["set", "-g", "status", "off"])?;
        tmux(&["set", "-ga", "terminal-overrides", ",*:Tc"])?;
        tmux(&["resize-window", "-x", &columns, "-y", &rows])?;
        Ok(terminal)
    }

    /// Writes a model as if it had been fetched.
    fn put_model(&self, name: &str) -> Result<()> {
        let folder = format!("models--{}", name.replace('/', "--"));
        let model = self.folder.join(HUB).join("hub").join(folder);
        let refs = model.join("refs");
        std::fs::create_dir_all(&refs)?;
        std::fs::write(refs.join("main"), COMMIT)?;
        let status = workspace::cargo()
            .args(["run", "--quiet", "--package", "testkit"])
            .args(["--example", "write_chat_model", "--"])
            .arg(model.join("snapshots").join(COMMIT))
            .arg("sum")
            .status()
            .context("starting cargo run")?;
        ensure!(status.success(), "{name} was not written");
        Ok(())
    }

    /// Copies a folder of the repository's assets.
    fn put_asset(&self, name: &str) -> Result<()> {
        let from = workspace::root().join("assets").join(name);
        let to = self.folder.join("assets").join(name);
        std::fs::create_dir_all(&to)?;
        let entries =
            std::fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
        Ok(())
    }

    fn send(&self, keys: &[&str]) -> Result<()> {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        tmux(&arguments)?;
        // Keys of a person do not arrive in one piece; an Escape is told by what follows.
        std::thread::sleep(2 * LOOK);
        Ok(())
    }

    fn shown(&self, colours: bool) -> Result<String> {
        let mut arguments = vec!["capture-pane", "-p"];
        if colours {
            arguments.push("-e");
        }
        tmux(&arguments)
    }

    fn wait(&self, words: &str, within: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let shown = self.shown(false)?;
            if shown.contains(words) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < within,
                "never shown within {} s: {words}\n{shown}",
                within.as_secs()
            );
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tmux(&["kill-server"]);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn tmux(arguments: &[&str]) -> Result<String> {
    let output = Command::new("tmux")
        .args(["-L", SERVER])
        .args(arguments)
        .output()
        .context("starting tmux - install it to play the tour")?;
    ensure!(
        output.status.success(),
        "tmux {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
