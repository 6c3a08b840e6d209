//! How a phone takes an image: all of it at once before 7.0, from then on the loader's part, a restart, and the rest.

use super::boot::Phone;
use super::client::Failure;
use crate::phone::Model;
use crate::phone::image::Image;

/// How taking an image ended.
pub(super) enum Load {
    /// The phone has all of it.
    Whole,
    /// It has the loader's part, and restarts for the rest.
    Part,
    /// It goes on with what it runs.
    Not,
    /// It restarts and tries again.
    Again,
    /// It is gone.
    Vanished,
}

/// Whether an image is one of a loader's era.
pub(super) fn uses_loader(image: &str) -> bool {
    Image::parse(image).is_some_and(|image| image.uses_loader())
}

impl Phone {
    /// Fetches an image of one file.
    pub(super) async fn load_legacy(&mut self, name: &str) -> Load {
        if !self.options.upgrade {
            return Load::Not;
        }
        match self.take(&format!("{name}.bin")).await {
            Load::Whole => self.runs(name),
            other => other,
        }
    }

    /// Fetches an image, or the next part of it.
    pub(super) async fn load_image(&mut self, name: &str) -> Load {
        if !uses_loader(name) {
            return self.load_legacy(name).await;
        }
        if !self.options.upgrade {
            return Load::Not;
        }
        let Some(loads) = self.fetch(&format!("{name}.loads")).await else {
            self.problems.push(format!("{name}.loads is not there: the phone goes on with {}", self.memory.running));
            return Load::Not;
        };
        let text: String = loads.iter().map(|byte| char::from(*byte)).collect();
        let mut parts: Vec<&str> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .filter(|part| part.ends_with(".sbn") || part.ends_with(".sb2"))
            .collect();
        // A loader is replaced first, and restarts before it takes the rest.
        parts.sort_by_key(|part| part.ends_with(".sb2"));
        for part in parts {
            let loader = part.ends_with(".sbn");
            if loader && self.memory.loader.as_deref() == Some(part) {
                continue;
            }
            match self.take(part).await {
                Load::Whole if loader => {
                    self.memory.loader = Some(part.to_owned());
                    return Load::Part;
                }
                Load::Whole => {}
                other => return other,
            }
        }
        self.runs(name)
    }

    /// Takes a file of an image.
    async fn take(&mut self, file: &str) -> Load {
        if self.has_had_enough {
            return Load::Not;
        }
        match self.ask(file).await {
            Ok(_) => Load::Whole,
            Err(Failure::Vanished) => Load::Vanished,
            Err(Failure::GaveUp(bytes)) => {
                self.failures += 1;
                self.display.failed();
                self.problems.push(format!("{file}: the phone gave up after {bytes} bytes"));
                let tries = self.options.misfortune.map_or(0, |(_, tries)| tries);
                // In the end it has had enough, and goes on with what it has until somebody restarts it.
                self.has_had_enough = self.failures >= tries;
                if self.has_had_enough { Load::Not } else { Load::Again }
            }
            Err(_) => {
                self.problems.push(format!("{file} is not there: the phone goes on with {}", self.memory.running));
                Load::Not
            }
        }
    }

    fn runs(&mut self, image: &str) -> Load {
        self.before.push(std::mem::replace(&mut self.memory.running, image.to_owned()));
        self.display.runs(image);
        Load::Whole
    }

    /// The image that an XML file names for this model.
    pub(super) fn load_information(&mut self, xml: &[u8]) -> Option<String> {
        let text: String = xml.iter().map(|byte| char::from(*byte)).collect();
        let number = if self.options.model == Model::Cp7940 { '8' } else { '7' };
        let tags = [format!("<loadInformation{number} "), "<loadInformation ".to_owned()];
        let at = tags.iter().find_map(|tag| text.find(tag.as_str()))?;
        let inside = text[at..].split_once('>')?.1;
        let name = inside.split_once('<')?.0.trim();
        if name.is_empty() {
            self.problems.push("an XML file names no image: the display says \"Protocol Application Invalid\"".into());
            return None;
        }
        Some(name.to_owned())
    }
}
