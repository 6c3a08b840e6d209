//! One object with files, as it was observed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::base::digest::Digest;
use crate::operator::claim::is_applied_by_us;
use crate::operator::trimmed::version;

/// An object with files as it was observed last.
#[derive(Clone, Debug)]
pub(in crate::operator) struct Observed {
    /// Its metadata, of which managed fields say no more than who applied it.
    pub(in crate::operator) meta: ObjectMeta,
    /// The digest of its files; `None` if they were not read.
    pub(in crate::operator) digest: Option<Digest>,
    /// Whether it has to be made anew before it can hold anything else: it is immutable, or of another type.
    pub(in crate::operator) fixed: bool,
    /// Whether nobody has touched it since the operator wrote it.
    pub(in crate::operator) untouched: bool,
}

impl Observed {
    /// An object of which only the metadata were read.
    pub(in crate::operator) fn unread(meta: ObjectMeta) -> Observed {
        Observed { meta: without_fields(meta), digest: None, fixed: false, untouched: false }
    }

    pub(super) fn version(&self) -> u64 {
        version(&self.meta)
    }
}

/// Managed fields are long, and only who applied the object is used of them.
pub(super) fn without_fields(mut meta: ObjectMeta) -> ObjectMeta {
    if let Some(managers) = &mut meta.managed_fields {
        managers.retain(is_applied_by_us);
        managers.iter_mut().for_each(|entry| entry.fields_v1 = None);
    }
    meta
}
