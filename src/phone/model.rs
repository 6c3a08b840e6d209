//! The two models, and the differences between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A phone's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Model {
    /// Two line appearances.
    #[serde(rename = "7940")]
    Cp7940,
    /// Six line appearances.
    #[serde(rename = "7960")]
    Cp7960,
}

/// The most line appearances that any model has.
pub const MAX_LINES: usize = 6;

impl Model {
    /// All models.
    pub const ALL: [Model; 2] = [Model::Cp7940, Model::Cp7960];

    /// How many line appearances the model has.
    pub const fn lines(self) -> usize {
        match self {
            Model::Cp7940 => 2,
            Model::Cp7960 => MAX_LINES,
        }
    }

    /// The number in the element of `XMLDefault.cnf.xml` that names the model's image: `<loadInformation7>`.
    pub const fn load_number(self) -> u8 {
        match self {
            Model::Cp7940 => 8,
            Model::Cp7960 => 7,
        }
    }

    /// The name that is printed on the phone.
    pub const fn name(self) -> &'static str {
        match self {
            Model::Cp7940 => "7940",
            Model::Cp7960 => "7960",
        }
    }
}

impl std::str::FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Model, String> {
        let known = Model::ALL.into_iter().find(|model| model.name() == text);
        known.ok_or_else(|| format!("{text:?} is neither 7940 nor 7960"))
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
