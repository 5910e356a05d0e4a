//! Paired measurements: a baseline and a candidate, timed alternately.

use std::time::{Duration, Instant};

use crate::allocations::{Allocations, allocations};

/// The result of a benchmark. Benchmarks fail on errors, never on slowness.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A comparison of a candidate with a baseline.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The median time of the baseline.
    pub baseline: Duration,
    /// The median time of the candidate.
    pub candidate: Duration,
    /// The first quartile, the median and the third quartile of the ratios within pairs.
    pub quartiles: [f64; 3],
    /// The 95 % confidence interval of the median ratio.
    pub interval: [f64; 2],
    /// The median allocations of one call of the baseline.
    pub baseline_allocations: Allocations,
    /// The median allocations of one call of the candidate.
    pub candidate_allocations: Allocations,
}

impl Comparison {
    /// Returns the ratio of the medians, candidate to baseline.
    pub fn ratio(&self) -> f64 {
        self.candidate.as_secs_f64() / self.baseline.as_secs_f64()
    }
}

/// Measures pairs of calls after a warm-up. In every second pair the candidate comes first.
///
/// # Errors
///
/// Returns the first error of a call, or an error if `pairs` is 0.
pub async fn compare(
    pairs: usize,
    baseline: impl AsyncFn() -> Result<()>,
    candidate: impl AsyncFn() -> Result<()>,
) -> Result<Comparison> {
    for _ in 0..pairs / 10 {
        baseline().await?;
        candidate().await?;
    }
    let mut baselines = Vec::with_capacity(pairs);
    let mut candidates = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        if pair % 2 == 0 {
            baselines.push(measure(&baseline).await?);
            candidates.push(measure(&candidate).await?);
        } else {
            candidates.push(measure(&candidate).await?);
            baselines.push(measure(&baseline).await?);
        }
    }
    summarize(&baselines, &candidates).ok_or_else(|| "at least one pair is required".into())
}

fn summarize(baselines: &[Sample], candidates: &[Sample]) -> Option<Comparison> {
    let mut ratios: Vec<f64> = baselines
        .iter()
        .zip(candidates)
        .map(|(baseline, candidate)| candidate.time.as_secs_f64() / baseline.time.as_secs_f64())
        .collect();
    ratios.sort_by(f64::total_cmp);
    // The confidence interval of a median, as ranks of the sorted values: the middle rank plus or
    // minus 1.96 standard deviations of the binomial distribution, sqrt(n) / 2.
    let margin = 0.98 / (ratios.len() as f64).sqrt();
    let at = |share| quantile(&ratios, share);
    Some(Comparison {
        baseline: median(baselines, |sample| sample.time)?,
        candidate: median(candidates, |sample| sample.time)?,
        quartiles: [at(0.25)?, at(0.5)?, at(0.75)?],
        interval: [at(0.5 - margin)?, at(0.5 + margin)?],
        baseline_allocations: median_allocations(baselines)?,
        candidate_allocations: median_allocations(candidates)?,
    })
}

struct Sample {
    time: Duration,
    allocations: Allocations,
}

async fn measure(call: impl AsyncFn() -> Result<()>) -> Result<Sample> {
    // Complete the background work of the previous call, such as returning its connection to the pool.
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    let before = allocations();
    let start = Instant::now();
    call().await?;
    let time = start.elapsed();
    Ok(Sample { time, allocations: allocations() - before })
}

fn median_allocations(samples: &[Sample]) -> Option<Allocations> {
    Some(Allocations {
        count: median(samples, |sample| sample.allocations.count)?,
        bytes: median(samples, |sample| sample.allocations.bytes)?,
    })
}

fn median<T: Copy + Ord>(samples: &[Sample], value: impl Fn(&Sample) -> T) -> Option<T> {
    let mut values: Vec<T> = samples.iter().map(value).collect();
    values.sort_unstable();
    quantile(&values, 0.5)
}

/// Returns a quantile of sorted values. `share` is between 0 and 1.
fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share.clamp(0.0, 1.0)).round() as usize).copied()
}
