//! Models of the benchmark.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream};
use tokio::time::Instant;

/// A model that responds with four words without any delay.
pub(crate) struct InstantModel;

impl Model for InstantModel {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let words = ["It ", "is ", "sunny ", "today."];
        let words = words.map(|word| Ok(ModelEvent::Text(word.to_owned())));
        let usage = Ok(ModelEvent::Usage { prompt_tokens: 10, completion_tokens: 4 });
        Box::pin(stream::iter(words.into_iter().chain([usage])))
    }
}

/// A model that generates text at a fixed interval. Each text is `due N `, where N is the time at
/// which it is due, in microseconds since `epoch`.
pub(crate) struct TimestampModel {
    pub(crate) epoch: Instant,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
}

impl Model for TimestampModel {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let (epoch, interval, started) = (self.epoch, self.interval, Instant::now());
        Box::pin(stream::iter(1..=self.count).then(move |number| async move {
            let due = started + interval * number;
            tokio::time::sleep_until(due).await;
            Ok(ModelEvent::Text(format!("due {} ", (due - epoch).as_micros())))
        }))
    }
}
