//! What the provider calls the models that runs ask for.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) known: BTreeMap<String, String>,
    pub(super) default: Option<String>,
}

impl Names {
    /// The provider's name: the one that is listed, else the default, else the name itself.
    pub(super) fn upstream<'a>(&'a self, asked: &'a str) -> &'a str {
        self.known.get(asked).or(self.default.as_ref()).map_or(asked, String::as_str)
    }
}
