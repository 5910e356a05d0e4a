//! Settings of a wait.

use std::time::Duration;

use super::delays::PollDelays;
use crate::client::Client;
use crate::transport::{Backoff, PollErrorPolicy, RequestOptions, RetryPolicy};

/// Default total time of a wait: 15 minutes. Runs expire after 10 minutes.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15 * 60);
/// Default timeout of one poll request.
const POLL_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of a wait.
#[derive(Clone, Debug)]
pub(crate) struct PollSettings {
    pub(crate) deadline: Duration,
    pub(crate) cancel_on_deadline: bool,
    pub(crate) cancel_on_drop: bool,
    pub(crate) interval: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) error_policy: Option<PollErrorPolicy>,
    pub(super) with_steps: bool,
    /// Options of the poll requests and of other requests about the run.
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
            error_policy: None,
            with_steps: false,
            options: RequestOptions::default(),
        }
    }
}

impl PollSettings {
    /// Returns the settings for a part of a wait that handles the rest itself.
    pub(crate) fn for_part(&self, deadline: Duration) -> Self {
        Self { deadline, cancel_on_drop: false, ..self.clone() }
    }

    pub(crate) fn delays(&self, client: &Client) -> PollDelays {
        PollDelays::new(self.interval, self.backoff.or(client.settings().poll_backoff))
    }

    pub(super) fn error_policy(&self, client: &Client) -> PollErrorPolicy {
        self.error_policy.unwrap_or(client.settings().poll_error_policy)
    }

    /// Returns the options of a poll request. Without retries: the next poll is the retry.
    pub(super) fn poll_request_options(&self, client: &Client) -> RequestOptions {
        let timeout =
            self.options.timeout.unwrap_or(client.settings().timeout.min(POLL_REQUEST_TIMEOUT));
        RequestOptions {
            timeout: Some(timeout),
            retry: Some(RetryPolicy::none()),
            ..self.options.clone()
        }
    }
}

/// Setters of all waits for how runs are polled.
macro_rules! poll_request_setters {
    () => {
        /// Sets a fixed delay between polls, overriding the server's. At least 1 ms.
        pub fn interval(mut self, interval: std::time::Duration) -> Self {
            self.settings.interval = Some(interval);
            self
        }

        /// Sets the delays between polls if the server does not specify one by `openai-poll-after-ms` or
        /// `Retry-After`. Default: the client's.
        pub fn backoff(mut self, backoff: $crate::Backoff) -> Self {
            self.settings.backoff = Some(backoff);
            self
        }

        /// Sets which polling errors are tolerated. Default: the client's policy.
        pub fn error_policy(mut self, policy: $crate::PollErrorPolicy) -> Self {
            self.settings.error_policy = Some(policy);
            self
        }

        /// Sets the timeout of one poll request. Default: the client's timeout, at most 30 s.
        pub fn request_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.settings.options.timeout = Some(timeout);
            self
        }

        $crate::resources::macros::header_setters!(
            settings.options,
            " to each request of the wait"
        );
    };
}

/// Setters of waits for one run.
macro_rules! poll_setters {
    () => {
        $crate::polling::settings::poll_request_setters!();

        /// Sets the total time. Default: [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
        ///
        /// The error ([`Error::is_deadline`](crate::Error::is_deadline)) carries the last known state of
        /// the run. A final poll can delay it by up to one second, and
        /// [`cancel_on_deadline`](Self::cancel_on_deadline) by another five.
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.settings.deadline = deadline;
            self
        }

        /// Sets whether the run is cancelled at the deadline. Default: false.
        ///
        /// The error carries the run as the server returned it. If the run had ended already, it is
        /// returned instead of an error.
        pub fn cancel_on_deadline(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_deadline = cancel;
            self
        }

        /// Sets whether the run is cancelled if the wait is dropped before the run settles. Default:
        /// false. Requires a tokio runtime when the wait is dropped.
        ///
        /// Nothing is cancelled before the wait has started or after it has returned an error.
        pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_drop = cancel;
            self
        }

        /// Sets whether the stream includes new steps, which costs one more request per poll. Default:
        /// false.
        pub fn with_steps(mut self, with_steps: bool) -> Self {
            self.settings.with_steps = with_steps;
            self
        }
    };
}

pub(crate) use {poll_request_setters, poll_setters};
