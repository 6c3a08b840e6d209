//! What a request tells of a phone's firmware.

use crate::phone::image::Image;

/// One request of a phone, as far as its firmware is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
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

/// Whether a part is the application itself, the last that a phone takes.
pub fn is_application(file: &str) -> bool {
    let sip = file
        .split('.')
        .next()
        .and_then(Image::parse)
        .is_some_and(|image| image.loader().as_deref() != Some(image.name));
    file.ends_with(".sb2") || (file.ends_with(".bin") && sip)
}

/// What a request for a file means; nothing if it has nothing to do with firmware.
pub fn meaning(name: &str, sent: u64, total: u64, end: Option<Result<(), String>>) -> Option<Seen> {
    let base = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let upper = base.to_ascii_uppercase();
    let whole = matches!(end, Some(Ok(())));
    let stem = |suffix: &str| base.get(..base.len() - suffix.len()).unwrap_or_default().to_owned();
    match upper.as_str() {
        "OS79XX.TXT" => Some(Seen::LegacyStart),
        "SIPDEFAULT.CNF" => whole.then_some(Seen::Common(Named::Unknown)),
        "XMLDEFAULT.CNF.XML" => Some(Seen::LoaderAsks),
        "RINGLIST.DAT" => Some(Seen::Goes),
        // A phone looks into it when it is told of a change, whatever it runs and does then.
        "SYNCINFO.XML" => None,
        _ if upper.starts_with("CTLSEP") => Some(Seen::LoaderStart),
        _ if upper.starts_with("SEP") && upper.ends_with(".CNF.XML") => Some(Seen::LoaderAsks),
        _ if upper.ends_with(".LOADS") && whole => Some(Seen::Loads { image: stem(".loads") }),
        _ if [".LOADS", ".BIN", ".SBN", ".SB2"].iter().any(|suffix| upper.ends_with(suffix)) => {
            let missing = total == 0 && matches!(end, Some(Err(_)));
            let end = if missing { Some(Err(format!("it asked for {base}, which is not there"))) } else { end };
            (total > 0 || missing).then(|| Seen::Part { file: base.to_owned(), sent, total, end })
        }
        _ if upper.ends_with(".XML") => Some(Seen::Goes),
        _ => None,
    }
}
