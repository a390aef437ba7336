//! Which file of a folder may know which: no file may look at one that looks at it, and rooms have a list of
//! arrows of their own.
//!
//! Each file is a module, and each folder belongs to the module file beside it (`engine/` to `engine.rs`),
//! which is its *top*. An arrow is a path in the code: `use super::x`, `crate::a::x`, a path in the middle of
//! a line. It is drawn once, in the folder where the two ends part: from `engine/submit/bulk.rs` to
//! `engine/deliver/offer.rs` it is the arrow `submit -> deliver` of `engine`. A name that a top only hands on
//! (`pub use bulk::OnProgress`) belongs to the file that it comes from. A name that the top defines is the
//! top's, so that a file which takes it looks up, and the top may not look down at that file: what several
//! files of a folder need of their top is a leaf of its own. A top that only declares its files and hands
//! their names on looks at nobody.
//!
//! What a test in `src/` looks at does not count. What no path shows is not seen: a method that is called on
//! a value. So rooms are structs, whose fields name what they may touch.

use std::collections::{BTreeMap, BTreeSet};

use super::{code_of, sources};

/// Folders inside of which no file looks at one that looks at it. One is added when it is clean, and never
/// taken off.
const CLEAN: [&str; 43] = [
    "access",
    "access::ssh",
    "cli",
    "cli::csv",
    "config",
    "engine",
    "engine::answering",
    "engine::answers",
    "engine::carriers",
    "engine::contract",
    "engine::deliver",
    "engine::operate",
    "engine::read",
    "engine::receive",
    "engine::submit",
    "engine::tell",
    "http",
    "http::page",
    "ledger",
    "ledger::model",
    "ledger::rules",
    "ledger::sqlite",
    "ledger::sqlite::mark",
    "mcp",
    "policy",
    "provider",
    "provider::aws",
    "provider::generic_http",
    "provider::line",
    "provider::line::cmpp",
    "provider::line::cmpp::pdu",
    "provider::line::session",
    "provider::line::smpp",
    "provider::mailersend",
    "provider::mailpro",
    "provider::plivo",
    "provider::rest",
    "provider::sandbox",
    "provider::vonage",
    "setting",
    "sms",
    "sms::number",
    "sms::reply",
];

/// What all rooms of the engine may know. These know each other alone.
const ENGINE_LEAVES: [&str; 9] =
    ["arguments", "caller", "contract", "halted", "life", "prepared", "retry", "settings", "signals"];

/// Which room of the engine may know which, beside the leaves. `room/file` is that file alone; `*` is
/// everybody. Whoever hears of a change or begins to tell of one knows `signals`, and not who listens: so
/// nobody knows `tell`. Operators send nothing, and read their numbers by `arguments`: so `operate` does not
/// know `submit`.
const ENGINE: [(&str, &[&str]); 15] = [
    ("answers", &[]),
    ("carriers", &[]),
    ("clients", &[]),
    ("tell", &[]),
    ("deliver", &["carriers"]),
    ("submit", &["answers", "deliver", "carriers"]),
    ("answering", &["submit", "carriers"]),
    ("receive", &["answering", "deliver", "carriers"]),
    ("read", &["answers", "carriers", "receive/poll"]),
    ("operate", &["receive", "carriers"]),
    ("consenting", &["*"]),
    ("deciding", &["*"]),
    ("rooms", &["*"]),
    ("running", &["*"]),
    (TOP, &["*"]),
];

/// The name of the top of a folder, in its arrows.
const TOP: &str = "(top)";

/// A module: the names on the way to it from the crate's root, which has none.
type Module = Vec<String>;

fn module(path: &str) -> Module {
    path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The module that a file is: `engine/submit/bulk.rs` is `engine::submit::bulk`.
fn module_of(file: &str) -> Module {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    if path == "lib" { Vec::new() } else { module(&path) }
}

/// A source text without its comments, strings and tests.
fn bare(text: &str) -> String {
    let code = code_of(text);
    let code = code.split("\nmod tests {").next().unwrap();
    let (mut kept, mut in_text, mut chars) = (String::new(), false, code.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            // A quotation mark by itself is a character and no text.
            '\'' if chars.peek() == Some(&'"') => {
                chars.next();
                chars.next();
            }
            '\\' if in_text => {
                chars.next();
            }
            '"' => in_text = !in_text,
            _ if in_text => {}
            c => kept.push(c),
        }
    }
    kept
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths of a tree such as `a::{b, c::{d as e, self}}`, each with the name under which it is known here,
/// and how much of the code that was.
fn tree(code: &str, before: &Module, found: &mut Vec<(Module, String)>) -> usize {
    let (mut path, mut at) = (before.clone(), 0);
    loop {
        let rest = &code[at..];
        let space = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        at += space;
        if rest.starts_with('{') {
            at += 1;
            loop {
                at += tree(&code[at..], &path, found);
                let rest = code[at..].trim_start();
                at = code.len() - rest.len();
                match rest.chars().next() {
                    Some(',') => at += 1,
                    Some(_) => return at + 1,
                    None => return at,
                }
                if code[at..].trim_start().starts_with('}') {
                    return code.len() - code[at..].trim_start().len() + 1;
                }
            }
        }
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let name = if rest.starts_with('*') { "*" } else { &rest[..length] };
        at += name.len();
        if name != "self" || path.is_empty() {
            path.push(name.to_owned());
        }
        if let Some(more) = code[at..].strip_prefix("::")
            && more.starts_with(|c: char| is_name(c) || c == '{' || c == '*')
        {
            at += 2;
            continue;
        }
        let known_as = match code[at..].strip_prefix(" as ") {
            Some(renamed) => {
                let length = renamed.find(|c| !is_name(c)).unwrap_or(renamed.len());
                at += 4 + length;
                renamed[..length].to_owned()
            }
            None => path.last().cloned().unwrap_or_default(),
        };
        found.push((path, known_as));
        return at;
    }
}

/// Every path in this code that begins with one of these names, as it is written, and the name under which it
/// is known.
fn paths(code: &str, heads: &BTreeSet<String>) -> Vec<(Module, String)> {
    let mut found = Vec::new();
    for head in heads {
        let head = format!("{head}::");
        let (mut from, mut end) = (0, 0);
        while let Some(at) = code[from..].find(&head).map(|at| from + at) {
            from = at + head.len();
            let before = &code[..at];
            if at >= end && !before.ends_with(is_name) && !before.ends_with(':') && !before.ends_with('$') {
                end = at + tree(&code[at..], &Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Every source file as a module.
struct Modules {
    /// The code of each.
    code: BTreeMap<Module, String>,
    /// What each hands on, by the name under which it does.
    handed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

impl Modules {
    fn new(sources: &[(String, String)]) -> Self {
        let is_test = |module: &Module| module.iter().any(|name| name == "tests");
        let code: BTreeMap<Module, String> = sources
            .iter()
            .map(|(file, text)| (module_of(file), bare(text)))
            .filter(|(module, _)| !is_test(module))
            .collect();
        let mut modules = Self { code, handed_on: BTreeMap::new() };
        for (module, code) in &modules.code {
            let handed_on = public_uses(code).into_iter().flat_map(|tree| {
                paths(tree, &modules.heads(module))
                    .into_iter()
                    .map(|(path, name)| (name, modules.absolute(module, &path)))
            });
            let handed_on = handed_on.collect();
            modules.handed_on.insert(module.clone(), handed_on);
        }
        modules
    }

    /// What paths in a file can begin with: the root, what is above, and the files of its own folder.
    fn heads(&self, of: &Module) -> BTreeSet<String> {
        let children = self
            .code
            .keys()
            .filter(|module| module.len() == of.len() + 1 && module.starts_with(of))
            .filter_map(|child| child.last());
        children.cloned().chain(["crate", "super", "self"].map(str::to_owned)).collect()
    }

    /// A path as it is from the crate's root.
    fn absolute(&self, of: &Module, path: &Module) -> Module {
        let mut at = of.clone();
        let mut names = path.iter().peekable();
        match names.peek().map(|name| name.as_str()) {
            Some("crate") => {
                at.clear();
                names.next();
            }
            Some("self") => {
                names.next();
            }
            Some("super") => {
                while names.next_if(|name| *name == "super").is_some() {
                    at.pop();
                }
            }
            _ => {}
        }
        at.extend(names.cloned());
        at
    }

    /// The file that defines what a path names.
    fn home(&self, path: &Module) -> Module {
        let mut path = path.clone();
        // Names that are handed on are followed; they do not go in circles, or the compiler would not take
        // them.
        for _ in 0..20 {
            let length =
                (0..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length])).unwrap_or(0);
            let (module, rest) = path.split_at(length);
            let module = module.to_vec();
            let next = rest.first().and_then(|name| self.handed_on.get(&module)?.get(name));
            match next {
                Some(from) if *from != path => path = from.iter().chain(&rest[1..]).cloned().collect(),
                _ => return module,
            }
        }
        path
    }

    /// Whose things a file uses.
    fn known_by(&self, file: &Module) -> BTreeSet<Module> {
        let code = &self.code[file];
        let mut own = code.clone();
        for tree in public_uses(code) {
            own = own.replace(tree, "");
        }
        let mut known: BTreeSet<Module> = paths(&own, &self.heads(file))
            .into_iter()
            .map(|(path, _)| self.home(&self.absolute(file, &path)))
            .collect();
        // What it hands on it may use as well, and names it without a path.
        for (name, from) in &self.handed_on[file] {
            let is_used = own.match_indices(name.as_str()).any(|(at, _)| {
                let (before, after) = (&own[..at], &own[at + name.len()..]);
                !before.ends_with(is_name) && !before.ends_with([':', '.']) && !after.starts_with(is_name)
            });
            if is_used {
                known.insert(self.home(from));
            }
        }
        known.remove(file);
        known
    }

    /// The arrows inside a folder, with where each leads and one file that draws it.
    fn arrows(&self, folder: &Module) -> BTreeMap<(String, String), BTreeSet<(Module, Module)>> {
        let node = |module: &Module| module.get(folder.len()).map_or(TOP, String::as_str).to_owned();
        let mut arrows: BTreeMap<(String, String), BTreeSet<(Module, Module)>> = BTreeMap::new();
        for file in self.code.keys().filter(|file| file.starts_with(folder)) {
            for known in self.known_by(file).into_iter().filter(|known| known.starts_with(folder)) {
                let (from, to) = (node(file), node(&known));
                if from != to {
                    arrows.entry((from, to)).or_default().insert((file.clone(), known));
                }
            }
        }
        arrows
    }

    /// The arrows of a folder that are part of a circle.
    fn circles(&self, folder: &Module) -> Vec<String> {
        let arrows = self.arrows(folder);
        let reaches = |from: &String, to: &String| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(at) = next.pop() {
                if at == to {
                    return true;
                }
                if seen.insert(at) {
                    next.extend(arrows.keys().filter(|(from, _)| from == at).map(|(_, to)| to));
                }
            }
            false
        };
        let in_circles = arrows.iter().filter(|((from, to), _)| reaches(to, from));
        in_circles.map(|((from, to), ends)| format!("{from} -> {to}: {}", shown(ends))).collect()
    }

    /// The arrows of a folder that are not on its list, and what is on it and does not exist.
    fn unlisted(&self, folder: &str, leaves: &[&str], list: &[(&str, &[&str])]) -> Vec<String> {
        let (at, mut used, mut wrong) = (module(folder), BTreeSet::new(), Vec::new());
        for ((from, to), ends) in self.arrows(&at) {
            if leaves.contains(&to.as_str()) {
                continue;
            }
            let Some((_, allowed)) = list.iter().find(|(room, _)| *room == from) else {
                wrong.push(format!("{from} is no room, and knows {to}: {}", shown(&ends)));
                continue;
            };
            for end in ends {
                let known = end.1[at.len()..].join("/");
                let is_in =
                    |room: &&&str| **room == "*" || known == **room || known.starts_with(&format!("{room}/"));
                match allowed.iter().find(is_in) {
                    Some(room) => {
                        used.insert((from.clone(), *room));
                    }
                    None => wrong.push(format!("{from} -> {to}: {}", shown(&[end].into()))),
                }
            }
        }
        let listed =
            list.iter().flat_map(|(from, allowed)| allowed.iter().map(|to| ((*from).to_owned(), *to)));
        wrong.extend(
            listed
                .filter(|arrow| !used.contains(arrow))
                .map(|(from, to)| format!("{from} -> {to} is allowed and does not exist")),
        );
        wrong
    }

    /// Every folder that has files.
    fn folders(&self) -> BTreeSet<Module> {
        self.code
            .keys()
            .filter(|module| module.len() > 1)
            .map(|module| module[..module.len() - 1].to_vec())
            .collect()
    }
}

fn shown(ends: &BTreeSet<(Module, Module)>) -> String {
    ends.iter()
        .map(|(from, to)| format!("{} at {}", from.join("::"), to.join("::")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The trees of this code's public `use`.
fn public_uses(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("pub") {
        let rest = code[at + 3..].trim_start();
        let rest = match rest.strip_prefix('(') {
            Some(within) => within.split_once(')').map_or("", |(_, rest)| rest).trim_start(),
            None => rest,
        };
        if let Some(tree) = rest.strip_prefix("use ") {
            found.push(tree.split(';').next().unwrap());
        }
    }
    found
}

#[test]
fn no_file_looks_at_one_that_looks_at_it() {
    let modules = Modules::new(&sources());
    for folder in CLEAN {
        let circles = modules.circles(&module(folder));
        assert!(modules.folders().contains(&module(folder)), "{folder} is no folder");
        assert!(circles.is_empty(), "{folder} has circles: {circles:#?}");
    }
}

#[test]
fn a_room_of_the_engine_knows_only_what_its_arrows_allow() {
    let wrong = Modules::new(&sources()).unlisted("engine", &ENGINE_LEAVES, &ENGINE);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_arrow_that_is_not_on_the_list_is_found() {
    let cases: [(&str, &str, &[&str], usize); 8] = [
        ("use super::y::one::One;", "x", &["y"], 0),
        ("use super::y::one::One;", "x", &["y/one"], 0),
        ("use super::y::one::One;", "x", &["*"], 0),
        ("use super::leaf::Leaf;", "x", &[], 0),
        ("use super::y::one::One;", "x", &[], 1),
        ("use super::y::one::One;", "z", &[], 1),
        ("use super::y::other;", "x", &["y/one"], 2),
        ("", "x", &["y"], 1),
    ];
    for (x, room, allowed, count) in cases {
        let files = [
            ("a.rs", "mod x;"),
            ("a/x.rs", x),
            ("a/y.rs", "mod one;"),
            ("a/y/one.rs", "pub struct One;"),
            ("a/leaf.rs", ""),
        ];
        let files: Vec<_> =
            files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        let found = Modules::new(&files).unlisted("a", &["leaf"], &[(room, allowed)]);
        assert_eq!(found.len(), count, "{x} {room} {allowed:?}: {found:#?}");
    }
}

#[test]
fn a_circle_in_any_spelling_is_found() {
    let circles = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        Modules::new(&files).circles(&module("a")).len()
    };
    let top = ("a.rs", "mod x;\nmod y;\nmod z;\n");
    let at_x = ("a/x.rs", "use super::y::Y;\npub struct X;");
    for (file, code) in [
        ("a/y.rs", "use super::x::X;"),
        ("a/y.rs", "use super::{x::X};"),
        ("a/y.rs", "use crate::a::x;"),
        ("a/y.rs", "use crate::{b::B, a::{self, x::{X as Other, Z}}};"),
        ("a/y.rs", "fn y() { super::x::go(1); }"),
        ("a/y/deep.rs", "use super::super::x::X;"),
        ("a/y/deep.rs", "use crate::a::x::*;"),
    ] {
        assert_eq!(circles(&[top, at_x, ("a/y.rs", "mod deep;"), (file, code)]), 2, "{file}: {code}");
    }
    // Three in a round.
    assert_eq!(circles(&[top, at_x, ("a/y.rs", "use super::z::Z;"), ("a/z.rs", "use super::x::X;")]), 3);
    // A name that the top hands on is that of the file which it comes from, and one that it defines is its
    // own.
    assert_eq!(circles(&[("a.rs", "mod x;\nmod y;\npub use x::X;"), at_x, ("a/y.rs", "use super::X;")]), 2);
    assert_eq!(
        circles(&[
            ("a.rs", "mod x;\nuse x::X;\npub struct A(X);"),
            ("a/x.rs", "use super::A;\npub struct X;")
        ]),
        2
    );
    assert_eq!(
        circles(&[
            ("a.rs", "mod x;\npub use x::X;\npub struct A(X);"),
            ("a/x.rs", "use super::A;\npub struct X;")
        ]),
        2
    );
    assert_eq!(
        circles(&[("a.rs", "mod x;\npub struct A(u8);\nfn a() { x::go(); }"), ("a/x.rs", "use super::A;")]),
        2
    );
    // Nothing of this is one.
    for y in [
        "//! See [`super::x`].",
        "// use super::x::X;",
        "fn y() { let text = \"super::x::X\"; }",
        "fn y() {}\n#[cfg(test)]\nmod tests {\n    use super::super::x::X;\n}",
        "use crate::b::x::X; use other_super::x::X;",
    ] {
        assert_eq!(circles(&[top, at_x, ("a/y.rs", y)]), 0, "{y}");
    }
    assert_eq!(
        circles(&[
            ("a.rs", "mod x;\npub use x::X;\npub struct A;"),
            ("a/x.rs", "use super::A;\npub struct X;")
        ]),
        0,
        "it hands on alone"
    );
    assert_eq!(
        circles(&[top, at_x, ("a/x/deep.rs", "use super::X;"), ("a/y.rs", "pub struct Y;")]),
        0,
        "another folder's arrow"
    );
}
