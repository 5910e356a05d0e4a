//! How a wait is told to go about it.

use std::time::Duration;

use super::policy::{Pace, PollErrorPolicy};
use crate::Client;
use crate::backoff::Backoff;
use crate::options::RequestOptions;
use crate::retry::RetryPolicy;

/// How long a poll waits in all unless told: 15 minutes. A run expires after 10.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// The longest that one look takes unless told.
const LOOK: Duration = Duration::from_secs(30);

/// How a wait is told to go about it.
#[derive(Clone, Debug)]
pub(crate) struct PollSettings {
    pub(crate) deadline: Duration,
    pub(crate) cancel_on_deadline: bool,
    pub(crate) cancel_on_drop: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) errors: Option<PollErrorPolicy>,
    pub(super) with_steps: bool,
    /// What goes along with looks, and with what else is asked of the run.
    pub(crate) options: RequestOptions,
}

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            cancel_on_deadline: false,
            cancel_on_drop: false,
            interval: None,
            backoff: None,
            errors: None,
            with_steps: false,
            options: RequestOptions::default(),
        }
    }
}

impl PollSettings {
    /// The settings for a part of a longer wait, which sees to the rest of it itself.
    pub(crate) fn for_part(&self, deadline: Duration) -> Self {
        Self { deadline, cancel_on_drop: false, ..self.clone() }
    }

    pub(crate) fn pace(&self, client: &Client) -> Pace {
        Pace::new(self.interval, self.backoff.or(client.settings().poll_backoff))
    }

    pub(super) fn errors(&self, client: &Client) -> PollErrorPolicy {
        self.errors.unwrap_or(client.settings().poll_error_policy)
    }

    /// What goes along with a look. None is sent again: the next look is the next attempt.
    pub(super) fn look_options(&self, client: &Client) -> RequestOptions {
        let timeout = self.options.timeout.unwrap_or(client.settings().timeout.min(LOOK));
        RequestOptions {
            timeout: Some(timeout),
            retry: Some(RetryPolicy::none()),
            ..self.options.clone()
        }
    }
}

/// The methods by which any wait is told how to look at a run.
macro_rules! look_setters {
    () => {
        /// How long to pause between two looks, whatever the server asks for. At least 1 ms.
        pub fn interval(mut self, interval: std::time::Duration) -> Self {
            self.settings.interval = Some(interval);
            self
        }

        /// The pace where the server names none by `openai-poll-after-ms` or `Retry-After`.
        /// Default: the client's.
        pub fn backoff(mut self, backoff: $crate::Backoff) -> Self {
            self.settings.backoff = Some(backoff);
            self
        }

        /// Which failed looks are tolerated. Default: the client's policy.
        pub fn error_policy(mut self, policy: $crate::PollErrorPolicy) -> Self {
            self.settings.errors = Some(policy);
            self
        }

        /// How long one look may take. Default: the client's timeout, but 30 s at most.
        pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.settings.options.timeout = Some(timeout);
            self
        }

        /// Adds a header to each request of the wait, in place of one that the client would send.
        pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.settings.options.headers.push((name.into(), value.into()));
            self
        }

        /// Adds a pair to the query of each request of the wait.
        pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.settings.options.query.push((name.into(), value.into()));
            self
        }
    };
}

/// The methods by which a wait for one run is told how to go about it.
macro_rules! poll_setters {
    () => {
        $crate::poll::look_setters!();

        /// How long to wait in all, however long a single request may take. Default:
        /// [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
        ///
        /// The error on the deadline ([`Error::is_deadline`](crate::Error::is_deadline)) carries the
        /// last state of the run. It comes up to a second later, because of a last look, and up to
        /// 5 seconds after that with [`cancel_on_deadline`](Self::cancel_on_deadline).
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.settings.deadline = deadline;
            self
        }

        /// Whether the server is asked to cancel the run when the deadline is reached. Default: no.
        ///
        /// The error then carries the run as the server left it. A run that turns out to have ended
        /// in the meantime is given as such, and is no error.
        pub fn cancel_on_deadline(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_deadline = cancel;
            self
        }

        /// Whether the server is asked to cancel the run when the wait is dropped before the run
        /// has settled. Default: no. Needs a tokio runtime at that moment.
        ///
        /// Nothing is cancelled before the wait has begun, nor after it has given an error: what
        /// becomes of the run is the caller's to say then.
        pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_drop = cancel;
            self
        }

        /// Whether the stream tells new steps too, at one more request a look. Default: no.
        pub fn with_steps(mut self, with_steps: bool) -> Self {
            self.settings.with_steps = with_steps;
            self
        }
    };
}

pub(crate) use {look_setters, poll_setters};
