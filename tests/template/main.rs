//! Compares `infra/template.yaml` with the assumptions of the code.
#![expect(clippy::unwrap_used, reason = "test code")]

mod alarms;
mod dashboard;
mod functions;
mod operators;
mod permissions;
mod queries;
mod storage;

use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};

/// A node of the template and its path. Tags such as `!Ref` are removed.
#[derive(Clone)]
struct Place {
    path: String,
    yaml: Yaml<'static>,
}

/// The text of a file, by its path in the repository.
fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The Rust sources under a folder, each without the tests at its end.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

fn untagged(yaml: &Yaml<'static>) -> Yaml<'static> {
    yaml.get_tagged_node().unwrap_or(yaml).clone()
}

fn template() -> Place {
    // The text is leaked: a test reads one document and then ends.
    let text: &'static str = Box::leak(file("infra/template.yaml").into_boxed_str());
    Place { path: "template".to_owned(), yaml: Yaml::load_from_str(text).unwrap().remove(0) }
}

/// The properties of a resource.
fn properties(resource: &str) -> Place {
    template().at("Resources").at(resource).at("Properties")
}

/// The default time between two sweeps in seconds.
fn sweep_every() -> i64 {
    let rate = template().at("Parameters").at("SweepEvery").at("Default").text();
    let minutes = rate.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(" minutes)"));
    60 * minutes.unwrap().parse::<i64>().unwrap()
}

impl Place {
    #[track_caller]
    fn at(&self, name: &str) -> Self {
        self.find(name).unwrap_or_else(|| panic!("{} has no {name}", self.path))
    }

    fn find(&self, name: &str) -> Option<Self> {
        let yaml = untagged(&self.yaml).as_mapping_get(name).map(untagged)?;
        Some(Self { path: format!("{}/{name}", self.path), yaml })
    }

    #[track_caller]
    fn text(&self) -> String {
        self.yaml.as_str().unwrap_or_else(|| panic!("{} is not a string", self.path)).to_owned()
    }

    #[track_caller]
    fn number(&self) -> i64 {
        self.yaml.as_integer().unwrap_or_else(|| panic!("{} is not an integer", self.path))
    }

    #[track_caller]
    fn fraction(&self) -> f64 {
        self.yaml.as_floating_point().unwrap_or_else(|| panic!("{} is not a fraction", self.path))
    }

    #[track_caller]
    fn is_true(&self) -> bool {
        self.yaml.as_bool().unwrap_or_else(|| panic!("{} is neither true nor false", self.path))
    }

    /// The elements of a list; a single value counts as a list of one.
    fn list(&self) -> Vec<Self> {
        let place = |yaml: &Yaml<'static>| Self { path: format!("{}[]", self.path), yaml: untagged(yaml) };
        self.yaml.as_sequence().map_or_else(|| vec![self.clone()], |list| list.iter().map(place).collect())
    }

    fn texts(&self) -> Vec<String> {
        self.list().iter().map(Self::text).collect()
    }

    #[track_caller]
    fn names(&self) -> Vec<String> {
        let mapping = self.yaml.as_mapping().unwrap_or_else(|| panic!("{} is not a mapping", self.path));
        mapping.keys().map(|key| key.as_str().unwrap().to_owned()).collect()
    }
}
