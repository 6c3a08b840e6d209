//! What a phone itself says of the dial plan: which one it loads, and where its emergency calls go. What is said of a site's plan
//! depends on that.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::SipPhoneSpec;
use crate::phone::cnf;
use crate::phone::parameter::is_unset;

const TEMPLATE: &str = "dial_template";
const EMERGENCY: &str = "proxy_emergency";

/// What one phone says; nothing, for most of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnPlan {
    /// The plan that it names, empty if it names none; nothing if it takes its site's.
    pub template: Option<String>,
    /// Whether it has an emergency proxy of its own.
    pub emergency: bool,
}

/// What the phones of a site say, each answer once; nothing if there are no phones.
pub type OwnPlans = BTreeSet<OwnPlan>;

impl OwnPlan {
    /// What a SipPhone says.
    pub fn of(spec: &SipPhoneSpec) -> OwnPlan {
        let typed = |field: &str| spec.settings.0.get(field).and_then(Value::as_str);
        let extra = |name: &str| {
            let mut all = spec.extra_parameters.0.iter();
            all.find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let in_secret = spec.secret_parameters.0.keys().any(|name| name.eq_ignore_ascii_case(EMERGENCY));
        let mut own = OwnPlan::new(
            typed("dialTemplate").or_else(|| extra(TEMPLATE)),
            typed("proxyEmergency").or_else(|| extra(EMERGENCY)),
        );
        own.emergency |= in_secret;
        own
    }

    /// What a phone's own file says.
    pub fn of_file(bytes: &[u8]) -> OwnPlan {
        let values = cnf::read(bytes).effective();
        let value = |name: &str| values.get(name).map(String::as_str);
        OwnPlan::new(value(TEMPLATE), value(EMERGENCY))
    }

    fn new(template: Option<&str>, emergency: Option<&str>) -> OwnPlan {
        OwnPlan {
            template: template.map(|name| if is_unset(TEMPLATE, name) { String::new() } else { name.to_owned() }),
            emergency: emergency.is_some_and(|proxy| !is_unset(EMERGENCY, proxy)),
        }
    }

    /// Whether it says nothing, so that the site has the last word.
    pub fn is_silent(&self) -> bool {
        *self == OwnPlan::default()
    }
}
