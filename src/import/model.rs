//! Which model a phone is: what the person said, then what its files show, then what they hint at.

use std::str::FromStr;

use super::convert::is_given;
use super::tree::{Config, Note, Tree};
use crate::phone::model::MAX_LINES;
use crate::phone::{FileName, Mac, Model};

/// One `--model`: of all phones, or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    of: Option<Mac>,
    model: Model,
}

impl FromStr for Said {
    type Err = String;

    fn from_str(text: &str) -> Result<Said, String> {
        let (of, model) = match text.split_once('=') {
            Some((mac, model)) => (Some(mac.parse::<Mac>().map_err(|error| error.to_string())?), model),
            None => (None, text),
        };
        Ok(Said { of, model: model.parse::<Model>().map_err(|error| error.to_string())? })
    }
}

/// Refuses what contradicts itself, and what is said of phones that are not there.
pub fn check(said: &[Said], tree: &Tree) -> anyhow::Result<()> {
    let of_whom = |said: &Said| said.of.map_or("all phones".to_owned(), |mac| mac.to_string());
    for (i, one) in said.iter().enumerate() {
        if let Some(other) = said[..i].iter().find(|other| other.of == one.of && other.model != one.model) {
            anyhow::bail!("--model says {} and {} of {}: leave one of them out", other.model, one.model, of_whom(one));
        }
        let absent = one.of.filter(|mac| !tree.phones.contains_key(mac));
        if let Some(mac) = absent {
            let own = mac.config_file();
            anyhow::bail!(
                "--model {mac}={}: there is no such phone: no file {own} was found that can be used",
                one.model
            );
        }
    }
    Ok(())
}

/// How many guesses of one kind are told one by one.
const TOLD: usize = 8;

/// The models of phones, and what there is to say of how they were found.
#[derive(Debug)]
pub struct Models<'a> {
    said: &'a [Said],
    /// What was concluded from something that was written for people.
    guesses: Vec<Note>,
    /// The files of phones that nothing tells of.
    unknown: Vec<String>,
}

impl<'a> Models<'a> {
    /// With what the person said.
    pub fn new(said: &'a [Said]) -> Models<'a> {
        Models { said, guesses: Vec::new(), unknown: Vec::new() }
    }

    /// The model of a phone.
    pub fn of(&mut self, tree: &mut Tree, mac: Mac, config: &Config) -> Model {
        let of_this = self.said.iter().rev().find(|said| said.of == Some(mac));
        let of_all = || self.said.iter().rev().find(|said| said.of.is_none());
        let more = beyond_two(config);
        if let Some(said) = of_this.or_else(of_all) {
            if let Some((name, line)) = more.filter(|_| said.model.lines() < MAX_LINES) {
                let why = format!(
                    "{name} is for a key that a {} does not have, and --model says that it is one: it is kept in extraParameters",
                    said.model
                );
                tree.notes.push(Note::line(&config.file, line, why));
            }
            return said.model;
        }
        if more.is_some() {
            return Model::Cp7960;
        }
        match guess(tree, mac, config) {
            Some((model, file, line, what)) => {
                let other = Model::ALL.into_iter().find(|other| *other != model).unwrap_or(model);
                let why = format!(
                    "{} is taken for a {model}, because {what}; --model {mac}={other} says otherwise",
                    config.file
                );
                self.guesses.push(Note::line(&file, line, why));
                model
            }
            None => {
                self.unknown.push(config.file.clone());
                Model::Cp7960
            }
        }
    }

    /// What there is to say of all phones.
    pub fn notes(mut self) -> Vec<Note> {
        let more = self.guesses.len().saturating_sub(TOLD);
        let next = self.guesses.get(TOLD).map(|note| note.file.clone());
        self.guesses.truncate(TOLD);
        if let Some(next) = next {
            let why = format!("{more} more phones are taken for what such hints say; --model says otherwise");
            self.guesses.push(Note::file(&next, why));
        }
        if !self.unknown.is_empty() {
            let more = self.unknown.len().saturating_sub(TOLD);
            self.unknown.truncate(TOLD);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let why = "nothing tells a 7940 from a 7960: taken for a 7960; --model says otherwise";
            self.guesses.push(Note::file(&format!("{}{more}", self.unknown.join(", ")), why));
        }
        self.guesses
    }
}

/// A line that only a 7960 has a key for: its parameter, and where it stands.
fn beyond_two(config: &Config) -> Option<(String, usize)> {
    let named = |n: usize| {
        let name = format!("line{n}_name");
        let (_, value, line) = config.values.get(&name)?;
        is_given(value).then_some((name, *line))
    };
    (Model::Cp7940.lines() + 1..=MAX_LINES).find_map(named)
}

/// What somebody wrote into the loader's file, or into a comment of the phone's own: the model, the file, its line, and what it is.
/// People copy both from one phone to the next.
fn guess(tree: &Tree, mac: Mac, config: &Config) -> Option<(Model, String, usize, &'static str)> {
    let loader = tree.find(&FileName::Sep(Some(mac)).to_string());
    let loader = loader.and_then(|file| Some((tree.files.get(&file)?.as_deref()?, file)));
    if let Some((bytes, file)) = loader
        && let Some((model, line)) = named_in(bytes, |_| true)
    {
        return Some((model, file, line, "this file of the loader names that model"));
    }
    let is_comment = |line: &[u8]| {
        let line = line.trim_ascii_start();
        line.starts_with(b"#") || line.starts_with(b";")
    };
    let (model, line) = named_in(&config.text, is_comment)?;
    Some((model, config.file.clone(), line, "this comment names that model"))
}

/// The one model that some lines name, and the first line that does; nothing if they name both.
fn named_in(text: &[u8], counts: impl Fn(&[u8]) -> bool) -> Option<(Model, usize)> {
    let mut found: Option<(Model, usize)> = None;
    for (i, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| counts(line)) {
        for model in Model::ALL.into_iter().filter(|model| names(line, model.name().as_bytes())) {
            match found {
                Some((other, _)) if other != model => return None,
                Some(_) => {}
                None => found = Some((model, i + 1)),
            }
        }
    }
    found
}

/// Whether a number stands in a line by itself, and not within a longer one.
fn names(line: &[u8], number: &[u8]) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| line.get(at)).is_some_and(u8::is_ascii_digit);
    let places = line.windows(number.len()).enumerate().filter(|(_, window)| *window == number);
    places.map(|(at, _)| at).any(|at| !digit(at.checked_sub(1)) && !digit(Some(at + number.len())))
}
