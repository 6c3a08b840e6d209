//! How a phone downloads an image: in one file before 7.0; from then on the loader, a restart, and the application.

use super::client::Failure;
use super::phone::Phone;
use crate::base::text::{QUOTED, printable};
use crate::phone::Model;
use crate::phone::image::{BIN, Image, LOADS, SB2, SBN};

/// The end of an image's download.
pub(super) enum Load {
    /// The phone has all of it.
    Complete,
    /// The phone has the loader, and restarts for the application.
    LoaderOnly,
    /// The phone keeps the image that it runs.
    Skipped,
    /// The phone restarts and tries again.
    Retry,
    /// The phone was switched off.
    Vanished,
}

/// Whether an image is loaded by a loader: 7.0 and later.
pub(super) fn uses_loader(image: &str) -> bool {
    Image::parse(image).is_some_and(|image| image.uses_loader())
}

impl Phone {
    /// Fetches an image of one file.
    pub(super) async fn load_legacy(&mut self, name: &str) -> Load {
        if !self.options.upgrade {
            return Load::Skipped;
        }
        match self.download(&format!("{name}{BIN}")).await {
            Load::Complete => self.switch_to(name),
            other => other,
        }
    }

    /// Fetches an image, or the next part of it.
    pub(super) async fn load_image(&mut self, name: &str) -> Load {
        if !uses_loader(name) {
            return self.load_legacy(name).await;
        }
        if !self.options.upgrade {
            return Load::Skipped;
        }
        let Some(loads) = self.fetch(&format!("{name}{LOADS}")).await else {
            let name = printable(name, QUOTED);
            self.add_problem(format!("{name}{LOADS} is not there: the phone goes on with {}", self.memory.running));
            return Load::Skipped;
        };
        let text: String = loads.iter().map(|byte| char::from(*byte)).collect();
        let mut parts: Vec<&str> = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .filter(|part| part.ends_with(SBN) || part.ends_with(SB2))
            .collect();
        // The loader is replaced first, and the phone restarts before it downloads the application.
        parts.sort_by_key(|part| part.ends_with(SB2));
        for part in parts {
            let loader = part.ends_with(SBN);
            if loader && self.memory.loader.as_deref() == Some(part) {
                continue;
            }
            match self.download(part).await {
                Load::Complete if loader => {
                    self.memory.loader = Some(part.to_owned());
                    return Load::LoaderOnly;
                }
                Load::Complete => {}
                other => return other,
            }
        }
        self.switch_to(name)
    }

    /// Downloads a file of an image.
    async fn download(&mut self, file: &str) -> Load {
        if self.gave_up {
            return Load::Skipped;
        }
        match self.request(file).await {
            Ok(_) => Load::Complete,
            Err(Failure::Vanished) => Load::Vanished,
            Err(Failure::Aborted(bytes)) => {
                self.failures += 1;
                self.display.count_failure();
                self.problems.push(format!("{file}: the phone gave up after {bytes} bytes"));
                let tries = self.options.fault.map_or(0, |(_, tries)| tries);
                // After the last attempt it keeps what it runs until the next restart from outside.
                self.gave_up = self.failures >= tries;
                if self.gave_up { Load::Skipped } else { Load::Retry }
            }
            Err(Failure::Cut(bytes)) => {
                self.failures += 1;
                self.display.count_failure();
                self.problems.push(format!("{file}: the power was cut after {bytes} bytes"));
                Load::Retry
            }
            Err(_) => {
                let file = printable(file, QUOTED);
                self.add_problem(format!("{file} is not there: the phone goes on with {}", self.memory.running));
                Load::Skipped
            }
        }
    }

    /// Runs another image from now on.
    fn switch_to(&mut self, image: &str) -> Load {
        self.before.push(std::mem::replace(&mut self.memory.running, image.to_owned()));
        self.display.set_image(image);
        Load::Complete
    }

    /// The image that an XML file names for this model.
    pub(crate) fn load_information(&mut self, xml: &[u8]) -> Option<String> {
        let text: String = xml.iter().map(|byte| char::from(*byte)).collect();
        let number = if self.options.model == Model::Cp7940 { '8' } else { '7' };
        let tags = [format!("<loadInformation{number} "), "<loadInformation ".to_owned()];
        let at = tags.iter().find_map(|tag| text.find(tag.as_str()))?;
        let inside = text[at..].split_once('>')?.1;
        let name = inside.split_once('<')?.0.trim();
        if name.is_empty() {
            self.add_problem("an XML file names no image: the display says \"Protocol Application Invalid\"".into());
            return None;
        }
        Some(name.to_owned())
    }
}
