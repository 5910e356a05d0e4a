//! The `runstep-server` program, run as a child process.

mod configuration;
mod data;
#[cfg(target_os = "linux")]
mod disk_failures;
#[cfg(target_os = "linux")]
mod memory;
mod page;
mod process;
mod serving;
mod signals;
mod startup_errors;
