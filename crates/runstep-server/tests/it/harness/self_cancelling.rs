//! A model that cancels the run that it responds to.

use std::sync::{Arc, OnceLock};

use futures_util::{StreamExt as _, stream};
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream};

use super::Fixture;

/// Emits texts, cancels its own run and then emits "too late" without yielding.
struct SelfCancelling {
    fixture: Arc<OnceLock<Fixture>>,
    texts: &'static [&'static str],
}

impl Model for SelfCancelling {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let fixture = self.fixture.get().unwrap().clone();
        let event = |text: &str| Ok(ModelEvent::Text(text.to_owned()));
        let cancel = stream::once(async move {
            fixture.cancel_run(&fixture.newest_run().await).await.ok();
            event("too late")
        });
        let texts = self.texts.iter().map(move |text| event(text));
        Box::pin(stream::iter(texts).chain(cancel))
    }
}

/// A fixture on a new server whose model emits `texts` and then cancels its own run.
pub(crate) async fn self_cancelling_fixture(texts: &'static [&'static str]) -> Fixture {
    let cell = Arc::new(OnceLock::new());
    let model = SelfCancelling { fixture: Arc::clone(&cell), texts };
    let fixture = Fixture::with_model(model, &[]).await;
    assert!(cell.set(fixture.clone()).is_ok());
    fixture
}
