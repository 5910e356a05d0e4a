//! Questions to the person at the terminal.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::text;
use crate::error::CliError;

/// Asks questions on standard error, and reads the answers from standard input.
///
/// One thread reads, because a read cannot be cancelled: a question that is dropped leaves its line to
/// the question below it. If two questions are open, the newer one receives the next line.
#[derive(Clone, Default)]
pub(crate) struct Prompts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    reader: Option<mpsc::Sender<()>>,
    open: Vec<oneshot::Sender<io::Result<Option<String>>>>,
}

impl Prompts {
    /// Returns whether a person can answer.
    pub(crate) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Asks a question and returns the answer without surrounding spaces, or `None` at the end of the
    /// input.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the question. What was typed goes to the next one.
    pub(crate) async fn ask(&self, question: &str) -> Result<Option<String>, CliError> {
        eprint!("{}", text::lines(question));
        let (sender, answer) = oneshot::channel();
        {
            let mut state = lock(&self.0);
            state.open.push(sender);
            let demand = state.reader.get_or_insert_with(|| start_reader(Arc::clone(&self.0)));
            // The reader ends only with the process.
            let _ = demand.send(());
        }
        match answer.await {
            Ok(line) => Ok(line.map_err(CliError::Input)?.map(|line| line.trim().to_owned())),
            Err(_) => Ok(None),
        }
    }

    /// Asks a question that is answered with yes or no. No answer means no.
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool, CliError> {
        let answer = self.ask(&format!("{question} [y/N] ")).await?.unwrap_or_default();
        Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that reads a line for each question. It is not joined: it may wait for input when
/// the program ends.
fn start_reader(state: Arc<Mutex<State>>) -> mpsc::Sender<()> {
    let (demand, demands) = mpsc::channel();
    std::thread::spawn(move || {
        while demands.recv().is_ok() {
            let mut line = String::new();
            let mut read = match io::stdin().lock().read_line(&mut line) {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some(line)),
                Err(error) => Err(error),
            };
            // Questions that were withdrawn do not take the line.
            while let Some(newest) = lock(&state).open.pop() {
                match newest.send(read) {
                    Ok(()) => break,
                    Err(unread) => read = unread,
                }
            }
        }
    });
    demand
}
