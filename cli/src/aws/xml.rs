//! Reads the XML of AWS's query protocol as JSON: an element whose children are all called `member` or `entry` is an
//! array, any other element with children an object, and one without children a string.

use serde_json::{Map, Value};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    children: Vec<(String, Value)>,
    text: String,
}

/// The content of the root element; `None` if the text is not XML.
pub(super) fn read(text: &str) -> Option<Value> {
    let mut open = vec![Open::default()];
    for token in Tokenizer::from(text) {
        match token.ok()? {
            Token::ElementStart { local, .. } => {
                open.push(Open { name: local.as_str().to_owned(), ..Open::default() });
            }
            Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. } => {
                let mut closed = open.pop()?;
                let name = std::mem::take(&mut closed.name);
                open.last_mut()?.children.push((name, closed.value()));
            }
            Token::Text { text } => open.last_mut()?.text.push_str(&unescaped(text.as_str())),
            Token::Cdata { text, .. } => open.last_mut()?.text.push_str(text.as_str()),
            Token::ElementEnd { end: ElementEnd::Open, .. }
            | Token::Attribute { .. }
            | Token::Comment { .. }
            | Token::Declaration { .. }
            | Token::DtdEnd { .. }
            | Token::DtdStart { .. }
            | Token::EmptyDtd { .. }
            | Token::EntityDeclaration { .. }
            | Token::ProcessingInstruction { .. } => {}
        }
    }
    let root = open.pop().filter(|_| open.is_empty())?;
    root.children.into_iter().next().map(|(_, value)| value)
}

impl Open {
    fn value(self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text);
        }
        if self.children.iter().all(|(name, _)| name == "member" || name == "entry") {
            return self.children.into_iter().map(|(_, value)| value).collect();
        }
        Value::Object(Map::from_iter(self.children))
    }
}

/// The text without XML's own entities. `&amp;` is last, so that `&amp;lt;` becomes `&lt;`.
fn unescaped(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#34;", "\""), ("&#39;", "'")];
    let text = entities.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn members_are_an_array_and_entities_are_resolved() {
        let text = "<?xml version=\"1.0\"?><R><Names><member>a &amp;lt; b</member><member/></Names>\
                    <One><Code>x</Code></One></R>";
        assert_eq!(read(text), Some(json!({"Names": ["a &lt; b", ""], "One": {"Code": "x"}})));
    }

    #[test]
    fn anything_but_a_whole_document_is_refused() {
        for bad in ["", "<a>", "</a>", "<a", "no XML", "{}"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
