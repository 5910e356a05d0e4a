//! Puts options together: flags and environment over the file over the defaults.

use std::path::Path;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::error::ProgramError;
use super::files;
use super::keys::Keys;
use super::options::Options;
use super::settings::Settings;
use super::upstream::Upstream;

/// The defaults, as a file of options.
pub(super) const DEFAULTS: &str = include_str!("defaults.toml");

/// All options together.
#[derive(Debug)]
pub(super) struct Configuration {
    table: Table,
    pub(super) settings: Settings,
}

impl Configuration {
    /// Reads the file, if there is one, and lays `given` over it.
    pub(super) fn new(file: Option<&Path>, given: &Options) -> Result<Self, ProgramError> {
        let defect = |error| ProgramError::Defaults(Box::new(error));
        let mut table: Table = DEFAULTS.parse().map_err(defect)?;
        let file = file.map(read).transpose()?;
        for options in file.iter().chain([given]) {
            // Only options that are given are in it. A number may be too large for TOML.
            table.extend(Table::try_from(options).map_err(ProgramError::Options)?);
        }
        let settings = Settings::deserialize(table.clone()).map_err(defect)?;
        Ok(Self { table, settings })
    }

    /// What holds, as a file of options, with what is known of the secrets but not the secrets.
    pub(super) fn report(&self, keys: Option<&Keys>, upstream: Option<&Upstream>) -> String {
        let mut table = self.table.clone();
        if let Some(Value::String(url)) = table.get_mut("upstream")
            && let Some(query) = url.find('?')
        {
            url.replace_range(query.., "?[hidden]");
        }
        let keys = keys.map_or("# no API keys: all are let in".into(), Keys::summary);
        let model = upstream.map_or("# an offline model answers".into(), Upstream::summary);
        format!("{table}{keys}\n{model}\n")
    }
}

/// The options in a file, with its paths made to begin where it is.
fn read(path: &Path) -> Result<Options, ProgramError> {
    let mut options: Options = files::toml(path, "configuration")?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in [&mut options.api_key_file, &mut options.model_map].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    Ok(options)
}
