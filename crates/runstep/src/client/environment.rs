//! The environment variables of the client.

use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};

/// Variables of the base URL and the key, in order of precedence.
const PAIRS: [(&str, &str); 2] =
    [("RUNSTEP_BASE_URL", "RUNSTEP_API_KEY"), ("OPENAI_BASE_URL", "OPENAI_API_KEY")];

pub(crate) struct Environment {
    pub(crate) base_url: String,
    pub(crate) api_key: Option<SecretString>,
}

/// Reads the first pair whose base URL is set. Empty values count as unset.
pub(crate) fn read() -> Result<Environment> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    PAIRS
        .iter()
        .find_map(|(url, key)| {
            let base_url = variable(url)?;
            Some(Environment { base_url, api_key: variable(key).map(SecretString::from) })
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "no base URL: set RUNSTEP_BASE_URL (and RUNSTEP_API_KEY, if the server requires a key), \
                 or OPENAI_BASE_URL and OPENAI_API_KEY",
            )
        })
}
