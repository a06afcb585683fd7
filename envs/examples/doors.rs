//! The smallest door: `doors env replay --env ID`, `doors env reset --env ID --seed S --count N`,
//! enough for `xtask/parity/lbf.py --concord` before the command line is built.

use std::io::{BufWriter, Write, stdin, stdout};

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
        _ => return Err("doors env replay|reset --env ID".into()),
    }
    Ok(())
}
