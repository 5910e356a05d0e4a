//! What was tested.

use std::fmt;

/// Counts of what was tested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Rounds of use, kill and check.
    pub rounds: u32,
    /// How often the server or a node was killed.
    pub kills: u64,
    /// How often the database was killed.
    pub restarts: u64,
    /// How often a node was paused past its lease.
    pub pauses: u64,
    /// Acknowledged messages that were found again.
    pub messages: u64,
    /// Runs that were created.
    pub runs: u64,
    /// Runs that had not ended when the server was killed.
    pub interrupted: u64,
    /// Requests without a response that were repeated with their key.
    pub repeated: u64,
    /// Streams that were resumed.
    pub resumed: u64,
    /// Events that were compared.
    pub events: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.runs += other.runs;
        self.interrupted += other.interrupted;
        self.repeated += other.repeated;
        self.resumed += other.resumed;
        self.events += other.events;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, kills, restarts, pauses, runs, interrupted, .. } = self;
        let Self { messages, repeated, resumed, events, .. } = self;
        write!(formatter, "{rounds} rounds, {kills} kills")?;
        if *restarts + *pauses > 0 {
            write!(formatter, ", {restarts} restarts of the database, {pauses} paused nodes")?;
        }
        write!(
            formatter,
            ": {runs} runs, {interrupted} of them interrupted; \
             {messages} messages, {repeated} repeated requests, {resumed} resumed streams and \
             {events} events compared; nothing lost"
        )
    }
}
