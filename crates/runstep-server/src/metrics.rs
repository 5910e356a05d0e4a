//! Prometheus metrics.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use runstep_api::types::Usage;

/// Histogram buckets in seconds. A request takes from a fraction of a millisecond up to its
/// timeout.
const REQUEST_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];
/// Histogram buckets in seconds. A run takes up to its lifetime.
const RUN_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 300.0, 600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: u16,
}

type Label = [(&'static str, &'static str); 1];

/// All metrics of a server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_duration: Family<Label, Histogram, fn() -> Histogram>,
    runs_created: Counter,
    runs_ended: Family<Label, Counter>,
    run_duration: Histogram,
    tokens: Family<Label, Counter>,
    pub(crate) events: Counter,
    pub(crate) runs_queued: Gauge,
    pub(crate) runs_in_progress: Gauge,
    pub(crate) runs_requiring_action: Gauge,
    pub(crate) open_streams: Gauge,
    pub(crate) stored_bytes: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("runstep"),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            runs_created: Counter::default(),
            runs_ended: Family::default(),
            run_duration: Histogram::new(RUN_BUCKETS),
            tokens: Family::default(),
            events: Counter::default(),
            runs_queued: Gauge::default(),
            runs_in_progress: Gauge::default(),
            runs_requiring_action: Gauge::default(),
            open_streams: Gauge::default(),
            stored_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    /// Registers the metrics. The encoder adds `_total` to counters and a full stop to help texts.
    fn register(&mut self) {
        let registry = &mut self.registry;
        let help = "Requests by operation and status";
        registry.register("requests", help, self.requests.clone());
        let help = "Seconds until a response starts, by operation";
        registry.register("request_duration_seconds", help, self.request_duration.clone());
        registry.register("runs_created", "Created runs", self.runs_created.clone());
        registry.register("runs_ended", "Ended runs by final status", self.runs_ended.clone());
        let help = "Seconds from the creation of a run to its end";
        registry.register("run_duration_seconds", help, self.run_duration.clone());
        registry.register("tokens", "Tokens of ended runs by kind", self.tokens.clone());
        registry.register("events", "Events of streamed runs", self.events.clone());
        registry.register("runs_queued", "Runs in the queue", self.runs_queued.clone());
        let help = "Runs in progress";
        registry.register("runs_in_progress", help, self.runs_in_progress.clone());
        let help = "Runs that wait for tool outputs";
        registry.register("runs_requiring_action", help, self.runs_requiring_action.clone());
        registry.register("open_streams", "Open event streams", self.open_streams.clone());
        let help = "Estimated size of all objects in bytes";
        registry.register("stored_bytes", help, self.stored_bytes.clone());
    }

    /// Encodes all metrics in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn record_request(&self, operation: &'static str, status: u16, duration: Duration) {
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        let label = [("operation", operation)];
        self.request_duration.get_or_create(&label).observe(duration.as_secs_f64());
    }

    pub(crate) fn record_run_created(&self) {
        self.runs_created.inc();
    }

    pub(crate) fn record_run_ended(&self, status: &'static str, seconds: i64, usage: &Usage) {
        self.runs_ended.get_or_create(&[("status", status)]).inc();
        self.run_duration.observe(seconds as f64);
        self.tokens.get_or_create(&[("kind", "prompt")]).inc_by(usage.prompt_tokens);
        self.tokens.get_or_create(&[("kind", "completion")]).inc_by(usage.completion_tokens);
    }
}

/// Increments a gauge until it is dropped.
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(crate) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
