//! Texts that try to get out of where they are put.

use search::report::{Format, Prices, Recorded, write};
use serde_json::{Value, json};

/// What models, tools and web pages might say.
pub const TEXTS: [&str; 10] = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(2)>",
    "\"); }; alert(3); //",
    "line one\nline two\r\n\ttab",
    "\u{0}\u{1b}[31m\u{7}\u{7f}\u{202e}reversed\u{2028}\u{2029}",
    "back\\slash \\N \\G \" quote 'single' `tick` ${x} {{log}} {{script}}",
    "&lt;b&gt; &amp; #35; ]] } ;end --> click n0 href",
    "日本語 🦀 \u{1F468}\u{200D}\u{1F469}",
    "subgraph x\nend\n%%{init: {}}%%",
];

/// A search in which every text is hostile, the question's and the settings' too.
pub fn search() -> Recorded {
    let mut lines: Vec<Value> = vec![
        json!({"kind": "question", "id": TEXTS[0], "text": TEXTS.join(" "), "policy": TEXTS[0], "expected": TEXTS}),
        json!({"kind": "settings", "why": TEXTS}),
        json!({"kind": "budget", "resource": TEXTS[0], "limit": 10}),
    ];
    for (id, text) in TEXTS.iter().enumerate() {
        let parent = id.checked_sub(1);
        lines.push(json!({"kind": "node", "id": id, "parent": parent, "role": text, "text": text}));
        lines.push(json!({"kind": "value", "id": id, "value": 0.3, "delta": 1, "why": text}));
        lines.push(json!({"kind": "spend", "resource": TEXTS[0], "amount": 2, "node": id}));
        lines.push(json!({"kind": "prune", "id": id, "why": text}));
        lines.push(json!({"kind": "answer", "node": id, "text": text, "chosen": id == 4}));
    }
    lines.push(json!({"kind": "end", "why": TEXTS[0]}));
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    Recorded::read(lines.iter().map(String::as_str))
}

/// The part of a text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

#[test]
fn pages_hold_hostile_texts_as_data_only() {
    let recorded = search();
    assert_eq!(recorded.refused, 0);
    let prices: Prices = "call=1,currency=</script>".parse().unwrap();
    let page = write(&recorded, Format::Html, Some(&prices)).unwrap();
    // Two elements of script, opened and closed once each; nothing else is read as markup.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    assert_eq!(page.matches("<!--").count(), 0);
    assert_eq!(page.matches("<img").count(), 0);
    let data = between(&page, "id=\"log\">", "</script>");
    for sign in ['<', '>', '&', '\u{2028}', '\u{2029}', '\n', '\0'] {
        assert!(!data.contains(sign), "{sign:?} in the data");
    }
    // What is read back is what was recorded.
    let read: Value = serde_json::from_str(data).unwrap();
    for (place, text) in TEXTS.iter().enumerate() {
        assert_eq!(read["nodes"][place][3], *text);
    }
}

#[test]
fn pages_need_nothing_from_anywhere() {
    let page = write(&crate::small(), Format::Html, None).unwrap();
    for way in [
        "http:",
        "https:",
        "//cdn",
        "src=",
        "href=",
        "url(",
        "@import",
        "import(",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "sendBeacon",
        "eval(",
        "innerHTML",
        "document.write",
    ] {
        assert!(!page.contains(way), "{way}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn graphs_keep_every_text_whole_in_tooltips() {
    let graph = write(&search(), Format::Dot, None).unwrap();
    let mut tips = graph.lines().filter(|line| line.contains("tooltip="));
    for text in TEXTS {
        let line = tips.next().unwrap();
        let tip = between(line, "tooltip=\"", "\", fillcolor");
        let read = tip
            .replace("\\n", "\n")
            .replace("\\\"", "\"")
            .replace("\\\\", "\\")
            .replace("&amp;", "&");
        let kept = text.replace('\r', "").replace('\t', " ").replace(' ', "");
        let signs = |text: &str| -> String {
            text.chars()
                .filter(|sign| !sign.is_control() && !matches!(sign, ' ' | '\u{2400}'..='\u{241f}'))
                .collect()
        };
        assert!(signs(&read).contains(&signs(&kept)), "{text:?} in {tip:?}");
    }
    // Quotes that are not escaped come in pairs on every line.
    for line in graph.lines() {
        let bare = line.replace("\\\\", "").replace("\\\"", "");
        assert_eq!(bare.matches('"').count() % 2, 0, "{line}");
    }
}

#[test]
fn flowcharts_quote_every_text() {
    let chart = write(&search(), Format::Mermaid, None).unwrap();
    for line in chart.lines().filter(|line| line.contains('[')) {
        let label = line
            .split_once("[\"")
            .unwrap()
            .1
            .strip_suffix("\"]")
            .unwrap();
        let label = label.replace("<br/>", "");
        for sign in ['"', '<', '>', '`', '[', ']', '{', '}', '\\', '&', '%'] {
            assert!(!label.contains(sign), "{sign} in {line}");
        }
    }
}
