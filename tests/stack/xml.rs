//! Reads the XML of AWS's query protocol as JSON: an element whose children are all called `member` or `entry` is an
//! array, any other element with children an object, and one without children a string.

use serde_json::{Map, Value};
use xmlparser::{ElementEnd, Token, Tokenizer};

use crate::Failed;

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    children: Vec<(String, Value)>,
    text: String,
}

/// Reads a document. The result is the content of its root element.
pub(crate) fn read(text: &str) -> Result<Value, Failed> {
    let mut open = vec![Open::default()];
    for token in Tokenizer::from(text) {
        match token? {
            Token::ElementStart { local, .. } => {
                open.push(Open { name: local.as_str().to_owned(), ..Open::default() });
            }
            Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. } => {
                let closed = open.pop().ok_or("an element ends that never began")?;
                let parent = open.last_mut().ok_or("an element ends that never began")?;
                let name = closed.name.clone();
                parent.children.push((name, closed.value()));
            }
            Token::Text { text } => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&unescaped(text.as_str()));
                }
            }
            Token::Cdata { text, .. } => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(text.as_str());
                }
            }
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
    let root = open.pop().filter(|_| open.is_empty()).ok_or("the document ends too early")?;
    root.children.into_iter().next().map(|(_, value)| value).ok_or_else(|| "the document is empty".into())
}

impl Open {
    fn value(self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text);
        }
        if self.children.iter().all(|(name, _)| name == "member" || name == "entry") {
            return self.children.into_iter().map(|(_, value)| value).collect();
        }
        let object: Map<String, Value> = self.children.into_iter().collect();
        Value::Object(object)
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

    use super::*;

    #[test]
    fn members_are_an_array_and_entities_are_resolved() {
        let text = "<?xml version=\"1.0\"?><R><Names><member>a &amp;lt; b</member><member/></Names>\
                    <One><Code>x</Code></One></R>";
        assert_eq!(read(text).unwrap(), json!({"Names": ["a &lt; b", ""], "One": {"Code": "x"}}));
        for bad in ["", "<a>", "</a>", "<a", "no XML"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
