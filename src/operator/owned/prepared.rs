//! An owned object, ready to be compared with what is observed and to be applied.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{closed, merge, set_type};
use crate::operator::kind::Kind;
use crate::operator::mend;
use crate::operator::names::APPLIED;

/// An owned object as it should be, complete.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::operator) struct Prepared {
    kind: Kind,
    pub(super) object: Value,
}

impl Prepared {
    /// Adds the type and a digest of the whole: it shows that a field is no longer wanted.
    pub(super) fn new(kind: Kind, mut object: Value) -> Prepared {
        set_type(kind, &mut object);
        let digest = Sha256::digest(object.to_string().as_bytes());
        object["metadata"]["annotations"][APPLIED] = hex::encode(&digest[..8]).into();
        Prepared { kind, object }
    }

    /// The same with an annotation that its digest says nothing of.
    pub(in crate::operator) fn marked(mut self, annotation: &str, value: Option<&str>) -> Prepared {
        if let Some(value) = value {
            self.object["metadata"]["annotations"][annotation] = value.into();
        }
        self
    }

    /// Its kind.
    pub(in crate::operator) fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole object.
    pub(in crate::operator) fn object(&self) -> &Value {
        &self.object
    }

    /// Its digest, as its annotation has it.
    pub(in crate::operator) fn digest(&self) -> &str {
        self.object["metadata"]["annotations"][APPLIED].as_str().unwrap_or_default()
    }

    /// Whether an observed object is as this one should be; who else owns it is another question.
    pub(in crate::operator) fn is_covered_by(&self, observed: &Value) -> bool {
        closed::intruders(self.kind, observed, &self.object).is_none() && self.has_all(observed)
    }

    fn has_all(&self, observed: &Value) -> bool {
        self.object.as_object().into_iter().flatten().all(|(field, value)| match field.as_str() {
            "metadata" => {
                let fields = value.as_object().into_iter().flatten();
                let mut fields = fields.filter(|(field, _)| *field != "ownerReferences");
                fields.all(|(field, value)| merge::covers(&observed["metadata"][field], value))
            }
            _ => merge::covers(&observed[field], value),
        })
    }

    /// Whether this is what was applied last to an observed object, whatever became of it since.
    pub(in crate::operator) fn was_applied_to(&self, observed: &Value) -> bool {
        observed["metadata"]["annotations"][APPLIED] == self.digest()
    }

    /// Whether applying it to an observed Deployment may replace pods: they are not as wanted, or something of them may be taken away.
    pub(in crate::operator) fn replaces_pods(&self, observed: &Value) -> bool {
        let pods = |object: &Value| json!({"spec": {"template": object["spec"]["template"]}});
        let (found, wanted) = (pods(observed), pods(&self.object));
        let is_as_wanted = merge::covers(&found, &wanted) && closed::intruders(self.kind, &found, &wanted).is_none();
        !is_as_wanted || closed::has_more(&found["spec"]["template"], &wanted["spec"]["template"])
    }

    /// What gives an observed object its owner.
    pub(in crate::operator) fn owner_patch(&self, observed: &Value) -> Option<Value> {
        mend::owner(observed, &self.object)
    }

    /// What puts right an object that server-side apply has left otherwise: it takes away only what it gave.
    pub(in crate::operator) fn correction(&self, observed: &Value) -> Option<Value> {
        let intruders = closed::intruders(self.kind, observed, &self.object);
        if intruders.is_none() && self.has_all(observed) {
            return None;
        }
        let mut patch = mend::correction(observed, &self.object, merge::covers);
        merge::add(&mut patch, intruders.unwrap_or_default());
        mend::for_version(patch, observed)
    }

    /// Whether an observed object can never become this one: a Service keeps its address, and one without has none for ever.
    pub(in crate::operator) fn is_blocked_by(&self, observed: &Value) -> bool {
        self.kind == Kind::Service && observed["spec"]["clusterIP"] == "None"
    }
}
