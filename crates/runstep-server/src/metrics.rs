//! Prometheus metrics.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use runstep_api::types::{RunStatus, Usage};

/// Histogram buckets in seconds. A request takes from a fraction of a millisecond up to its
/// timeout.
const REQUEST_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0];
/// Histogram buckets in seconds. A run takes up to its lifetime.
const RUN_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 300.0, 600.0];

/// Histogram buckets in seconds. A provider takes from a fraction of a second up to its timeout.
const MODEL_BUCKETS: [f64; 9] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];
/// Histogram buckets in seconds. A commit waits for the disk.
const COMMIT_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];
/// Histogram buckets of transactions in a commit.
const GROUP_BUCKETS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 128.0, 512.0];

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
    runs_ended: Family<[(&'static str, String); 1], Counter>,
    run_duration: Histogram,
    /// Of prompts and of completions.
    tokens: [Counter; 2],
    first_event: Histogram,
    model_errors: Family<Label, Counter>,
    pub(crate) events: Counter,
    pub(crate) runs_queued: Gauge,
    pub(crate) runs_in_progress: Gauge,
    pub(crate) runs_requiring_action: Gauge,
    pub(crate) open_streams: Gauge,
    pub(crate) stored_bytes: Gauge,
    pub(crate) store: StoreMetrics,
}

/// The metrics of a data file.
#[derive(Clone, Debug)]
pub(crate) struct StoreMetrics {
    pub(crate) data_bytes: Gauge,
    pub(crate) wal_bytes: Gauge,
    pub(crate) commit_duration: Histogram,
    pub(crate) commit_transactions: Histogram,
    /// Reads and transactions of a database.
    pub(crate) operations: Counter,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            data_bytes: Gauge::default(),
            wal_bytes: Gauge::default(),
            commit_duration: Histogram::new(COMMIT_BUCKETS),
            commit_transactions: Histogram::new(GROUP_BUCKETS),
            operations: Counter::default(),
        }
    }
}

impl StoreMetrics {
    fn register(all: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { data_bytes, wal_bytes, commit_duration, .. } = metrics.clone();
        let Self { commit_transactions, operations, .. } = metrics.clone();
        register(all, "data_bytes", "Size of the data in the data file", data_bytes);
        register(all, "wal_bytes", "Size of the write-ahead log of the data file", wal_bytes);
        let help = "Seconds until a group of transactions is committed";
        register(all, "commit_duration_seconds", help, commit_duration);
        register(all, "commit_transactions", "Transactions of a commit", commit_transactions);
        let help = "Reads and transactions that were sent to the database";
        register(all, "store_operations", help, operations);
        metrics
    }
}

impl Metrics {
    /// Creates the metrics. The encoder adds `_total` to counters and a full stop to help texts.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("runstep");
        let all = &mut registry;
        let histogram: fn() -> Histogram = || Histogram::new(REQUEST_BUCKETS);
        let durations = Family::new_with_constructor(histogram);
        let until_response = "Seconds until a response starts, by operation";
        let until_end = "Seconds from the creation of a run to its end";
        let tokens: Family<Label, Counter> = add(all, "tokens", "Tokens of ended runs by kind");
        let tokens =
            ["prompt", "completion"].map(|kind| tokens.get_or_create(&[("kind", kind)]).clone());
        Self {
            requests: add(all, "requests", "Requests by operation and status"),
            request_duration: register(all, "request_duration_seconds", until_response, durations),
            runs_created: add(all, "runs_created", "Created runs"),
            runs_ended: add(all, "runs_ended", "Ended runs by terminal status"),
            run_duration: register(
                all,
                "run_duration_seconds",
                until_end,
                Histogram::new(RUN_BUCKETS),
            ),
            tokens,
            first_event: register(
                all,
                "model_first_event_seconds",
                "Seconds from a request to the model to the first event of its response",
                Histogram::new(MODEL_BUCKETS),
            ),
            model_errors: add(all, "model_errors", "Failed responses of the model by kind"),
            events: add(all, "events", "Events of runs"),
            runs_queued: add(all, "runs_queued", "Runs in the queue"),
            runs_in_progress: add(all, "runs_in_progress", "Runs in progress"),
            runs_requiring_action: add(
                all,
                "runs_requiring_action",
                "Runs that wait for tool outputs",
            ),
            open_streams: add(all, "open_streams", "Open event streams"),
            stored_bytes: add(all, "stored_bytes", "Estimated size of what is in memory in bytes"),
            store: StoreMetrics::register(all),
            registry,
        }
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

    pub(crate) fn record_first_event(&self, duration: Duration) {
        self.first_event.observe(duration.as_secs_f64());
    }

    pub(crate) fn record_model_error(&self, kind: &'static str) {
        self.model_errors.get_or_create(&[("kind", kind)]).inc();
    }

    pub(crate) fn record_run_created(&self) {
        self.runs_created.inc();
    }

    pub(crate) fn record_run_ended(&self, status: &RunStatus, seconds: i64, usage: &Usage) {
        self.runs_ended.get_or_create(&[("status", status.to_string())]).inc();
        self.run_duration.observe(seconds as f64);
        let counts = [usage.prompt_tokens, usage.completion_tokens];
        for (counter, count) in self.tokens.iter().zip(counts) {
            counter.inc_by(count.unwrap_or_default());
        }
    }
}

fn add<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    register(all, name, help, M::default())
}

fn register<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register(name, help, metric.clone());
    metric
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
