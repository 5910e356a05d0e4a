//! Events that clients received, and those that the server has.

use super::Broken;

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) data: String,
}

impl Event {
    fn is_delta(&self) -> bool {
        self.name.ends_with(".delta")
    }
}

/// Checks what a client received over several connections against all events that the server has.
/// Only deltas may be missing there, and only those right before the kill.
pub(super) fn compare(received: &[Event], stored: &[Event]) -> Result<(), Broken> {
    check_order(received, "received")?;
    check_order(stored, "stored")?;
    let first = received.first().map_or(u64::MAX, |event| event.id);
    let last = received.last().map_or(0, |event| event.id);
    for event in received {
        let found = stored.binary_search_by_key(&event.id, |stored| stored.id);
        match found.ok().and_then(|index| stored.get(index)) {
            Some(stored) if stored == event => {}
            Some(stored) => return Err(format!("event changed from {event:?} to {stored:?}")),
            None if event.is_delta() => {}
            None => return Err(format!("event lost: {event:?}")),
        }
    }
    for event in stored.iter().filter(|event| (first..=last).contains(&event.id)) {
        if !received.iter().any(|received| received.id == event.id) {
            return Err(format!("event was not received: {event:?}"));
        }
    }
    Ok(())
}

fn check_order(events: &[Event], which: &str) -> Result<(), Broken> {
    for pair in events.windows(2) {
        if let [earlier, later] = pair
            && earlier.id >= later.id
        {
            return Err(format!("{which} event {} follows event {}", later.id, earlier.id));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, name: &str) -> Event {
        Event { id, name: name.to_owned(), data: "{}".to_owned() }
    }

    #[test]
    fn lost_changed_repeated_and_skipped_events_are_found() {
        let (created, delta, done) = (event(1, "created"), event(2, "x.delta"), event(9, "done"));
        let all = [created.clone(), delta.clone(), done.clone()];
        assert_eq!(compare(&all, &all), Ok(()));
        assert_eq!(compare(&all, &[created.clone(), done.clone()]), Ok(()), "a lost delta");
        assert!(compare(&all, &[created.clone(), delta.clone()]).is_err(), "a lost event");
        assert!(compare(&[created.clone(), done.clone()], &all).is_err(), "a skipped event");
        let changed = Event { data: "{\"a\":1}".to_owned(), ..created.clone() };
        assert!(compare(&[changed], &all).is_err(), "a changed event");
        let twice = [created.clone(), delta.clone(), delta];
        assert!(compare(&twice, &all).is_err(), "a repeated event");
    }
}
