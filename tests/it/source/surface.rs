//! The public surface, as a list: each change of it is a visible difference of `surface.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::slice::from_ref;

use quote::ToTokens;
use syn::{ImplItem, Item, ItemImpl, TraitItem, Type};

use super::{Library, Names, attributes, documentation, feature, imports, is_public, name_of};
use crate::support::ROOT;

const LIST: &str = "tests/it/surface.txt";

/// The most names at the root of the crate, modules not counted.
const MOST_AT_THE_ROOT: usize = 25;

/// The public paths of the library: for each the place where the item is defined, and its feature.
struct Surface<'a> {
    library: &'a Library,
    paths: BTreeMap<Names, (Names, String, Option<String>)>,
}

#[test]
fn the_public_surface_is_the_one_that_is_listed() {
    let library = Library::read();
    let surface = Surface::of(&library);
    let now = surface.list();
    let file = Path::new(ROOT).join(LIST);
    if std::env::var_os("STENTOR_WRITE_SURFACE").is_some() {
        fs::write(&file, &now).unwrap();
    }
    let listed = fs::read_to_string(&file).unwrap_or_default();
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
        (listed.lines().collect(), now.lines().collect());
    let gone: Vec<_> = old
        .difference(&new)
        .map(|line| format!("- {line}"))
        .collect();
    let added: Vec<_> = new
        .difference(&old)
        .map(|line| format!("+ {line}"))
        .collect();
    assert!(
        listed == now,
        "the public surface differs from {LIST}; if that is intended, run this test once with \
         STENTOR_WRITE_SURFACE=1, and commit the file:\n{}\n{}",
        gone.join("\n"),
        added.join("\n")
    );
}

#[test]
fn each_type_has_one_public_path() {
    let library = Library::read();
    let surface = Surface::of(&library);
    let mut places: BTreeMap<(Names, String), Vec<String>> = BTreeMap::new();
    for (path, (module, name, _)) in &surface.paths {
        let place = (module.clone(), name.clone());
        places.entry(place).or_default().push(path.join("::"));
    }
    assert!(places.len() > 60, "{} items are public", places.len());
    for ((_, name), paths) in &places {
        // These are for both sides, and either side can be left out.
        let most = match name.as_str() {
            "Halves" | "Transport" => 2,
            _ => 1,
        };
        assert_eq!(paths.len(), most, "one item by {paths:?}");
    }
}

#[test]
fn the_root_has_few_names() {
    let library = Library::read();
    let surface = Surface::of(&library);
    let at_the_root = |path: &&Names| path.len() == 1 && !library.modules.contains_key(*path);
    let names: Vec<_> = surface.paths.keys().filter(at_the_root).collect();
    assert!(names.len() > 15, "{names:?}");
    assert!(
        names.len() <= MOST_AT_THE_ROOT,
        "{}: {names:?}",
        names.len()
    );
}

#[test]
fn an_enum_can_grow_or_says_that_it_is_complete() {
    let library = Library::read();
    let mut checked = 0;
    for (path, (module, name, _)) in &Surface::of(&library).paths {
        let Some(Item::Enum(item)) = library.item(module, name) else {
            continue;
        };
        checked += 1;
        let grows = item
            .attrs
            .iter()
            .any(|one| one.path().is_ident("non_exhaustive"));
        let is_complete = documentation(&item.attrs)
            .lines()
            .any(|line| line.trim().starts_with("Complete: "));
        assert!(grows || is_complete, "{}", path.join("::"));
    }
    assert!(checked > 15, "{checked} enums are public");
}

#[test]
fn each_public_types_methods_stand_in_one_file() {
    let library = Library::read();
    let mut files: BTreeMap<(Names, String), BTreeSet<String>> = BTreeMap::new();
    for module in library.modules.keys() {
        for block in library.blocks(module) {
            let place = library.owner(module, block);
            if let Some(place) = place.filter(|_| block.trait_.is_none()) {
                let file = library.modules[module].file.display().to_string();
                files.entry(place).or_default().insert(file);
            }
        }
    }
    for (path, (module, name, _)) in &Surface::of(&library).paths {
        if let Some(files) = files.get(&(module.clone(), name.clone())) {
            assert_eq!(files.len(), 1, "{}: {files:?}", path.join("::"));
        }
    }
}

impl<'a> Surface<'a> {
    fn of(library: &'a Library) -> Surface<'a> {
        let mut surface = Surface {
            library,
            paths: BTreeMap::new(),
        };
        surface.enter(&[], &[], None);
        surface
    }

    /// Adds the public items of a module, under the path by which it is public.
    fn enter(&mut self, module: &[String], path: &[String], needs: Option<&str>) {
        for item in &self.library.modules[module].items {
            let Some(name) = name_of(item).filter(|_| item_is_public(item)) else {
                continue;
            };
            let needs = feature(attributes(item)).or(needs.map(str::to_owned));
            let below = [path, from_ref(&name)].concat();
            if matches!(item, Item::Mod(_)) {
                let inside = [module, from_ref(&name)].concat();
                self.enter(&inside, &below, needs.as_deref());
            }
            self.paths.insert(below, (module.to_vec(), name, needs));
        }
        for import in imports(&self.library.modules[module].items) {
            if !import.public {
                continue;
            }
            assert_ne!(import.name, "*", "{module:?} exports everything of another");
            let below = [path, from_ref(&import.name)].concat();
            let needs = import.feature.clone().or(needs.map(str::to_owned));
            let place = self.library.resolve(module, &import.path);
            let (defined, name) =
                place.unwrap_or_else(|| (vec!["another crate".to_owned()], import.path.join("::")));
            self.paths.insert(below, (defined, name, needs));
        }
    }

    fn list(&self) -> String {
        let mut lines = Vec::new();
        for (path, (module, name, needs)) in &self.paths {
            let shown = format!("stentor::{}", path.join("::"));
            let needs = needs
                .as_ref()
                .map(|one| format!("  [feature {one}]"))
                .unwrap_or_default();
            match self.library.item(module, name) {
                Some(item) => {
                    lines.push(format!("{}{needs}", head(item, &shown)));
                    lines.extend(parts(item).into_iter().map(|part| format!("    {part}")));
                    lines.extend(self.members(&(module.clone(), name.clone())));
                }
                None => lines.push(format!("pub use {name} as {shown}{needs}")),
            }
        }
        lines.join("\n") + "\n"
    }

    /// The methods and the traits of a type.
    fn members(&self, place: &(Names, String)) -> Vec<String> {
        let (mut methods, mut traits) = (Vec::new(), Vec::new());
        for module in self.library.modules.keys() {
            for block in self.library.blocks(module) {
                if self.library.owner(module, block).as_ref() != Some(place) {
                    continue;
                }
                match &block.trait_ {
                    Some((path, ..)) => traits.push(format!("    impl {}", compact(path))),
                    None => methods.extend(public_methods(block)),
                }
            }
        }
        traits.sort();
        methods.extend(traits);
        methods
    }
}

impl Library {
    fn item(&self, module: &[String], name: &str) -> Option<&Item> {
        let items = &self.modules.get(module)?.items;
        items
            .iter()
            .find(|item| name_of(item).as_deref() == Some(name))
    }

    /// Returns the type that a block in this module is for: two types in two modules may have one name.
    fn owner(&self, module: &[String], block: &ItemImpl) -> Option<(Names, String)> {
        let Type::Path(path) = &*block.self_ty else {
            return None;
        };
        let names = path.path.segments.iter().map(|one| one.ident.to_string());
        let names: Names = names.collect();
        self.resolve(module, &names)
    }

    fn blocks(&self, module: &[String]) -> impl Iterator<Item = &ItemImpl> {
        self.modules[module]
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Impl(block) => Some(block),
                _ => None,
            })
    }
}

fn item_is_public(item: &Item) -> bool {
    match item {
        Item::Const(item) => is_public(&item.vis),
        Item::Enum(item) => is_public(&item.vis),
        Item::Fn(item) => is_public(&item.vis),
        Item::Mod(item) => is_public(&item.vis),
        Item::Static(item) => is_public(&item.vis),
        Item::Struct(item) => is_public(&item.vis),
        Item::Trait(item) => is_public(&item.vis),
        Item::Type(item) => is_public(&item.vis),
        _ => false,
    }
}

/// The name of the type that a block is for.
pub(super) fn self_name(block: &ItemImpl) -> Option<String> {
    match &*block.self_ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        _ => None,
    }
}

fn public_methods(block: &ItemImpl) -> Vec<String> {
    let mut shown = Vec::new();
    for item in &block.items {
        match item {
            ImplItem::Fn(function) if is_public(&function.vis) => {
                let needs = feature(&function.attrs);
                let needs = needs
                    .map(|one| format!("  [feature {one}]"))
                    .unwrap_or_default();
                shown.push(format!("    pub {}{needs}", compact(&function.sig)));
            }
            ImplItem::Const(item) if is_public(&item.vis) => {
                shown.push(format!(
                    "    pub const {}: {}",
                    item.ident,
                    compact(&item.ty)
                ));
            }
            _ => {}
        }
    }
    shown
}

/// The first line of an item, with the attributes that are a part of its contract.
fn head(item: &Item, path: &str) -> String {
    let contract = |name: &str| {
        let has = attributes(item).iter().any(|one| one.path().is_ident(name));
        if has {
            format!("#[{name}] ")
        } else {
            String::new()
        }
    };
    let before = contract("non_exhaustive") + &contract("must_use");
    let after = match item {
        Item::Const(item) => format!("const {path}: {}", compact(&item.ty)),
        Item::Fn(item) => format!("fn {path}: {}", compact(&item.sig)),
        Item::Type(item) => format!("type {path} = {}", compact(&item.ty)),
        Item::Enum(item) => format!("enum {path}{}", derives(&item.attrs)),
        Item::Struct(item) => format!(
            "struct {path}{}{}",
            compact(&item.generics),
            derives(&item.attrs)
        ),
        Item::Trait(item) => format!("trait {path}: {}", compact(&item.supertraits)),
        Item::Mod(_) => format!("mod {path}"),
        Item::Macro(_) => format!("struct {path}, an error for a text that is not valid"),
        _ => path.to_owned(),
    };
    format!("{before}pub {after}")
}

fn derives(attributes: &[syn::Attribute]) -> String {
    let lists = attributes
        .iter()
        .filter(|one| one.path().is_ident("derive"));
    let texts = lists.filter_map(|one| Some(compact(&one.meta.require_list().ok()?.tokens)));
    texts.map(|text| format!(" derives {text}")).collect()
}

/// The public fields, the variants, the methods of a trait.
fn parts(item: &Item) -> Vec<String> {
    match item {
        Item::Struct(item) => {
            let fields = item.fields.iter().filter(|field| is_public(&field.vis));
            let shown = fields.map(|field| match &field.ident {
                Some(name) => format!("pub {name}: {}", compact(&field.ty)),
                None => format!("pub {}", compact(&field.ty)),
            });
            shown.collect()
        }
        Item::Enum(item) => item
            .variants
            .iter()
            .map(|variant| {
                let mut bare = variant.clone();
                bare.attrs.clear();
                for field in &mut bare.fields {
                    field.attrs.clear();
                }
                compact(&bare)
            })
            .collect(),
        Item::Trait(item) => item
            .items
            .iter()
            .filter_map(|part| match part {
                TraitItem::Fn(function) => Some(compact(&function.sig)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Tokens as one line of ordinary Rust.
fn compact(tokens: &impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (long, short) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" :", ":"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ;", ";"),
        ("[ ", "["),
        (" ]", "]"),
        ("->(", "-> ("),
        (",)", ")"),
        (", >", ">"),
    ] {
        text = text.replace(long, short);
    }
    text
}
