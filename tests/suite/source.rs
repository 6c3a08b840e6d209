//! Reads the project's own source as far as rules about it need: words, modules, and which path names what.
//!
//! Code that only tests see is left out: items under `#[cfg(test)]`, and the files of such modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One word, sign or literal of a file. A text stands there with the quotes before it, a character without its content.
#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

impl Token {
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path as it is meant, from `crate` or from the name of another crate on, and where it stands.
#[derive(Clone, Debug)]
pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
    /// Whether it is only passed on, by `pub use`.
    pub passed_on: bool,
}

/// One module that has a file of its own.
#[derive(Debug, Default)]
pub struct Module {
    pub file: String,
    pub tokens: Vec<Token>,
    pub names: Vec<Named>,
    /// What `use` brings in: the name here, and what it is.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    defines: BTreeSet<String>,
}

/// All modules of the library, by their paths, such as `crate::phone::cnf`.
#[derive(Debug, Default)]
pub struct Source {
    pub modules: BTreeMap<Vec<String>, Module>,
}

impl Source {
    /// The library, from its root on, and the program beside it as `crate::main`.
    pub fn library() -> Source {
        Source::of(&|file| std::fs::read_to_string(file).ok())
    }

    /// The same of any files.
    pub fn of(files: &dyn Fn(&Path) -> Option<String>) -> Source {
        let mut source = Source::default();
        source.read(vec!["crate".to_owned()], Path::new("src/lib.rs"), files);
        source.read(vec!["crate".to_owned(), "main".to_owned()], Path::new("src/main.rs"), files);
        let paths: Vec<Vec<String>> = source.modules.keys().cloned().collect();
        for path in paths {
            source.look_at_names(&path);
        }
        source
    }

    fn read(&mut self, path: Vec<String>, file: &Path, files: &dyn Fn(&Path) -> Option<String>) {
        let text = files(file).unwrap_or_else(|| panic!("{} cannot be read", file.display()));
        let tokens = without_tests(&tokens(&text));
        let mut module = Module { file: file.display().to_string(), ..Module::default() };
        let mut depth = 0;
        for (i, token) in tokens.iter().enumerate() {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "mod" if depth == 0 => {
                    let Some(name) = tokens.get(i + 1).filter(|name| name.is_word()) else { continue };
                    module.defines.insert(name.text.clone());
                    if token.text == "mod" && tokens.get(i + 2).is_some_and(|next| next.text == ";") {
                        let child = [path.as_slice(), std::slice::from_ref(&name.text)].concat();
                        let [flat, nested] = files_of(file, &name.text);
                        self.read(child, if files(&flat).is_some() { &flat } else { &nested }, files);
                    }
                }
                _ => {}
            }
        }
        module.tokens = tokens;
        self.modules.insert(path, module);
    }

    /// Finds all paths of a module, and says what they mean.
    fn look_at_names(&mut self, path: &[String]) {
        let tokens = self.modules[path].tokens.clone();
        // First what `use` brings in: what follows may begin with such a name.
        let (mut imports, mut globs, mut names) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut in_use = vec![false; tokens.len()];
        for at in (0..tokens.len()).filter(|at| tokens[*at].text == "use") {
            // `impl Trait + use<'a>` brings nothing in.
            if tokens.get(at + 1).is_none_or(|next| next.text == "<") {
                continue;
            }
            let end = (at..tokens.len()).find(|i| tokens[*i].text == ";").unwrap_or(tokens.len());
            in_use[at..end].fill(true);
            let passed_on = at > 0 && (tokens[at - 1].text == "pub" || tokens[at - 1].text == ")");
            for (branch, alias, line) in branches(&tokens[at + 1..end]) {
                let branch = self.absolute(path, &branch, &BTreeMap::new()).unwrap_or(branch);
                match alias.as_str() {
                    "*" => globs.push(branch.clone()),
                    _ => drop(imports.insert(alias, branch.clone())),
                }
                names.push(Named { path: branch, line, passed_on });
            }
        }
        for at in 0..tokens.len() {
            let begins = tokens[at].is_word() && !in_use[at];
            let goes_on =
                at > 0 && [":", "::", "."].contains(&tokens[at - 1].text.as_str()) && tokens[at - 1].text != ":";
            if !begins || goes_on {
                continue;
            }
            let mut written = vec![tokens[at].text.clone()];
            let mut next = at + 1;
            while tokens.get(next).is_some_and(|sign| sign.text == "::")
                && tokens.get(next + 1).is_some_and(Token::is_word)
            {
                written.push(tokens[next + 1].text.clone());
                next += 2;
            }
            if written.len() < 2 {
                continue;
            }
            if let Some(meant) = self.absolute(path, &written, &imports) {
                names.push(Named { path: meant, line: tokens[at].line, passed_on: false });
            }
        }
        if let Some(module) = self.modules.get_mut(path) {
            (module.imports, module.globs, module.names) = (imports, globs, names);
        }
    }

    /// What a path means in a module; nothing if it begins with something of the module itself.
    fn absolute(
        &self,
        module: &[String],
        written: &[String],
        imports: &BTreeMap<String, Vec<String>>,
    ) -> Option<Vec<String>> {
        let (mut base, mut rest) = (module.to_vec(), written);
        match written.first()?.as_str() {
            "crate" => (base, rest) = (vec!["crate".to_owned()], &written[1..]),
            "dialtone" => (base, rest) = (vec!["crate".to_owned()], &written[1..]),
            "self" => rest = &written[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            "Self" => return None,
            first => {
                if let Some(meant) = imports.get(first) {
                    return Some([meant, &written[1..]].concat());
                }
                let child = [module, &[first.to_owned()]].concat();
                if !self.modules.contains_key(&child) {
                    let of_here = self.modules[module].defines.contains(first);
                    let is_crate = first.starts_with(|c: char| c.is_lowercase()) && !of_here;
                    return is_crate.then(|| written.to_vec());
                }
            }
        }
        Some([base.as_slice(), rest].concat())
    }

    /// The module in whose file the thing stands that a path names, wherever it is passed on. None if it is of another crate.
    pub fn home(&self, path: &[String]) -> Option<Vec<String>> {
        self.home_within(path, 0)
    }

    fn home_within(&self, path: &[String], depth: usize) -> Option<Vec<String>> {
        if path.first()? != "crate" || depth > 8 {
            return None;
        }
        let known = (1..=path.len()).rev().find(|len| self.modules.contains_key(&path[..*len]))?;
        let (at, rest) = path.split_at(known);
        let module = &self.modules[at];
        let Some(name) = rest.first() else { return Some(at.to_vec()) };
        if module.defines.contains(name) {
            return Some(at.to_vec());
        }
        if let Some(meant) = module.imports.get(name) {
            return self.home_within(&[meant, &rest[1..]].concat(), depth + 1);
        }
        let behind = module.globs.iter().map(|glob| [glob.as_slice(), rest].concat());
        let found = behind
            .filter_map(|path| self.home_within(&path, depth + 1))
            .find(|home| self.modules.get(home).is_some_and(|module| module.defines.contains(name)));
        Some(found.unwrap_or_else(|| at.to_vec()))
    }
}

/// Where the file of a module may be that another file declares.
fn files_of(parent: &Path, name: &str) -> [PathBuf; 2] {
    let folder = parent.parent().unwrap();
    let stem = parent.file_stem().unwrap().to_str().unwrap();
    let folder = if ["lib", "main", "mod"].contains(&stem) { folder.to_owned() } else { folder.join(stem) };
    [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]
}

/// All branches of what stands after `use`: the path, the name that it gets, and the line.
fn branches(tree: &[Token]) -> Vec<(Vec<String>, String, usize)> {
    fn walk(tree: &[Token], at: &mut usize, before: &[String], all: &mut Vec<(Vec<String>, String, usize)>) {
        let mut path = before.to_vec();
        let mut line = tree.get(*at).map_or(0, |token| token.line);
        let mut alias = None;
        while let Some(token) = tree.get(*at) {
            match token.text.as_str() {
                "," | "}" => break,
                "::" => {}
                "as" => {
                    *at += 1;
                    alias = tree.get(*at).map(|token| token.text.clone());
                }
                "*" => alias = Some("*".to_owned()),
                "{" => {
                    loop {
                        *at += 1;
                        if tree.get(*at).is_none_or(|token| token.text == "}") {
                            break;
                        }
                        walk(tree, at, &path, all);
                        if tree.get(*at).is_none_or(|token| token.text == "}") {
                            break;
                        }
                    }
                    *at += 1;
                    return;
                }
                // `a::{self}` is `a`.
                "self" if !path.is_empty() => line = token.line,
                word => {
                    line = token.line;
                    path.push(word.to_owned());
                }
            }
            *at += 1;
        }
        if let Some(last) = path.last() {
            let alias = alias.unwrap_or_else(|| last.clone());
            all.push((path, alias, line));
        }
    }
    let mut all = Vec::new();
    walk(tree, &mut 0, &[], &mut all);
    all
}

/// Leaves out what stands under `#[cfg(test)]`.
pub fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
    let closing = |open: usize| {
        let mut depth = 0;
        (open..tokens.len()).find(|at| {
            match text(*at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            depth == 0
        })
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_test = text(at) == "#" && text(at + 1) == "[" && text(at + 2) == "cfg" && {
            let end = closing(at + 1).unwrap_or(tokens.len());
            let words: Vec<&str> = (at..end).map(text).collect();
            words.contains(&"test") && !words.contains(&"not")
        };
        if !is_test {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // Further attributes, and then the item, to its semicolon or to the end of its braces.
        while text(at) == "#" {
            at = closing(at + 1).map_or(tokens.len(), |end| end + 1);
        }
        while at < tokens.len() && text(at) != ";" && text(at) != "{" {
            at = if ["(", "["].contains(&text(at)) { closing(at).unwrap_or(tokens.len()) } else { at } + 1;
        }
        at = if text(at) == "{" { closing(at).map_or(tokens.len(), |end| end + 1) } else { at + 1 };
    }
    kept
}

/// Takes a file apart. Comments are left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut all, mut i, mut line) = (Vec::new(), 0, 1);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while i < chars.len() {
        let begin = i;
        let begun = line;
        let mut text = String::new();
        match at(i) {
            c if c.is_whitespace() => i += 1,
            '/' if at(i + 1) == '/' => i = (i..chars.len()).find(|i| at(*i) == '\n').unwrap_or(chars.len()),
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            '"' => (i, text) = text_from(&chars, i),
            // A lifetime, or a character.
            '\'' if is_word(at(i + 1)) && at(i + 2) != '\'' => {
                i += 1;
                while is_word(at(i)) {
                    i += 1;
                }
                text = "'".to_owned();
            }
            '\'' => {
                i += if at(i + 1) == '\\' { 3 } else { 2 };
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                (i, text) = (i + 1, "'".to_owned());
            }
            c if is_word(c) => {
                while is_word(at(i)) {
                    i += 1;
                }
                text = chars[begin..i].iter().collect();
                let hashes = (i..).take_while(|i| at(*i) == '#').count();
                let is_prefix = ["r", "b", "br", "c", "cr"].contains(&text.as_str());
                if is_prefix && text.ends_with('r') && at(i + hashes) == '"' {
                    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    i += hashes + 1;
                    while i < chars.len() && !chars[i..].starts_with(&closing) {
                        i += 1;
                    }
                    (i, text) = (i + closing.len(), "\"".to_owned());
                } else if is_prefix && at(i) == '"' {
                    (i, text) = text_from(&chars, i);
                } else if text == "b" && at(i) == '\'' {
                    i += if at(i + 1) == '\\' { 3 } else { 2 };
                    while i < chars.len() && at(i) != '\'' {
                        i += 1;
                    }
                    (i, text) = (i + 1, "'".to_owned());
                }
            }
            ':' if at(i + 1) == ':' => (i, text) = (i + 2, "::".to_owned()),
            c => (i, text) = (i + 1, c.to_string()),
        }
        line += chars[begin..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
        if !text.is_empty() {
            all.push(Token { text, line: begun });
        }
    }
    all
}

/// Where a text in double quotes has ended, and its token.
fn text_from(chars: &[char], open: usize) -> (usize, String) {
    let mut i = open + 1;
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1, chars[open..i.min(chars.len())].iter().collect())
}

#[test]
fn paths_are_read_as_rust_reads_them() {
    let text = "use crate::a::{b::{self, C}, D as E, *};\n// use x::y;\nlet s = \"use z::z\"; '\\''; 'x'; &'a str;\n\
                #[cfg(test)]\nmod tests { use q::r; }\nr#\"\"w::w\"#; fn f() { std::fs::read(); }";
    let tokens = without_tests(&tokens(text));
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    assert!(!words.contains(&"z") && !words.contains(&"q") && !words.contains(&"w"), "{words:?}");
    assert!(words.ends_with(&["std", "::", "fs", "::", "read", "(", ")", ";", "}"]), "{words:?}");
    let end = words.iter().position(|word| *word == ";").unwrap();
    let all: Vec<(String, String)> =
        branches(&tokens[1..end]).into_iter().map(|(path, alias, _)| (path.join("::"), alias)).collect();
    let expected = [("crate::a::b", "b"), ("crate::a::b::C", "C"), ("crate::a::D", "E"), ("crate::a", "*")]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(all, expected);
}
