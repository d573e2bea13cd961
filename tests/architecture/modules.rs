//! Checks that no crate has a circle of modules.
//!
//! An arrow goes from a module to the module that *defines* what it names, in an import or elsewhere in its code; a name
//! that another module passes on by `pub use` is traced to its definition. `mod` and `pub use` alone are no arrows, so a
//! parent may declare its children and pass on their names. Apart from that a parent is a module like any other: if it
//! uses a child, the child must not use what the parent defines. To its neighbours, a module with its children is one
//! module. Tests inside modules are ignored, and so are calls of methods, whose types are not known here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemUse, Macro, UseTree, Visibility};

use super::packages;

/// What a module defines, and what it names.
#[derive(Default)]
struct Module {
    file: PathBuf,
    items: BTreeSet<String>,
    /// The path of each imported name.
    imports: BTreeMap<String, Vec<String>>,
    /// The paths of which all names are imported.
    globs: Vec<Vec<String>>,
    /// Paths in the code, each with its line.
    names: Vec<(Vec<String>, usize)>,
}

/// The modules of a crate by their path, such as `a::b`; the root's path is empty.
#[derive(Default)]
struct Modules(BTreeMap<String, Module>);

/// Two modules, of which the first uses the second, and the places in the code.
type Arrows = BTreeMap<(String, String), Vec<String>>;

fn within(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or("", |(parent, _)| parent).to_owned()
}

/// The file of a child module that a file declares.
fn file_of(file: &Path, child: &str) -> PathBuf {
    let is_in_folder = ["lib.rs", "main.rs", "mod.rs"].iter().any(|name| file.ends_with(name));
    let folder = if is_in_folder { file.with_file_name("") } else { file.with_extension("") };
    let beside = folder.join(format!("{child}.rs"));
    if beside.exists() { beside } else { folder.join(child).join("mod.rs") }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl Modules {
    /// Reads a module from its file, and its children from theirs.
    fn read(&mut self, file: &Path, module: &str) {
        let code = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
        self.add(file, module, &code.items);
    }

    fn add(&mut self, file: &Path, module: &str, items: &[Item]) {
        let mut found = Module { file: file.to_owned(), ..Module::default() };
        for item in items {
            found.visit_item(item);
        }
        self.0.insert(module.to_owned(), found);
        for item in items {
            if let Item::Mod(child) = item
                && !is_for_tests(&child.attrs)
            {
                let name = child.ident.to_string();
                match &child.content {
                    Some((_, items)) => self.add(file, &within(module, &name), items),
                    None => self.read(&file_of(file, &name), &within(module, &name)),
                }
            }
        }
    }

    /// The module that defines what a path means in `module`; `None` if it means a module, or is of another crate.
    fn defining(&self, module: &str, path: &[String]) -> Option<String> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => String::new(),
            "self" => module.to_owned(),
            "super" => parent(module),
            _ => {
                rest = path;
                module.to_owned()
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let here = &self.0[&at];
            if name == "super" {
                at = parent(&at);
            } else if self.0.contains_key(&within(&at, name)) {
                at = within(&at, name);
            } else if here.items.contains(name) {
                return Some(at);
            } else if let Some(import) = here.imports.get(name) {
                // `use domain::…` in a module without a child `domain` is of another crate.
                let is_foreign = import.first() == Some(name);
                return if is_foreign {
                    None
                } else {
                    self.defining(&at, &[import.as_slice(), after].concat())
                };
            } else {
                return here
                    .globs
                    .iter()
                    .find_map(|glob| self.defining(&at, &[glob.as_slice(), rest].concat()));
            }
            rest = after;
        }
        None
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (from, module) in &self.0 {
            for (path, line) in &module.names {
                let Some(to) = self.defining(from, path).filter(|to| to != from) else { continue };
                let place = format!("{}:{line}: {}", module.file.display(), path.join("::"));
                arrows.entry((from.clone(), to)).or_default().push(place);
            }
        }
        arrows
    }
}

impl Module {
    fn name(&mut self, path: Vec<String>, of: &Ident) {
        self.names.push((path, of.span().start().line));
    }

    /// Adds what an import below a path brings into the module.
    fn import(&mut self, path: &[String], tree: &UseTree, is_passed_on: bool) {
        let with = |name: &Ident| [path, &[name.to_string()]].concat();
        let (name, bound) = match tree {
            UseTree::Path(next) => return self.import(&with(&next.ident), &next.tree, is_passed_on),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(path, tree, is_passed_on));
            }
            UseTree::Glob(_) => return self.globs.push(path.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                self.imports.insert(path.last().unwrap().clone(), path.to_vec());
                return;
            }
            UseTree::Name(name) => (&name.ident, &name.ident),
            UseTree::Rename(name) => (&name.ident, &name.rename),
        };
        if !is_passed_on {
            self.name(with(name), name);
        }
        self.imports.insert(bound.to_string(), with(name));
    }

    /// Adds the paths in the arguments of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        path.clear();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                    self.name(path.clone(), &ident);
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => path.clear(),
            }
        }
    }
}

impl<'a> Visit<'a> for Module {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "`Item` may gain kinds; none of the others can be named"
    )]
    fn visit_item(&mut self, item: &'a Item) {
        let (attributes, name) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, None),
            _ => return,
        };
        if !is_for_tests(attributes) {
            self.items.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if item.leading_colon.is_none() {
            self.import(&[], &item.tree, !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.name(names, &path.segments[0].ident);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        self.tokens(call.tokens.clone());
    }
}

/// The arrows between the modules that the folder common to both holds.
fn between_neighbours(arrows: &Arrows) -> Arrows {
    let mut folded = Arrows::new();
    for ((from, to), places) in arrows {
        let (from, to): (Vec<&str>, Vec<&str>) = (from.split("::").collect(), to.split("::").collect());
        let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
        let cut = |path: &[&str]| path[..path.len().min(common + 1)].join("::");
        folded.entry((cut(&from), cut(&to))).or_default().extend(places.iter().cloned());
    }
    folded
}

/// The shortest circle through a module, from it and back to it; `None` if there is none.
fn circle_through(start: &String, arrows: &Arrows) -> Option<Vec<String>> {
    let mut before: BTreeMap<&String, &String> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(from) = next.pop_front() {
        for (_, to) in arrows.keys().filter(|(by, _)| by == from) {
            if !before.contains_key(to) {
                before.insert(to, from);
                next.push_back(to);
            }
        }
    }
    let mut circle = vec![start.clone()];
    loop {
        circle.insert(0, (*before.get(circle.first()?)?).clone());
        if circle.first() == Some(start) {
            return Some(circle);
        }
    }
}

/// The circles of a crate's modules as text, with a place in the code for each arrow.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for arrows in [arrows, &between_neighbours(arrows)] {
        for (from, _) in arrows.keys() {
            let Some(circle) = circle_through(from, arrows) else { continue };
            if known.insert(circle.iter().cloned().collect::<BTreeSet<_>>()) {
                let steps = circle.windows(2).map(|step| {
                    let place = &arrows[&(step[0].clone(), step[1].clone())][0];
                    format!("\n  crate::{} uses crate::{} at {place}", step[0], step[1])
                });
                found.push(steps.collect());
            }
        }
    }
    found
}

#[test]
fn no_crate_has_a_circle_of_modules() {
    let mut count = 0;
    for package in packages() {
        let targets = package["targets"].as_array().unwrap();
        let is_code = |target: &&Value| {
            target["kind"].as_array().unwrap().iter().any(|kind| kind == "lib" || kind == "bin")
        };
        for target in targets.iter().filter(is_code) {
            let (name, file) = (&target["name"], Path::new(target["src_path"].as_str().unwrap()));
            let mut modules = Modules::default();
            modules.read(file, "");
            count += modules.0.len();
            let found = circles(&modules.arrows());
            assert!(found.is_empty(), "{name} has a circle of modules:{}", found.join("\n"));
        }
    }
    assert!(count > 150, "only {count} modules were found");
}

/// The circles of modules given as inline modules.
fn circles_in(code: &str) -> usize {
    let mut modules = Modules::default();
    modules.add(Path::new("lib.rs"), "", &syn::parse_file(code).unwrap().items);
    circles(&modules.arrows()).len()
}

#[test]
fn circles_are_found_through_names_passed_on_and_between_folders() {
    let passed_on =
        "pub use a::A; mod a { pub struct A; use crate::b::B; } mod b { pub struct B; fn b(_: crate::A) {} }";
    assert_eq!(circles_in(passed_on), 1);
    assert_eq!(circles_in("fn f() { a::g(); } mod a { pub fn g() { super::f(); } }"), 1);
    assert_eq!(circles_in("pub use a::g; fn f() {} mod a { pub fn g() { vec![super::f()]; } }"), 0);
    let folders = "mod a { pub mod c { pub struct C; } mod d { use crate::b::B; } } mod b { pub struct B; use crate::a::c::C; }";
    assert_eq!(circles_in(folders), 1);
    assert_eq!(
        circles_in("struct A; mod a { pub struct B; #[cfg(test)] mod tests { use crate::A; } } use a::B;"),
        0
    );
}
