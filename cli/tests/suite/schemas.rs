//! The published schemas of `docs/leads`, against which every JSON answer of a test is checked.

use std::fs;
use std::path::Path;

use serde_json::{Deserializer, Value};

/// The name of the schema for a command's answers: the command's words, joined by hyphens. Options with values must
/// follow the command.
fn schema_of(arguments: &[&str]) -> String {
    let mut words = arguments.iter().copied().filter(|word| !word.starts_with('-'));
    match words.next().unwrap_or_default() {
        "dead-letters" => format!("dead-letters-{}", words.next().unwrap_or_default()),
        "export" if arguments.contains(&"--to") => "export-result".to_owned(),
        command => command.to_owned(),
    }
}

/// Checks what a command wrote to standard output, if it was asked for JSON and wrote something.
#[track_caller]
pub(crate) fn assert_answer(arguments: &[&str], out: &str) {
    if !arguments.contains(&"--json") || out.is_empty() {
        return;
    }
    let name = schema_of(arguments);
    let documents = assert_documents(&name, out);
    // Only these write a document for each row or look, each on a line.
    let is_many = ["tail", "export"].contains(&name.as_str()) || arguments.contains(&"--watch");
    let expected = if is_many { out.lines().count() } else { 1 };
    assert_eq!(documents, expected, "documents of {arguments:?}");
}

/// Checks all documents of a text against `docs/leads/<name>.schema.json`, and returns their number.
#[track_caller]
pub(crate) fn assert_documents(name: &str, text: &str) -> usize {
    let file = format!("../docs/leads/{name}.schema.json");
    let schema = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let mut documents = 0;
    for document in Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0], "{name}: {document:#}");
        documents += 1;
    }
    documents
}

#[test]
fn the_schema_of_an_answer_has_the_name_of_the_command() {
    for (arguments, name) in [
        (&["show", "ada", "--json"][..], "show"),
        (&["--json", "go-live", "--all-asked"], "go-live"),
        (&["dead-letters", "--json", "list"], "dead-letters-list"),
        (&["export", "ada", "--json"], "export"),
        (&["export", "--json", "--to", "file"], "export-result"),
    ] {
        assert_eq!(schema_of(arguments), name);
    }
}
