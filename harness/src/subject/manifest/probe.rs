//! Where a described target tells about itself: its build, and the host that it sees. Never asks it.

use schemars::JsonSchema;
use serde::Deserialize;

/// Where the target tells about itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Where it tells its build.
    pub build: Option<BuildProbe>,
    /// Where it repeats the host that it sees.
    pub echo: Option<EchoProbe>,
}

/// Where the target tells its build: at a JSON pointer of an answer, or in a header.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BuildProbe {
    /// Path of a `GET`.
    pub path: String,
    /// Where the answer has it.
    pub pointer: Option<String>,
    /// Which header has it.
    pub header: Option<String>,
    /// The build that shall be judged, such as `${GITHUB_SHA}`. One may be the beginning of the other, from 7 characters on.
    pub expected: Option<String>,
}

/// Where the target repeats the host that it sees.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EchoProbe {
    /// Path of a `GET`.
    pub path: String,
    /// Where the answer has the host; without it the whole body is the host.
    pub pointer: Option<String>,
}

impl Probe {
    /// What types cannot say.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        match &self.build {
            Some(build) if build.pointer.is_some() == build.header.is_some() => {
                Err("[probe] build needs `pointer` or `header`, one of them".to_owned())
            }
            Some(_) | None => Ok(()),
        }
    }
}
