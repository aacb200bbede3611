//! The library's own source, read as a compiler reads it: its modules, items and paths.

mod structure;
mod surface;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice::from_ref;

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::{Attribute, Item, ItemMacro, Meta, UseTree, Visibility};

use crate::support::ROOT;

/// A path below the crate's root, as `["protocol", "framing"]`.
type Names = Vec<String>;

/// The modules of the library, by their paths. Code for tests and for the model checker is left out, and
/// so is the code that stands in for a feature that is off.
struct Library {
    modules: BTreeMap<Names, Module>,
}

struct Module {
    file: PathBuf,
    items: Vec<Item>,
}

/// An item that an import names.
struct Import {
    public: bool,
    /// The name that it has here.
    name: String,
    /// The path as written.
    path: Names,
    /// The feature without which it does not exist.
    feature: Option<String>,
}

impl Library {
    fn read() -> Library {
        let mut library = Library {
            modules: BTreeMap::new(),
        };
        library.enter(Vec::new(), Path::new(ROOT).join("src/lib.rs"));
        library
    }

    fn enter(&mut self, names: Names, file: PathBuf) {
        let source = fs::read_to_string(&file).unwrap();
        let parsed = syn::parse_file(&source).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let folder = match file.file_name().unwrap().to_str().unwrap() {
            "mod.rs" | "lib.rs" => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        self.add(names, &file, &folder, parsed.items);
    }

    fn add(&mut self, names: Names, file: &Path, folder: &Path, items: Vec<Item>) {
        let items: Vec<Item> = items.into_iter().filter(exists).collect();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let below = [&names[..], from_ref(&name)].concat();
            if let Some((_, inside)) = &module.content {
                self.add(below, file, folder, inside.clone());
                continue;
            }
            let places = [
                folder.join(format!("{name}.rs")),
                folder.join(&name).join("mod.rs"),
            ];
            let place = places.iter().find(|place| place.exists()).unwrap();
            self.enter(below, place.clone());
        }
        let file = file.to_owned();
        self.modules.insert(names, Module { file, items });
    }

    /// Follows a path from a module to the module and the name where the item is defined; `None` for an
    /// item of another crate.
    fn resolve(&self, from: &[String], path: &[String]) -> Option<(Names, String)> {
        let (first, rest) = path.split_first()?;
        let mut here: Names = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len() - 1].to_vec(),
            _ if rest.is_empty() => return self.look_up(from, first),
            _ => self.module_named(from, first)?,
        };
        let (last, between) = rest.split_last()?;
        for name in between {
            here = match name.as_str() {
                "super" => here[..here.len() - 1].to_vec(),
                name => self.module_named(&here, name)?,
            };
        }
        match last.as_str() {
            "self" => Some((here[..here.len() - 1].to_vec(), here.last()?.clone())),
            _ => self.look_up(&here, last),
        }
    }

    fn module_named(&self, from: &[String], name: &str) -> Option<Names> {
        let below = [from, &[name.to_owned()]].concat();
        if self.modules.contains_key(&below) {
            return Some(below);
        }
        let (module, name) = self.look_up(from, name)?;
        let found = [&module[..], &[name]].concat();
        self.modules.contains_key(&found).then_some(found)
    }

    /// Finds a name in one module, and follows its imports.
    fn look_up(&self, module: &[String], name: &str) -> Option<(Names, String)> {
        let items = &self.modules.get(module)?.items;
        if items
            .iter()
            .any(|item| name_of(item).as_deref() == Some(name))
        {
            return Some((module.to_vec(), name.to_owned()));
        }
        let import = imports(items).into_iter().find(|one| one.name == name)?;
        if import.path == [name] {
            return None;
        }
        self.resolve(module, &import.path)
    }
}

/// Whether an item is a part of the library with all of its features.
fn exists(item: &Item) -> bool {
    !attributes(item).iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string();
        attribute.path().is_ident("cfg")
            && (text.contains("cfg (test)")
                || text.contains("stentor_model") && !text.contains("not")
                || text.contains("not (feature"))
    })
}

/// The feature that an item needs.
fn feature(attributes: &[Attribute]) -> Option<String> {
    let of = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) if attribute.path().is_ident("cfg") => {
            let text = list.tokens.to_string();
            let quoted = text.strip_prefix("feature = \"")?;
            Some(quoted.trim_end_matches('"').to_owned())
        }
        _ => None,
    };
    attributes.iter().find_map(of)
}

fn imports(items: &[Item]) -> Vec<Import> {
    let mut found = Vec::new();
    for item in items {
        if let Item::Use(import) = item {
            let public = matches!(import.vis, Visibility::Public(_));
            let feature = feature(&import.attrs);
            let mut add = |name: String, path: Names| {
                let feature = feature.clone();
                found.push(Import {
                    public,
                    name,
                    path,
                    feature,
                });
            };
            flatten(&import.tree, &mut Vec::new(), &mut add);
        }
    }
    found
}

fn flatten(tree: &UseTree, before: &mut Names, add: &mut impl FnMut(String, Names)) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, add);
            before.pop();
        }
        UseTree::Name(name) => {
            let own = match name.ident.to_string().as_str() {
                "self" => before.last().cloned().unwrap_or_default(),
                other => other.to_owned(),
            };
            add(own, [&before[..], &[name.ident.to_string()]].concat());
        }
        UseTree::Rename(name) => add(
            name.rename.to_string(),
            [&before[..], &[name.ident.to_string()]].concat(),
        ),
        UseTree::Glob(_) => add("*".to_owned(), before.clone()),
        UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, before, add);
            }
        }
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Mod(item) => item.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Macro(item) => match &item.ident {
            Some(name) => name.to_string(),
            None => made_by_macro(item)?,
        },
        _ => return None,
    })
}

/// The type that `invalid_text!` makes: the name after the documentation.
fn made_by_macro(item: &ItemMacro) -> Option<String> {
    let named = |token| match token {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    };
    let is_it = item.mac.path.is_ident("invalid_text");
    let mut tokens = item.mac.tokens.clone().into_iter();
    is_it.then(|| tokens.find_map(named))?
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// The text of a doc comment.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else {
            return None;
        };
        let text = pair.value.to_token_stream().to_string();
        pair.path
            .is_ident("doc")
            .then(|| text.trim_matches('"').to_owned())
    });
    lines.collect::<Vec<_>>().join("\n")
}
