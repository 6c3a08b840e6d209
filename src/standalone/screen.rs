//! Where `dialtone standalone` shows what there is to see: a screen on a terminal, otherwise a line for each change.

use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use jiff::Timestamp;

use super::changes::Changes;
use super::live;
use super::overview::{LastFiles, Overview};
use crate::base::report::Record;
use crate::base::terminal::{self, Live, print};
use crate::provision::{Fleet, Key};

/// The most texts that wait to be printed.
const WAITING: usize = 64;
/// The most bytes of lines beyond those.
const MAX_PENDING: usize = 64 * 1024;

/// The screen, which is stdout.
pub struct Screen {
    last_files: LastFiles,
    /// Nothing on a terminal.
    changes: Option<Changes>,
    printed: String,
    /// Lines that the printer had no room for.
    pending: String,
    /// What is to be printed, by a thread of its own: a terminal that is stopped, or a reader that does not read, stops nothing else.
    printer: SyncSender<String>,
}

impl Default for Screen {
    fn default() -> Screen {
        let is_terminal = terminal::is_screen();
        let (printer, texts) = sync_channel::<String>(if is_terminal { 1 } else { WAITING });
        // Nobody waits for it: the end of the process ends it. Without it nothing is shown, and phones are served.
        let _ = std::thread::Builder::new().name("screen".to_owned()).spawn(move || {
            let mut live = is_terminal.then(Live::on_stdout);
            for text in texts {
                match &mut live {
                    Some(live) => live.show(&text),
                    // A reader of stdout may have gone; phones are served nevertheless.
                    None => drop(print(text)),
                }
            }
        });
        Screen {
            last_files: LastFiles::default(),
            changes: (!is_terminal).then(Changes::default),
            printed: String::new(),
            pending: String::new(),
            printer,
        }
    }
}

impl Screen {
    /// Takes note of a transfer, which is shown with the next update.
    pub fn note_fetch(&mut self, record: &Record) {
        self.last_files.note(record);
    }

    /// Shows what changed of a site, and what is wrong.
    pub fn update(&mut self, fleet: &Fleet, site: &Key, troubles: Vec<String>, now: Timestamp) {
        let overview = Overview { troubles, ..Overview::of(fleet, site, &self.last_files, now) };
        match &mut self.changes {
            None => {
                let size = (terminal::width().unwrap_or(80), terminal::height().unwrap_or(24));
                let text = live::draw(&overview, now, size).join("\n");
                // If the one before is not printed yet, this one or a newer one comes in its turn.
                if text != self.printed && self.printer.try_send(text.clone()).is_ok() {
                    self.printed = text;
                }
            }
            Some(changes) => {
                for line in changes.lines(&overview, now) {
                    self.pending += &line;
                    self.pending.push('\n');
                }
                if self.pending.is_empty() {
                    return;
                }
                if let Err(TrySendError::Full(text)) = self.printer.try_send(std::mem::take(&mut self.pending)) {
                    self.pending = text;
                    if self.pending.len() > MAX_PENDING {
                        // Once the reader reads again it gets how things stand then.
                        (self.pending, *changes) = (String::new(), Changes::default());
                    }
                }
            }
        }
    }
}
