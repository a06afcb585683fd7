//! Chat templates, as `transformers` renders them.
//!
//! They are programs out of downloads: they reach no file, recurse so far and run so long.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value as Held};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{HubError, io_error};
use crate::folder::read_object;
use crate::ordered::OrderedJson;
use crate::tokenizer::SpecialTokens;

mod python;

use python::{Json, format_time, plain};

/// Steps of a rendering; long conversations take some ten thousand.
const FUEL: u64 = 5_000_000;
const DEEPEST_RECURSION: usize = 200;
/// Larger ones are no chat templates.
const LONGEST_TEMPLATE: usize = 1 << 20;
/// Spaces that a template may ask `tojson` for; memory for more would be a way to end the process.
const WIDEST_INDENT: usize = 64;

/// Marks errors that the template raised itself.
const RAISED: &str = "\u{1}raised:";

/// The name of the template that is meant when none is named.
const DEFAULT: &str = "default";
/// Taken instead when tools are given.
const WITH_TOOLS: &str = "tool_use";

/// What a rendering is given besides the messages.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Ends with what begins an answer.
    pub generation_prompt: bool,
    /// Tools as JSON schemas; a list.
    pub tools: Option<OrderedJson>,
    /// Documents to answer from; a list.
    pub documents: Option<OrderedJson>,
    /// Further arguments of the template, such as `enable_thinking`.
    pub arguments: Map<String, Value>,
    /// The time that `strftime_now` tells, in UTC.
    pub now: SystemTime,
}

impl Default for RenderOptions {
    fn default() -> Self {
        RenderOptions {
            generation_prompt: false,
            tools: None,
            documents: None,
            arguments: Map::new(),
            now: SystemTime::now(),
        }
    }
}

/// A model's chat template, or several by name.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    sources: BTreeMap<String, String>,
    special: SpecialTokens,
}

impl ChatTemplate {
    /// Reads `chat_template.jinja`, else `chat_template.json`, else the tokenizer's config; none where
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`] where it cannot be compiled, [`HubError::Broken`] where a file is no JSON.
    pub fn load(folder: &Path) -> Result<Option<Self>, HubError> {
        let special = SpecialTokens::load(folder)?;
        let path = folder.join("chat_template.jinja");
        let sources = if path.exists() {
            let text = fs::read_to_string(&path).map_err(io_error("cannot read", &path))?;
            BTreeMap::from([(DEFAULT.to_owned(), text)])
        } else {
            let mut sources = BTreeMap::new();
            for file in ["chat_template.json", "tokenizer_config.json"] {
                let config = read_object(&folder.join(file))?.unwrap_or_default();
                if sources.is_empty() {
                    sources = named(&config["chat_template"]);
                }
            }
            sources
        };
        if sources.is_empty() {
            return Ok(None);
        }
        ChatTemplate::compile(sources, special).map(Some)
    }

    /// A template from its text.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`] where it cannot be compiled.
    pub fn new(source: &str, special: SpecialTokens) -> Result<Self, HubError> {
        ChatTemplate::compile(
            BTreeMap::from([(DEFAULT.to_owned(), source.to_owned())]),
            special,
        )
    }

    fn compile(
        sources: BTreeMap<String, String>,
        special: SpecialTokens,
    ) -> Result<Self, HubError> {
        let mut environment = environment()?;
        for (name, source) in &sources {
            if source.len() > LONGEST_TEMPLATE {
                return Err(HubError::Template {
                    why: format!(
                        "has {} bytes - allowed: {LONGEST_TEMPLATE} - take the model's own",
                        source.len()
                    ),
                });
            }
            // Jinja knows one kind of newline, and drops one at the end of a template.
            let source = source.replace("\r\n", "\n").replace('\r', "\n");
            let source = source.strip_suffix('\n').unwrap_or(&source);
            environment
                .add_template_owned(name.clone(), without_generation_tags(source))
                .map_err(|error| explain(&error))?;
        }
        Ok(ChatTemplate {
            environment: Arc::new(environment),
            sources,
            special,
        })
    }

    /// The text of the template that is used without tools.
    #[must_use]
    pub fn source(&self) -> &str {
        self.sources
            .get(DEFAULT)
            .or_else(|| self.sources.values().next())
            .map_or("", String::as_str)
    }

    /// The special tokens that it is given.
    #[must_use]
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// The text of a conversation; messages are objects with `role` and `content` at least.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`] where it raises, fails or does not end.
    pub fn render(
        &self,
        messages: &[OrderedJson],
        options: &RenderOptions,
    ) -> Result<String, HubError> {
        let mut context: BTreeMap<String, Held> = self
            .special
            .iter()
            .map(|(role, text)| (role.to_owned(), Held::from(text)))
            .collect();
        let held = |value: &Option<OrderedJson>| {
            value.as_ref().map_or(Held::from(()), lift::<OrderedJson>)
        };
        for (name, value) in &options.arguments {
            context.insert(name.clone(), lift(value));
        }
        context.insert("messages".to_owned(), messages.iter().map(lift).collect());
        context.insert("tools".to_owned(), held(&options.tools));
        context.insert("documents".to_owned(), held(&options.documents));
        context.insert(
            "add_generation_prompt".to_owned(),
            options.generation_prompt.into(),
        );
        let now = options.now;
        let tell_time = Held::from_function(move |format: &str| format_time(now, format));
        context.insert("strftime_now".to_owned(), tell_time);
        self.environment
            .get_template(self.chosen(options))
            .and_then(|template| template.render(Held::from(context)))
            .map_err(|error| explain(&error))
    }

    fn chosen(&self, options: &RenderOptions) -> &str {
        let wanted = if options.tools.is_some() {
            WITH_TOOLS
        } else {
            DEFAULT
        };
        let names = || self.sources.keys().map(String::as_str);
        names()
            .find(|name| *name == wanted)
            .or_else(|| names().find(|name| *name == DEFAULT))
            .or_else(|| names().next())
            .unwrap_or(DEFAULT)
    }
}

fn lift<T: Serialize>(value: &T) -> Held {
    Held::from(Serde(value))
}

/// A text, or named ones in a list or an object.
fn named(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::String(text) => BTreeMap::from([(DEFAULT.to_owned(), text.clone())]),
        Value::Object(entries) => entries
            .iter()
            .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
            .collect(),
        Value::Array(entries) => entries
            .iter()
            .filter_map(|entry| {
                let name = entry["name"].as_str()?;
                Some((name.to_owned(), entry["template"].as_str()?.to_owned()))
            })
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn environment() -> Result<Environment<'static>, HubError> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|error| explain(&error))?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST_RECURSION);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|out, _, value| {
        out.write_str(&plain(value)).map_err(minijinja::Error::from)
    });
    environment.add_test("iterable", |value: Held| python::is_iterable(&value));
    environment.add_test("sequence", |value: Held| python::is_sequence(&value));
    environment.add_filter("string", |value: Held| plain(&value));
    environment.add_filter("tojson", to_json);
    environment.add_function(
        "raise_exception",
        |message: Held| -> Result<Held, minijinja::Error> {
            Err(minijinja::Error::new(
                minijinja::ErrorKind::InvalidOperation,
                format!("{RAISED}{}", plain(&message)),
            ))
        },
    );
    Ok(environment)
}

/// `json.dumps` with the arguments that `transformers` passes on.
#[expect(clippy::needless_pass_by_value, reason = "the shape of a filter")]
fn to_json(value: Held, options: Kwargs) -> Result<String, minijinja::Error> {
    let indent: Option<usize> = options.get("indent")?;
    if indent.is_some_and(|indent| indent > WIDEST_INDENT) {
        return Err(minijinja::Error::new(
            minijinja::ErrorKind::InvalidOperation,
            format!("tojson with an indent above {WIDEST_INDENT}"),
        ));
    }
    let separators: Option<Vec<String>> = options.get("separators")?;
    let (item, key) = match separators.as_deref() {
        Some([item, key]) => (item.clone(), key.clone()),
        _ if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        _ => (", ".to_owned(), ": ".to_owned()),
    };
    let json = Json {
        indent,
        item,
        key,
        sort: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        ascii: options
            .get::<Option<bool>>("ensure_ascii")?
            .unwrap_or(false),
    };
    options.assert_all_used()?;
    json.write(&value)
}

/// `{% generation %}` marks answers for a mask, which is found here by rendering prefixes. A block
/// that is always entered takes its place, so that the space around it is treated as before.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(length) = tag.find("%}").map(|at| at + 2) else {
            break;
        };
        let (tag, after) = tag.split_at(length);
        let word = tag[2..length - 2].trim_matches(['-', '+']).trim();
        match word {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn explain(error: &minijinja::Error) -> HubError {
    use minijinja::ErrorKind;
    let line = error
        .line()
        .map_or_else(String::new, |line| format!(" in line {line}"));
    let detail = error.detail().unwrap_or_default();
    let why = match error.kind() {
        _ if detail.starts_with(RAISED) => format!(
            "refuses the conversation: {} - change the messages to what the model was made for",
            &detail[RAISED.len()..]
        ),
        ErrorKind::OutOfFuel => format!(
            "does not end: stopped after {FUEL} steps{line} - take the model's own template"
        ),
        ErrorKind::SyntaxError => format!(
            "cannot be compiled{line}: {detail} - correct chat_template.jinja or take another one"
        ),
        kind => format!("failed{line}: {kind}: {detail} - check the fields of the messages"),
    };
    HubError::Template { why }
}
