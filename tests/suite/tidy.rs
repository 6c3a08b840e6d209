//! What keeps the house tidy: no file and no struct that is too large without a reason, no glob that hides where a name comes
//! from, nothing public that nobody uses, and no test that no program runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::source::{Source, Token, tokens, without_tests};

const MOST_LINES: usize = 400;
const MOST_FIELDS: usize = 12;

/// All files of Rust below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "rs") => all.push(path),
                false => {}
            }
        }
    }
    all.sort();
    all
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_long_file_says_why() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let text = read(&file);
        let has_reason =
            text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.starts_with("//! Long because"));
        if text.lines().count() > MOST_LINES && !has_reason {
            wrong.push(format!(
                "{}: {} lines; split it, or say why not in its head: \"//! Long because …\"",
                file.display(),
                text.lines().count()
            ));
        }
    }
    nothing(&wrong);
}

#[test]
fn a_struct_of_many_fields_says_why() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        let tokens = tokens(&text);
        for (i, name) in structs(&tokens) {
            let fields = fields(&tokens[i..]);
            let above = lines[..tokens[i].line - 1].iter().rev();
            let mut above =
                above.take_while(|line| line.trim_start().starts_with("//") || line.trim_start().starts_with("#["));
            if fields > MOST_FIELDS && !above.any(|line| line.contains("Many fields because")) {
                wrong.push(format!(
                    "{}:{}: {name} has {fields} fields; split it, or say why not above it: \"Many fields because …\"",
                    file.display(),
                    tokens[i].line
                ));
            }
        }
    }
    nothing(&wrong);
}

/// Where structs begin, and what they are called.
fn structs(tokens: &[Token]) -> impl Iterator<Item = (usize, &str)> {
    let named = |i: &usize| tokens[*i].text == "struct" && tokens.get(i + 1).is_some_and(Token::is_word);
    (0..tokens.len()).filter(named).map(|i| (i, tokens[i + 1].text.as_str()))
}

/// How many fields with names a struct has.
fn fields(tokens: &[Token]) -> usize {
    let mut depth = Vec::new();
    let mut fields = 0;
    for token in tokens {
        match token.text.as_str() {
            ";" if depth.is_empty() => return 0,
            open @ ("(" | "[" | "{") => depth.push(open),
            ")" | "]" | "}" => {
                depth.pop();
                if depth.is_empty() {
                    return fields;
                }
            }
            ":" if depth == ["{"] => fields += 1,
            _ => {}
        }
    }
    fields
}

#[test]
fn names_are_brought_in_one_by_one() {
    let mut wrong = Vec::new();
    for module in Source::library().modules.values() {
        for three in module.tokens.windows(3) {
            let words: Vec<&str> = three.iter().map(|token| token.text.as_str()).collect();
            if words == ["super", "::", "*"] {
                wrong.push(format!("{}:{}: use super::*: name what is meant", module.file, three[0].line));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn nothing_is_public_that_nobody_uses() {
    // Where each word stands, how often. The tests of a file are another place than the file.
    let mut places: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut note = |place: &str, tokens: &[Token]| {
        for word in tokens.iter().flat_map(words) {
            *places.entry(word).or_default().entry(place.to_owned()).or_default() += 1;
        }
    };
    let source = Source::library();
    for module in source.modules.values() {
        note(&module.file, &module.tokens);
    }
    for file in ["tests", "benches"].into_iter().flat_map(files) {
        note(&file.display().to_string(), &tokens(&read(&file)));
    }
    let mut wrong = Vec::new();
    for module in source.modules.values() {
        let tokens = without_tests(&module.tokens);
        for (i, kind) in public(&tokens) {
            let (name, line) = (&tokens[i].text, tokens[i].line);
            let others = places[name].keys().any(|place| *place != module.file);
            // A type may have to be public because something public has it in its signature.
            let is_type = ["struct", "enum", "type", "trait"].contains(&kind);
            let here = places[name][&module.file] > 1;
            let used = others || (is_type && here);
            if !used {
                let what = if here { "only its own file uses it: drop `pub`" } else { "nobody uses it: it can go" };
                wrong.push(format!("{}:{line}: pub {kind} {name}: {what}", module.file));
            }
        }
    }
    nothing(&wrong);
}

/// What a token names: itself, or in a text the path that is all of it (`schema_with = "settings::for_site"`) and what it formats.
fn words(token: &Token) -> Vec<String> {
    let Some(text) = token.text.strip_prefix('"') else { return vec![token.text.clone()] };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = |text: &str| text.chars().take_while(|c| is_word(*c)).collect::<String>();
    let mut all: Vec<String> = text.split('{').skip(1).map(first).collect();
    if text.chars().all(|c| is_word(c) || c == ':') {
        all.extend(text.rsplit(':').next().map(str::to_owned));
    }
    all
}

/// The names of what is `pub`, without fields and what is only passed on.
fn public(tokens: &[Token]) -> Vec<(usize, &str)> {
    let kinds: BTreeSet<&str> = ["fn", "struct", "enum", "trait", "type", "const", "static"].into();
    let mut all = Vec::new();
    for (i, _) in tokens.iter().enumerate().filter(|(_, token)| token.text == "pub") {
        let mut at = i + 1;
        if tokens.get(at).is_some_and(|token| token.text == "(") {
            at += tokens[at..].iter().position(|token| token.text == ")").unwrap_or(0) + 1;
        }
        while tokens.get(at).is_some_and(|token| ["const", "async", "unsafe"].contains(&token.text.as_str()))
            && tokens.get(at + 1).is_some_and(|next| ["fn", "async", "unsafe"].contains(&next.text.as_str()))
        {
            at += 1;
        }
        let Some(kind) = tokens.get(at).filter(|token| kinds.contains(token.text.as_str())) else { continue };
        if tokens.get(at + 1).is_some_and(|name| name.is_word() && name.text != "_") {
            all.push((at + 1, kind.text.as_str()));
        }
    }
    all
}

#[test]
fn what_is_printed_goes_through_one_function() {
    // Nearly every line names something that came from outside, and a terminal obeys some characters.
    let macros = ["eprintln", "println", "eprint", "print"];
    let mut wrong = Vec::new();
    for file in files("src").into_iter().filter(|file| !file.ends_with("base/terminal.rs")) {
        for two in without_tests(&tokens(&read(&file))).windows(2) {
            if macros.contains(&two[0].text.as_str()) && two[1].text == "!" {
                wrong.push(format!("{}:{}: {}!: use base::terminal", file.display(), two[0].line, two[0].text));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let mut documents: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "hack/node/README.md"].map(PathBuf::from).into();
    for folder in ["docs", "docs/decisions"] {
        let all = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        documents.extend(all.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    let mut wrong = Vec::new();
    for document in documents {
        // What stands between backticks and begins with a folder of ours.
        for name in read(&document).split('`').skip(1).step_by(2) {
            let is_path = name.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
            let is_ours =
                ["src/", "tests/", "benches/", "hack/", "docs/", "charts/"].iter().any(|ours| name.starts_with(ours));
            if is_path && is_ours && !Path::new(name).exists() {
                wrong.push(format!("{}: there is no {name}", document.display()));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn every_dependency_is_used_where_it_is_declared() {
    let manifest = read(Path::new("Cargo.toml"));
    // The names in a section, as Rust writes them.
    let section = |title: &str| -> BTreeSet<String> {
        let lines = manifest.lines().skip_while(|line| *line != format!("[{title}]")).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('['));
        lines.filter_map(|line| Some(line.split_once(" = ")?.0.replace('-', "_"))).collect()
    };
    let all_words = |tokens: &[Token]| tokens.iter().map(|token| token.text.clone()).collect::<Vec<_>>();
    let shipped: BTreeSet<String> =
        Source::library().modules.values().flat_map(|module| all_words(&module.tokens)).collect();
    let tested: BTreeSet<String> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(files)
        .flat_map(|file| all_words(&tokens(&read(&file))))
        .collect();
    let (normal, dev) = (section("dependencies"), section("dev-dependencies"));
    assert!(normal.contains("tokio") && dev.contains("proptest"), "Cargo.toml is read as it is written");
    let mut wrong = Vec::new();
    for name in normal.iter().filter(|name| !shipped.contains(*name)) {
        let what = if tested.contains(name) { "only tests use it: it is a dev-dependency" } else { "nobody uses it" };
        wrong.push(format!("Cargo.toml: {name}: {what}"));
    }
    for name in dev.iter().filter(|name| !tested.contains(*name)) {
        wrong.push(format!("Cargo.toml: {name}: no test uses it"));
    }
    nothing(&wrong);
}

#[test]
fn every_test_is_in_a_program_that_runs_it() {
    let manifest = read(Path::new("Cargo.toml"));
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir("tests").unwrap().flatten() {
        let path = entry.path();
        let (flat, folder) = (path.extension().is_some_and(|end| end == "rs"), path.join("main.rs"));
        let root = if flat { path } else { folder };
        if root.is_file() && !manifest.contains(&format!("path = \"{}\"", root.display())) {
            wrong.push(format!("{}: no program of Cargo.toml has it; it belongs into tests/suite", root.display()));
        }
    }
    nothing(&wrong);
    // And each file of a folder is some file's module.
    for folder in ["tests/suite", "tests/node"] {
        let words: BTreeSet<String> =
            files(folder).iter().flat_map(|file| tokens(&read(file))).map(|token| token.text).collect();
        for file in files(folder).into_iter().filter(|file| !file.ends_with("main.rs") && !file.ends_with("mod.rs")) {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(words.contains(&name), "{} is nobody's module", file.display());
        }
    }
}

#[test]
fn every_build_has_the_versions_of_the_lock_file() {
    let mut scripts: Vec<PathBuf> = ["Makefile", ".ci/run"].map(PathBuf::from).into();
    for folder in ["hack", "hack/node", "hack/supply"] {
        let all = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        scripts.extend(all.filter(|path| path.extension().is_some_and(|end| end == "sh")));
    }
    let mut wrong = Vec::new();
    let mut found = 0;
    for script in scripts {
        // A command may go on in the next line.
        let text = read(&script).replace("\\\n", " ");
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let builds = words.windows(2).any(|two| {
                let is_cargo = two[0].trim_start_matches("$(") == "cargo";
                is_cargo && ["build", "test", "run", "clippy", "doc", "install", "fetch", "auditable"].contains(&two[1])
            });
            found += usize::from(builds);
            if builds && !words.contains(&"--locked") && !words.contains(&"--list") {
                wrong.push(format!("{}: without --locked: {}", script.display(), line.trim()));
            }
        }
    }
    nothing(&wrong);
    assert!(found >= 10, "{found}");
}
