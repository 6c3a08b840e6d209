//! What a request means for a phone's firmware.

use crate::phone::FileName;

/// One request of a phone, as far as its firmware is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootEvent {
    /// OS79XX.TXT: firmware before 7.0 begins to boot.
    LegacyStart,
    /// CTLSEP: a loader begins to boot.
    LoaderStart,
    /// SEP or XMLDefault: a loader looks for the image to run.
    LoaderAsks,
    /// The `.loads` file of an image.
    Loads {
        /// The image.
        image: String,
    },
    /// A part of an image, or all of it.
    Part {
        /// The file.
        file: String,
        /// How many of its bytes were acknowledged.
        sent: u64,
        /// How many it has.
        total: u64,
        /// Whether the transfer goes on, is complete, or has ended early, and why.
        end: Option<Result<(), String>>,
    },
    /// SIPDefault.cnf: the application reads its configuration.
    Common(Named),
    /// The phone's own file, which has the last word.
    Own(Named),
    /// The ring list or the dial plan: the application has read its configuration and goes on with what it runs.
    Goes,
    /// One of several phones behind one address asked for something of an image: it may have been this one.
    Unclear,
}

impl BootEvent {
    /// Whether phones ask for that after their own file, in the same start.
    pub fn goes_on(&self) -> bool {
        match self {
            BootEvent::Goes | BootEvent::Loads { .. } | BootEvent::Part { .. } => true,
            BootEvent::LegacyStart
            | BootEvent::LoaderStart
            | BootEvent::LoaderAsks
            | BootEvent::Common(_)
            | BootEvent::Own(_)
            | BootEvent::Unclear => false,
        }
    }
}

/// The image that a file names which a phone read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// The file is none of those that are known, for instance an older one.
    #[default]
    Unknown,
    /// It names none.
    Nothing,
    /// It names this one.
    Image(String),
}

/// What a request for a file means; nothing if it has nothing to do with firmware.
pub fn meaning(file: FileName<'_>, sent: u64, total: u64, end: Option<Result<(), String>>) -> Option<BootEvent> {
    let whole = matches!(end, Some(Ok(())));
    match file {
        FileName::Os79xx => Some(BootEvent::LegacyStart),
        FileName::CtlSep(_) => Some(BootEvent::LoaderStart),
        FileName::Sep(_) | FileName::XmlDefault => Some(BootEvent::LoaderAsks),
        FileName::Common => whole.then_some(BootEvent::Common(Named::Unknown)),
        FileName::RingList | FileName::Xml(_) => Some(BootEvent::Goes),
        // A phone reads it when it is notified of a change, whatever it runs and does then.
        FileName::SyncInfo => None,
        FileName::Loads(_) if whole => file.image().map(|image| BootEvent::Loads { image: image.to_owned() }),
        FileName::Loads(name) | FileName::ImagePart(name) => {
            let missing = total == 0 && matches!(end, Some(Err(_)));
            let end = if missing { Some(Err(format!("it asked for {name}, which is not there"))) } else { end };
            (total > 0 || missing).then(|| BootEvent::Part { file: name.to_owned(), sent, total, end })
        }
        // What a phone's own file means depends on what it holds.
        FileName::Own(_) | FileName::Mgc(_) | FileName::Other(_) => None,
    }
}

/// Whether a part is the application itself, the last that a phone takes.
pub fn is_application(file: &str) -> bool {
    FileName::parse(file).is_application()
}
