//! Models that take no time, or tell the time.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream};
use tokio::time::Instant;

/// Answers at once with four words.
pub(crate) struct Instantly;

impl Model for Instantly {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let words = ["It ", "is ", "sunny ", "today."];
        let words = words.map(|word| Ok(ModelEvent::Text(word.to_owned())));
        let usage = Ok(ModelEvent::Usage { prompt_tokens: 10, completion_tokens: 4 });
        Box::pin(stream::iter(words.into_iter().chain([usage])))
    }
}

/// Says at which time it is due to say so, at a steady pace.
pub(crate) struct Ticking {
    pub(crate) epoch: Instant,
    pub(crate) every: Duration,
    pub(crate) count: u32,
}

impl Model for Ticking {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let (epoch, every, started) = (self.epoch, self.every, Instant::now());
        Box::pin(stream::iter(1..=self.count).then(move |number| async move {
            let due = started + every * number;
            tokio::time::sleep_until(due).await;
            Ok(ModelEvent::Text(format!("due {} ", (due - epoch).as_micros())))
        }))
    }
}
