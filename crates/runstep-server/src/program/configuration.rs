//! Merges the sources of options: flags and environment, file, defaults.

use std::path::Path;

use serde::Deserialize as _;
use toml::{Table, Value};

use super::data::DataLocation;
use super::error::ProgramError;
use super::files;
use super::keys::Keys;
use super::options::{DEFAULTS, Options};
use super::settings::Settings;
use super::upstream::Upstream;

/// The merged options.
#[derive(Debug)]
pub(super) struct Configuration {
    table: Table,
    pub(super) settings: Settings,
    pub(super) data: Option<DataLocation>,
}

impl Configuration {
    /// Reads the file, if there is one, and merges it with the options of the command line.
    pub(super) fn new(file: Option<&Path>, command_line: &Options) -> Result<Self, ProgramError> {
        let invalid_defaults = |error| ProgramError::Defaults(Box::new(error));
        let mut table: Table = DEFAULTS.parse().map_err(invalid_defaults)?;
        let file = file.map(read).transpose()?;
        for options in file.iter().chain([command_line]) {
            // Absent options are not serialized. Fails for numbers that are too large for TOML.
            table.extend(Table::try_from(options).map_err(ProgramError::Options)?);
        }
        let settings = Settings::deserialize(table.clone()).map_err(invalid_defaults)?;
        let data = settings.data.as_deref().map(str::parse).transpose()?;
        Ok(Self { table, settings, data })
    }

    /// Formats the options as a configuration file. Secrets are hidden.
    pub(super) fn report(&self, keys: Option<&Keys>, upstream: Option<&Upstream>) -> String {
        let mut table = self.table.clone();
        if let Some(Value::String(url)) = table.get_mut("upstream")
            && let Some(query) = url.find('?')
        {
            url.replace_range(query.., "?[hidden]");
        }
        if let Some(location @ DataLocation::Database(_)) = &self.data {
            table.insert("data".to_owned(), Value::String(format!("{location}?[hidden]")));
        }
        let keys = keys.map_or("# no API keys: no key is required".into(), Keys::summary);
        let model = upstream.map_or("# model: offline".into(), Upstream::summary);
        format!("{table}{keys}\n{model}\n")
    }
}

/// Reads a configuration file. Relative paths in it are relative to its directory.
fn read(path: &Path) -> Result<Options, ProgramError> {
    let mut options: Options = files::toml(path, "configuration")?;
    let directory = path.parent().unwrap_or(Path::new(""));
    if let Some(data) = &mut options.data
        && let Ok(DataLocation::File(path)) = data.parse()
    {
        *data = directory.join(path).to_string_lossy().into_owned();
    }
    for path in [&mut options.api_key_file, &mut options.model_map].into_iter().flatten() {
        *path = directory.join(&*path);
    }
    Ok(options)
}
