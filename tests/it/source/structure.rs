//! The structure of the source: which folder knows which, and how long a function is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::slice::from_ref;

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{Visit, visit_impl_item_fn, visit_item_fn, visit_trait_item_fn};
use syn::{ImplItem, ImplItemFn, Item, ItemFn, ItemUse, TraitItemFn};

use super::{Library, Names, flatten, imports, surface};
use crate::support::ROOT;

/// The most lines of a function, from its name to its last brace.
const MOST_LINES: usize = 60;

/// Longer functions, each with its reason.
const LONGER: [(&str, &str); 2] = [
    (
        "protocol/error.rs: fmt",
        "of `Rejection`: one line for each",
    ),
    (
        "protocol/handshake/error.rs: fmt",
        "of `HandshakeError`: one line for each",
    ),
];

/// The folders of the library.
const PARTS: [&str; 4] = ["protocol", "net", "server", "client"];

/// The parts of the library, each with the parts that it may use: so there is no circle between them.
const USES: [(&str, &[&str]); 8] = [
    ("protocol", &[]),
    ("error", &["protocol"]),
    ("net", &["protocol", "error"]),
    ("tls", &["error", "net"]),
    ("pieces", &["net"]),
    ("server", &["protocol", "error", "net"]),
    ("client", &["protocol", "error", "net"]),
    ("testing", &["protocol", "error", "net", "server", "client"]),
];

#[test]
fn no_two_parts_import_each_other() {
    let library = Library::read();
    let mut arrows = BTreeSet::new();
    for (module, contents) in &library.modules {
        let imported = targets(&library, module).into_iter();
        let imported = imported.filter_map(|(target, _)| target.first().cloned());
        // A path in the code is as much of an import.
        let mut code = Paths::default();
        contents.items.iter().for_each(|item| code.visit_item(item));
        let written = code.found.iter();
        let written = written.filter_map(|path| library.part_of(module, path));
        let from = module.first().cloned().unwrap_or_default();
        for to in imported.chain(written) {
            arrows.insert((from.clone(), to));
        }
    }
    for (part, uses) in USES {
        let to = arrows.iter().filter(|(from, _)| from == part);
        let to = to.map(|(_, to)| to.as_str()).filter(|to| *to != part);
        let others: Vec<_> = to.filter(|to| !uses.contains(to)).collect();
        assert_eq!(others, [""; 0], "{part} may use {uses:?} only");
    }
    for needed in [("net", "protocol"), ("server", "net"), ("client", "net")] {
        let (from, to) = (needed.0.to_owned(), needed.1.to_owned());
        assert!(arrows.contains(&(from, to)), "{needed:?} is not seen");
    }
}

#[test]
fn no_function_is_too_long_to_see_at_once() {
    let library = Library::read();
    let mut found = Lengths::default();
    for module in library.modules.values() {
        let file = module.file.strip_prefix(Path::new(ROOT).join("src"));
        found.file = file.unwrap().display().to_string().replace('\\', "/");
        for item in &module.items {
            found.visit_item(item);
        }
    }
    assert!(found.functions.len() > 500, "{}", found.functions.len());
    let exceptions: BTreeSet<&str> = LONGER.iter().map(|(name, _)| *name).collect();
    let long: BTreeSet<&str> = found
        .functions
        .iter()
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        long, exceptions,
        "functions of more than {MOST_LINES} lines, and the exceptions"
    );
}

/// The files, the folders and the functions that the document for readers of the source names.
#[test]
fn the_architecture_names_only_what_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/architecture.md")).unwrap();
    let library = Library::read();
    let (mut files, mut functions) = (0, 0);
    for name in text.split('`').skip(1).step_by(2) {
        let part = name.split('/').next().unwrap_or_default();
        if PARTS.contains(&part) && name.contains('/') && !name.contains('<') {
            files += 1;
            let path = Path::new(ROOT).join("src").join(name);
            assert!(path.exists(), "{name}");
        } else if let Some((owner, function)) = name.split_once("::")
            && owner.starts_with(char::is_uppercase)
        {
            functions += 1;
            assert!(has_member(&library, owner, function), "{name}");
        }
    }
    assert!(files > 50 && functions > 15, "{files} and {functions}");
}

/// Whether a type has a method or a variant of this name.
fn has_member(library: &Library, owner: &str, name: &str) -> bool {
    let items = library.modules.values().flat_map(|module| &module.items);
    let mut items = items.filter(|item| match item {
        Item::Impl(block) => surface::self_name(block).as_deref() == Some(owner),
        Item::Enum(item) => item.ident == owner,
        _ => false,
    });
    items.any(|item| match item {
        Item::Impl(block) => block
            .items
            .iter()
            .any(|part| matches!(part, ImplItem::Fn(function) if function.sig.ident == name)),
        Item::Enum(item) => item.variants.iter().any(|variant| variant.ident == name),
        _ => false,
    })
}

/// The rules in `tidy.rs` end where the tests begin.
#[test]
fn no_code_of_the_library_stands_below_code_for_tests() {
    for module in Library::read().modules.values() {
        let source = fs::read_to_string(&module.file).unwrap();
        let items = syn::parse_file(&source).unwrap().items;
        let is_for_tests = |item: &Item| {
            let mut attributes = super::attributes(item).iter();
            attributes.any(|one| one.to_token_stream().to_string().contains("cfg (test)"))
        };
        let mut below = items.iter().skip_while(|item| !is_for_tests(item));
        assert!(below.all(is_for_tests), "{}", module.file.display());
    }
}

/// All items of the library that a module imports, by the module that defines them.
fn targets(library: &Library, module: &Names) -> Vec<(Names, String)> {
    let imports = imports(&library.modules[module].items);
    imports
        .iter()
        .filter_map(|one| library.resolve(module, &one.path))
        .collect()
}

impl Library {
    /// The part of the library into which a path leads, as it is written in a module. A path that begins
    /// with a name that the module has imported is no other import.
    fn part_of(&self, module: &[String], path: &[String]) -> Option<String> {
        let mut rest = path;
        let mut here = match path.first()?.as_str() {
            "crate" => {
                rest = &path[1..];
                &[]
            }
            "self" | "super" => module,
            _ => return None,
        };
        while let Some(name) = rest.first() {
            match name.as_str() {
                "self" => {}
                "super" => here = &here[..here.len().checked_sub(1)?],
                _ => break,
            }
            rest = &rest[1..];
        }
        let name = rest.first()?;
        if let Some(part) = here.first() {
            return Some(part.clone());
        }
        if self.modules.contains_key(from_ref(name)) {
            return Some(name.clone());
        }
        // An item that the root exports.
        self.look_up(&[], name)?.0.first().cloned()
    }
}

/// All paths in the code, as written: also those in the bodies of functions, and in imports there.
#[derive(Default)]
struct Paths {
    found: Vec<Names>,
}

impl<'a> Visit<'a> for Paths {
    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|one| one.ident.to_string());
        self.found.push(names.collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, import: &'a ItemUse) {
        let found = &mut self.found;
        flatten(&import.tree, &mut Vec::new(), &mut |_, path| {
            found.push(path)
        });
    }

    /// The tokens of a macro are not parsed: only the paths from the root are found there.
    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let tokens = call.tokens.to_string();
        for after in tokens.split("crate :: ").skip(1) {
            let name = after.split([' ', ':']).next().unwrap_or_default();
            self.found.push(vec!["crate".to_owned(), name.to_owned()]);
        }
        syn::visit::visit_macro(self, call);
    }

    fn visit_item(&mut self, item: &'a Item) {
        if super::exists(item) && !matches!(item, Item::Mod(_)) {
            syn::visit::visit_item(self, item);
        }
    }
}

/// The names of all functions, each with its file, and how many lines each has.
#[derive(Default)]
struct Lengths {
    file: String,
    functions: Vec<(String, usize)>,
}

impl Lengths {
    fn add(&mut self, name: &syn::Ident, whole: &impl Spanned) {
        let (first, last) = (name.span().start().line, whole.span().end().line);
        let name = format!("{}: {name}", self.file);
        self.functions.push((name, last + 1 - first));
    }
}

impl<'a> Visit<'a> for Lengths {
    fn visit_item_fn(&mut self, function: &'a ItemFn) {
        self.add(&function.sig.ident, function);
        visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'a ImplItemFn) {
        self.add(&function.sig.ident, function);
        visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'a TraitItemFn) {
        self.add(&function.sig.ident, function);
        visit_trait_item_fn(self, function);
    }

    fn visit_item(&mut self, item: &'a Item) {
        if super::exists(item) {
            syn::visit::visit_item(self, item);
        }
    }
}
