//! `\boxed{...}`, braces inside included.

/// What the last `\boxed{}` or `\fbox{}` of a text holds, without surrounding blanks; none where
/// there is none or it never closes. Braces after a backslash are text.
pub fn last_boxed(text: &str) -> Option<&str> {
    let opening = [r"\boxed", r"\fbox"]
        .iter()
        .filter_map(|name| text.rfind(name).map(|start| start + name.len()))
        .max()?;
    let rest = text[opening..].trim_start();
    let inner = rest.strip_prefix('{')?;
    let mut depth = 1;
    let mut escaped = false;
    for (place, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(inner[..place].trim());
                }
            }
            _ => {}
        }
    }
    None
}
