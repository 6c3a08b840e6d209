//! What a phone's status said before a restart of the operator.

use jiff::Timestamp;

use super::{Running, Transfer, Upgrade};
use crate::api::{PhoneFirmwareStatus, Stage};
use crate::phone::image::Image;

impl Upgrade {
    /// What a status said before a restart.
    pub fn recover(status: Option<&PhoneFirmwareStatus>) -> Upgrade {
        let Some(status) = status else { return Upgrade::default() };
        let since: Option<Timestamp> = status.since.as_deref().and_then(|since| since.parse().ok());
        let message = status.message.clone().unwrap_or_default();
        let how = status.running_seen.clone().unwrap_or_else(|| "it was seen before".to_owned());
        let mut upgrade = Upgrade {
            running: status.running.clone().map(|image| Running { image, how }),
            failures: status.failures.and_then(|failures| u32::try_from(failures).ok()).unwrap_or(0),
            last: status.observed.as_deref().and_then(|observed| observed.parse().ok()).or(since),
            ..Upgrade::default()
        };
        let target = status.target.clone().unwrap_or_default();
        upgrade.taken = status.taken.iter().cloned().collect();
        match status.stage {
            Stage::Offered => upgrade.named = Some(target),
            Stage::Failed => {
                upgrade.failure = Some(message.clone());
                upgrade.failed_before = Some(message);
            }
            Stage::Downloading if status.file.as_ref().is_some_and(|file| upgrade.taken.contains(file)) => {
                // Between two parts.
                upgrade.took = upgrade.last;
            }
            Stage::Downloading => {
                let number = |number: Option<i64>| number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
                let (sent, total) = (number(status.bytes_sent), number(status.bytes_total));
                upgrade.transfer = status.file.clone().map(|file| Transfer { file, sent, total, of_all: true });
            }
            Stage::Installing => {
                (upgrade.took, upgrade.took_all) = (since, since);
                if upgrade.taken.is_empty() {
                    // Statuses did not always name the files; the last one that a phone takes is the application.
                    let loader = Image::parse(&target).is_some_and(|image| image.uses_loader());
                    upgrade.taken.insert(format!("{target}.{}", if loader { "sb2" } else { "bin" }));
                }
            }
            Stage::Unmanaged | Stage::Pending | Stage::Waiting | Stage::Staged | Stage::Current => {}
        }
        upgrade
    }
}
