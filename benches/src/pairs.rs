//! Two ways to do the same, timed in turns.

use std::time::{Duration, Instant};

use crate::allocations::{Allocations, allocations};

/// What a benchmark gives: it fails on errors only.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How one way compares with another.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The median time of the way that is measured against.
    pub base: Duration,
    /// The median time of the other.
    pub other: Duration,
    /// The first quartile, the median and the third quartile of the ratios within pairs.
    pub quartiles: [f64; 3],
    /// What the median of those ratios lies within, with a confidence of 95 %.
    pub interval: [f64; 2],
    /// What one call of the way that is measured against asks for, at the median.
    pub base_allocations: Allocations,
    /// The same of the other.
    pub allocations: Allocations,
}

impl Comparison {
    /// The ratio of the medians, other to base.
    pub fn ratio(&self) -> f64 {
        self.other.as_secs_f64() / self.base.as_secs_f64()
    }
}

/// Times `pairs` pairs of calls after a warm-up; in every second pair the other goes first.
///
/// # Errors
///
/// The first error of a call.
pub async fn compare(
    pairs: usize,
    base: impl AsyncFn() -> Result<()>,
    other: impl AsyncFn() -> Result<()>,
) -> Result<Comparison> {
    for _ in 0..pairs / 10 {
        base().await?;
        other().await?;
    }
    let (mut bases, mut others) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for pair in 0..pairs {
        if pair % 2 == 0 {
            bases.push(measure(&base).await?);
            others.push(measure(&other).await?);
        } else {
            others.push(measure(&other).await?);
            bases.push(measure(&base).await?);
        }
    }
    let mut ratios: Vec<f64> =
        bases.iter().zip(&others).map(|(a, b)| b.0.as_secs_f64() / a.0.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    // Of the sorted values, those between which the median lies: half of them, give or take 1.96
    // standard deviations of how many of them fall below it.
    let margin = 0.98 / (pairs as f64).sqrt();
    let at = |share| quantile(&ratios, share).ok_or("there must be a pair");
    Ok(Comparison {
        base: median(&bases, |sample| sample.0).ok_or("there must be a pair")?,
        other: median(&others, |sample| sample.0).ok_or("there must be a pair")?,
        quartiles: [at(0.25)?, at(0.5)?, at(0.75)?],
        interval: [at(0.5 - margin)?, at(0.5 + margin)?],
        base_allocations: typical(&bases).ok_or("there must be a pair")?,
        allocations: typical(&others).ok_or("there must be a pair")?,
    })
}

type Sample = (Duration, Allocations);

async fn measure(call: impl AsyncFn() -> Result<()>) -> Result<Sample> {
    // What the last call left to do, such as handing its connection back, is not for this one.
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
    let before = allocations();
    let start = Instant::now();
    call().await?;
    let elapsed = start.elapsed();
    Ok((elapsed, allocations() - before))
}

fn typical(samples: &[Sample]) -> Option<Allocations> {
    Some(Allocations {
        count: median(samples, |sample| sample.1.count)?,
        bytes: median(samples, |sample| sample.1.bytes)?,
    })
}

fn median<T: Copy + Ord>(samples: &[Sample], value: impl Fn(&Sample) -> T) -> Option<T> {
    let mut values: Vec<T> = samples.iter().map(value).collect();
    values.sort_unstable();
    quantile(&values, 0.5)
}

/// The value below which a share of the sorted values lies.
fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share.clamp(0.0, 1.0)).round() as usize).copied()
}
