//! What is doubtful in the bytes of a file that phones fetch, wherever it comes from: a ConfigMap, a folder, an imported tree.
//!
//! A file is looked at once, when its bytes are at hand; what was found stays with its name and its digest.

pub mod dial_plan;
pub mod own_plan;

use crate::base::text::printable;
use crate::phone::dialplan::{self, Budget, Template};
use crate::phone::image::{self, BIN, Image, LOADS, SB2, SBN};
use crate::phone::parameter::check_host;
use crate::phone::{FileName, bitmap, file_name, ringlist, syncinfo, text, xml};
use crate::provision::advice::{self, Advice};
use crate::provision::placeholder::{Use, is_placeholder};

/// The most flaws that are kept of all files that are looked at together.
const MAX_FLAWS: usize = 256;
/// The most that are kept of one file.
const MAX_OF_FILE: usize = 32;

/// The longest description of one, in bytes.
const MAX_WHAT: usize = 400;

/// What looking at some files may cost: people choose what is in them.
#[derive(Debug)]
pub struct Effort {
    steps: Budget,
    flaws: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { steps: Budget::new(dial_plan::STEPS), flaws: MAX_FLAWS }
    }
}

/// Something doubtful in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What there is to say of it.
    pub advice: Advice,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The part of the line: an attribute of a rule, as the field of a manifest is called.
    pub part: &'static str,
    /// What there is.
    pub what: String,
}

impl Flaw {
    fn new(advice: Advice, line: usize, what: impl Into<String>) -> Flaw {
        Flaw { advice, line, part: "", what: what.into() }
    }

    /// Where in a file of this name it is.
    pub fn place(&self, file: &str) -> String {
        let line = if self.line > 0 { format!(":{}", self.line) } else { String::new() };
        let part = if self.part.is_empty() { String::new() } else { format!(".{}", self.part) };
        format!("{file}{line}{part}")
    }
}

/// What a file says that more depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    #[default]
    Other,
    /// It is a dial plan.
    DialPlan(dial_plan::Routes),
    /// It lists rings: the line and the file of each.
    Rings(Vec<(usize, String)>),
    /// It is a phone's own configuration.
    Phone(own_plan::OwnPlan),
}

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// What it says.
    pub content: Content,
    /// What is doubtful in it.
    pub flaws: Vec<Flaw>,
}

/// Looks at a file.
pub fn examine(name: &str, bytes: &[u8], effort: &mut Effort) -> Contents {
    let mut found = Contents::default();
    let flaws = &mut found.flaws;
    match FileName::parse(name) {
        FileName::RingList => {
            let ringlist::Reading { rings, lines, problems } = ringlist::read(bytes);
            flaws.extend(problems.into_iter().map(|(line, what)| Flaw::new(advice::RING_LINE, line, what)));
            let listed = lines.into_iter().zip(rings).take(MAX_RINGS);
            found.content = Content::Rings(listed.map(|(line, (_, file))| (line, file)).collect());
        }
        FileName::XmlDefault | FileName::Sep(_) => {
            broken_xml(bytes, flaws);
            xml::texts(bytes, "loadInformation").into_iter().for_each(|(line, name)| image_name(line, &name, flaws));
        }
        FileName::SyncInfo => {
            broken_xml(bytes, flaws);
            too_large(bytes, syncinfo::MAX_SIZE, "", flaws);
            // Of one that is named as a dial plan, the name says enough.
            if flaws.is_empty() && !is_dial_plan("", bytes) {
                let problems = syncinfo::problems(bytes).into_iter();
                flaws.extend(problems.map(|(line, what)| Flaw::new(advice::SYNC_INFO, line, what)));
            }
        }
        FileName::Os79xx => bootstrap(bytes, flaws),
        FileName::Xml(base) if is_dial_plan(base, bytes) => {
            found.content = Content::DialPlan(dial_plan_file(bytes, &mut effort.steps, flaws));
        }
        FileName::Other(base) => match base.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
            Some("bmp") => {
                flaws.extend(bitmap::problem(bytes).map(|what| Flaw::new(advice::LOGO_FORMAT, 0, what)));
            }
            Some("raw" | "pcm") => {
                let problem = ringlist::ring_problem(bytes, bytes.len());
                flaws.extend(problem.map(|what| Flaw::new(advice::RING_FORMAT, 0, what)));
            }
            _ => {}
        },
        FileName::Own(_) => found.content = Content::Phone(own_plan::OwnPlan::of_file(bytes)),
        FileName::Common
        | FileName::CtlSep(_)
        | FileName::Mgc(_)
        | FileName::Loads(_)
        | FileName::ImagePart(_)
        | FileName::Xml(_) => {}
    }
    let most = effort.flaws.min(MAX_OF_FILE);
    flaws.truncate(most);
    // People wrote what is shown of it.
    flaws.iter_mut().for_each(|flaw| flaw.what = printable(&flaw.what, MAX_WHAT));
    effort.flaws -= flaws.len();
    found
}

/// The most rings of a list that are looked at.
const MAX_RINGS: usize = 512;

/// Whether phones may load a file as a dial plan: it looks like one, or has the name of one.
fn is_dial_plan(base: &str, bytes: &[u8]) -> bool {
    let is_begun = |word: &[u8]| bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    base.eq_ignore_ascii_case(&file_name::dial_plan(dial_plan::USUAL_NAME))
        || is_begun(b"<DIALTEMPLATE")
        || is_begun(b"<TEMPLATE")
        || is_begun(b"<\0D\0I\0A\0L\0T\0E\0M\0P\0L\0A\0T\0E")
}

fn dial_plan_file(bytes: &[u8], steps: &mut Budget, flaws: &mut Vec<Flaw>) -> dial_plan::Routes {
    if too_large(bytes, dialplan::MAX_SIZE, ": remove rules", flaws) {
        // Phones load none of its rules, and nothing is said of them.
        return dial_plan::Routes::default();
    }
    let dialplan::Reading { rules, lines, problems } = dialplan::read(bytes);
    flaws.extend(
        problems
            .into_iter()
            .map(|(line, what)| Flaw::new(advice::DIAL_RULE_IGNORED, line, format!("phones pass it over: {what}"))),
    );
    if rules.is_empty() && flaws.is_empty() {
        let is_empty = bytes.iter().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'\0' | 0x1a));
        let what = if is_empty { "is empty" } else { "has no rule" };
        flaws.push(Flaw::new(advice::DIAL_RULE_IGNORED, 0, what));
    }
    let templates: Vec<Template<'_>> = rules.iter().map(dialplan::Rule::template).collect();
    let line = |rule: usize| lines.get(rule).copied().unwrap_or_default();
    for (i, rule) in rules.iter().enumerate() {
        let texts = [("user", &rule.user), ("rewrite", &rule.rewrite), ("route", &rule.route)];
        let texts = texts.iter().filter_map(|(part, text)| Some((*part, text.as_deref()?)));
        let tones = rule.tones.iter().map(|tone| ("tones", tone.as_str()));
        for (part, text) in std::iter::once(("match", rule.pattern.as_str())).chain(texts).chain(tones) {
            if let Err(problem) = dialplan::check_attribute(text) {
                flaws.push(Flaw { advice: advice::UNUSUAL_VALUE, line: line(i), part, what: problem });
            }
        }
        let route = rule.route.as_deref().filter(|route| !is_placeholder(route, Use::Host));
        if let Some(Err(what)) = route.map(check_host) {
            flaws.push(Flaw { advice: advice::UNUSUAL_VALUE, line: line(i), part: "route", what });
        }
    }
    let name = |rule: usize| format!("the rule in line {}", line(rule));
    dial_plan::lint(&templates, steps, name, |rule, part, advice, what| {
        flaws.push(Flaw { advice, line: rule.map_or(0, line), part, what });
    });
    let mut routes = dial_plan::Routes::of(&templates);
    // In the file, a rule is known by its line.
    routes.emergency = routes.emergency.map(line);
    routes
}

/// Whether a file has more bytes than phones read; says so.
fn too_large(bytes: &[u8], most: usize, what_to_do: &str, flaws: &mut Vec<Flaw>) -> bool {
    let is_too_large = bytes.len() > most;
    if is_too_large {
        let what = format!("has {} bytes; phones read at most {most}{what_to_do}", bytes.len());
        flaws.push(Flaw::new(advice::FILE_TOO_LARGE, 0, what));
    }
    is_too_large
}

fn broken_xml(bytes: &[u8], flaws: &mut Vec<Flaw>) {
    flaws.extend(xml::problems(bytes).into_iter().map(|(line, what)| Flaw::new(advice::XML_BROKEN, line, what)));
}

/// The name of an image where a loader looks for it.
fn image_name(line: usize, name: &str, flaws: &mut Vec<Flaw>) {
    if let Some(meant) = image::did_you_mean(name) {
        flaws.push(Flaw::new(advice::IMAGE_LETTER_O, line, format!("is {name:?} (did you mean {meant}?)")));
    } else if [LOADS, SBN, SB2, BIN].iter().any(|end| name.ends_with(end)) {
        flaws.push(Flaw::new(advice::IMAGE_NAME, line, format!("is {name:?}")));
    }
}

fn bootstrap(bytes: &[u8], flaws: &mut Vec<Flaw>) {
    let content = text::from_latin1(&bytes[..bytes.len().min(256)]);
    let line = content.trim_end_matches(['\r', '\n', '\0', '\u{1a}']);
    let name = line.trim();
    if Image::parse(name).is_none() && image::did_you_mean(name).is_none() {
        return flaws.push(Flaw::new(advice::IMAGE_NAME, 1, format!("is {name:?}")));
    }
    image_name(1, name, flaws);
    if line != name {
        flaws.push(Flaw::new(advice::BOOT_FILE_BLANK, 0, format!("has blanks around the name {name}")));
    }
}

#[cfg(test)]
mod tests;
