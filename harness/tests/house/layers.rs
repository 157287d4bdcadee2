//! Doors that open one way: what imports a module that stands above it, or beside it, fails here by name. Never judges what a module does.

use super::{root, rust_files};
use proc_macro2::{TokenStream, TokenTree};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::Visit;
use syn::{Attribute, UseTree};

/// A folder whose modules have an order.
#[derive(Deserialize)]
struct Folder {
    /// Below the root of the repository.
    path: PathBuf,
    /// The modules, from the ground up. Those of one layer do not know each other.
    layers: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Layers {
    folder: Vec<Folder>,
}

/// A module of a folder that names another one.
type Arrow = (String, String);

fn folders() -> Vec<Folder> {
    let text = fs::read_to_string(root().join("harness/layers.toml")).unwrap();
    toml::from_str::<Layers>(&text).unwrap().folder
}

/// The paths that a file names, each from the root of its crate.
struct Named {
    /// The module in which the visitor is.
    here: Vec<String>,
    paths: BTreeSet<Vec<String>>,
}

impl Named {
    fn in_file(text: &str, module: Vec<String>) -> BTreeSet<Vec<String>> {
        let mut named = Self {
            here: module,
            paths: BTreeSet::new(),
        };
        named.visit_file(&syn::parse_file(text).unwrap());
        named.paths
    }

    fn add(&mut self, segments: &[String]) {
        let mut from = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.here.clone(),
            _ => return,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(from.pop()),
                name => from.push(name.to_owned()),
            }
        }
        self.paths.insert(from);
    }

    fn add_tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&path.tree, &with(&path.ident)),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(renamed) => self.add(&with(&renamed.ident)),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, before);
                }
            }
            // `use super::*` of a module of tests.
            UseTree::Glob(_) => self.add(before),
        }
    }

    /// Paths within the words of a macro, which are no syntax yet.
    fn add_words(&mut self, words: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        for word in words {
            match word {
                TokenTree::Ident(name) => path.push(name.to_string()),
                TokenTree::Punct(mark) if mark.as_char() == ':' => {}
                TokenTree::Group(group) => {
                    self.add(&std::mem::take(&mut path));
                    self.add_words(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.add(&std::mem::take(&mut path)),
            }
        }
        self.add(&path);
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_of_tests(&module.attrs) {
            self.here.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_of_tests(&item.attrs) {
            self.add_tree(&item.tree, &[]);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_of_tests(&item.attrs) {
            syn::visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_of_tests(&item.attrs) {
            syn::visit::visit_item_impl(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.add(&segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.add_words(call.tokens.clone());
    }
}

/// The names in a path, the last one without its ending.
fn names(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    path.iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

impl Folder {
    /// The path of its own module: empty for the root of a crate.
    fn module(&self) -> Vec<String> {
        let names = names(&self.path).into_iter();
        names.skip_while(|name| name != "src").skip(1).collect()
    }

    /// Its files but those of tests: the path of each one's module below its own, and its text.
    fn files(&self) -> Vec<(Vec<String>, String, String)> {
        let mut files = Vec::new();
        for (file, text) in rust_files(&self.path.display().to_string()) {
            let mut below = names(Path::new(&file).strip_prefix(&self.path).unwrap());
            if below.last().is_some_and(|own| own.ends_with("tests")) {
                continue;
            }
            below.retain(|name| !["mod", "lib", "main"].contains(&name.as_str()));
            files.push((below, file, text));
        }
        files
    }

    fn modules(&self) -> BTreeSet<String> {
        let files = self.files().into_iter();
        files
            .filter_map(|(below, ..)| below.into_iter().next())
            .collect()
    }

    /// Which of its modules name which others, and one file of each that does.
    fn arrows(&self) -> BTreeMap<Arrow, String> {
        let (module, modules) = (self.module(), self.modules());
        let mut arrows = BTreeMap::new();
        for (below, file, text) in self.files() {
            let Some(own) = below.first() else {
                continue;
            };
            for named in Named::in_file(&text, [module.as_slice(), &below].concat()) {
                let other = named
                    .strip_prefix(module.as_slice())
                    .and_then(|rest| rest.first());
                if let Some(other) = other.filter(|other| *other != own && modules.contains(*other))
                {
                    arrows.insert((own.clone(), other.clone()), file.clone());
                }
            }
        }
        arrows
    }

    fn layer_of(&self, module: &str) -> Option<usize> {
        self.layers
            .iter()
            .position(|layer| layer.iter().any(|own| own == module))
    }
}

#[test]
fn a_module_knows_only_modules_of_layers_below_its_own() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let arrows = folder.arrows();
        assert!(
            !arrows.is_empty(),
            "{}: nothing is seen",
            folder.path.display()
        );
        for ((from, to), file) in arrows {
            if folder.layer_of(&from) <= folder.layer_of(&to) {
                wrong.push(format!("{file}: {from} must not know {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_stands_in_one_layer() {
    for folder in folders() {
        let modules = folder.modules();
        let listed: Vec<&String> = folder.layers.iter().flatten().collect();
        let once: BTreeSet<String> = listed.iter().map(|name| (*name).clone()).collect();
        let place = folder.path.display();
        assert_eq!(once.len(), listed.len(), "{place}: a module stands twice");
        assert_eq!(once, modules, "{place}: listed, and there");
    }
}

#[test]
fn every_module_of_the_harness_stands_in_the_architecture() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let harness = &folders()[0];
    for module in harness.layers.iter().flatten() {
        let path = harness.path.join(module);
        let names = ["`", ".rs`"].map(|end| format!("`{}{end}", path.display()));
        let is_named = names.iter().any(|name| architecture.contains(name));
        assert!(
            is_named,
            "ARCHITECTURE.md has no line for {}",
            path.display()
        );
    }
}

#[test]
fn every_spelling_of_an_import_is_seen() {
    let here = || vec!["above".to_owned(), "part".to_owned()];
    let seen = |text: &str| -> Vec<String> {
        let named = Named::in_file(text, here());
        named.into_iter().map(|path| path.join("::")).collect()
    };
    assert_eq!(seen("use crate::below::Thing;"), ["below::Thing"]);
    assert_eq!(seen("use crate::{a::B, c};"), ["a::B", "c"]);
    assert_eq!(seen("use super::super::below::x as y;"), ["below::x"]);
    assert_eq!(seen("fn f() { super::g(); }"), ["above::g"]);
    assert_eq!(seen("fn f(x: &crate::below::X) {}"), ["below::X"]);
    assert_eq!(
        seen("fn f() { say!(\"{}\", crate::below::x(1)); }"),
        ["below::x"]
    );
    assert_eq!(seen("mod inner { use super::super::x; }"), ["above::x"]);
    assert!(seen("#[cfg(test)] mod tests { use crate::below::x; }").is_empty());
    assert!(seen("/// [`crate::below::x`]\nfn f() {}").is_empty());
}
