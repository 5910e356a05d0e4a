//! What the server counts, for Prometheus.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use runstep_api::types::Usage;

/// Bounds in seconds: a request takes from a fraction of a millisecond to as long as its body.
const REQUEST_SECONDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];
/// Bounds in seconds: a run may take as long as it lives.
const RUN_SECONDS: [f64; 8] = [1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 300.0, 600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Replied {
    operation: &'static str,
    status: u16,
}

type Label = [(&'static str, &'static str); 1];

/// All figures.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Replied, Counter>,
    request_seconds: Family<Label, Histogram, fn() -> Histogram>,
    runs_created: Counter,
    runs_ended: Family<Label, Counter>,
    run_seconds: Histogram,
    tokens: Family<Label, Counter>,
    pub(crate) events: Counter,
    pub(crate) runs_queued: Gauge,
    pub(crate) runs_in_progress: Gauge,
    pub(crate) runs_waiting: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) stored_bytes: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("runstep"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            runs_created: Counter::default(),
            runs_ended: Family::default(),
            run_seconds: Histogram::new(RUN_SECONDS),
            tokens: Family::default(),
            events: Counter::default(),
            runs_queued: Gauge::default(),
            runs_in_progress: Gauge::default(),
            runs_waiting: Gauge::default(),
            streams: Gauge::default(),
            stored_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    /// The texts end in no stop: the format adds it.
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("requests", "Requests, by operation and status", self.requests.clone());
        let help = "Seconds until a reply began, by operation";
        to.register("request_seconds", help, self.request_seconds.clone());
        to.register("runs_created", "Runs that were created", self.runs_created.clone());
        to.register("runs_ended", "Runs that ended, by status", self.runs_ended.clone());
        let help = "Seconds from a run's creation to its end";
        to.register("run_seconds", help, self.run_seconds.clone());
        to.register("tokens", "Tokens of ended runs, by kind", self.tokens.clone());
        to.register("events", "Events of streamed runs", self.events.clone());
        let help = "Runs that wait for their turn";
        to.register("runs_queued", help, self.runs_queued.clone());
        to.register("runs_in_progress", "Runs in progress", self.runs_in_progress.clone());
        let help = "Runs that wait for tool outputs";
        to.register("runs_waiting", help, self.runs_waiting.clone());
        to.register("streams", "Streams that are open", self.streams.clone());
        to.register("stored_bytes", "Bytes that objects take", self.stored_bytes.clone());
    }

    /// All of them, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn replied(&self, operation: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Replied { operation, status }).inc();
        self.request_seconds.get_or_create(&[("operation", operation)]).observe(took.as_secs_f64());
    }

    pub(crate) fn run_created(&self) {
        self.runs_created.inc();
    }

    pub(crate) fn run_ended(&self, status: &'static str, seconds: i64, used: &Usage) {
        self.runs_ended.get_or_create(&[("status", status)]).inc();
        self.run_seconds.observe(seconds as f64);
        self.tokens.get_or_create(&[("kind", "prompt")]).inc_by(used.prompt_tokens);
        self.tokens.get_or_create(&[("kind", "completion")]).inc_by(used.completion_tokens);
    }
}

/// One more for as long as this is kept.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn by(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
