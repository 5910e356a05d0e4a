//! A limit on what is in progress at a time. Those that wait take turns by namespace.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::store::Namespace;

/// Limits what is in progress. If the limit is reached, namespaces take turns, so that one that waits
/// for a thousand runs does not delay another one's single run; within a namespace, the first comes
/// first.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    limit: usize,
    in_progress: usize,
    /// The namespaces that wait, the next one first. None of them is empty.
    waiting: VecDeque<(Namespace, VecDeque<oneshot::Sender<Turn>>)>,
}

/// The permission to be in progress, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let state = State { limit, in_progress: 0, waiting: VecDeque::new() };
        Arc::new(Self(Mutex::new(state)))
    }

    /// Changes the limit. Those in progress continue if there are more of them.
    pub(super) fn set_limit(self: &Arc<Self>, limit: usize) {
        let mut state = self.0.lock();
        state.limit = limit;
        self.start_next(&mut state);
    }

    /// Waits for the turn of a namespace.
    ///
    /// # Cancel safety
    ///
    /// The place in the queue is lost if the future is dropped.
    pub(super) async fn wait(self: &Arc<Self>, namespace: &Namespace) -> Turn {
        let receiver = {
            let mut state = self.0.lock();
            if state.in_progress < state.limit && state.waiting.is_empty() {
                state.in_progress += 1;
                return Turn(Some(Arc::clone(self)));
            }
            let (sender, receiver) = oneshot::channel();
            match state.waiting.iter_mut().find(|(waiting, _)| waiting == namespace) {
                Some((_, senders)) => senders.push_back(sender),
                None => state.waiting.push_back((namespace.clone(), VecDeque::from([sender]))),
            }
            receiver
        };
        // `self` has the sender, so the channel is not closed.
        receiver.await.unwrap_or(Turn(None))
    }

    /// Gives turns to those that wait, up to the limit.
    fn start_next(self: &Arc<Self>, state: &mut State) {
        while state.in_progress < state.limit {
            let Some((namespace, mut senders)) = state.waiting.pop_front() else { return };
            if let Some(sender) = senders.pop_front() {
                match sender.send(Turn(Some(Arc::clone(self)))) {
                    Ok(()) => state.in_progress += 1,
                    // Nobody waits any more. Its drop must not lock the state again.
                    Err(mut turn) => turn.0 = None,
                }
            }
            if !senders.is_empty() {
                state.waiting.push_back((namespace, senders));
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            let mut state = turns.0.lock();
            state.in_progress -= 1;
            turns.start_next(&mut state);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::*;

    fn wait(turns: &Arc<Turns>, namespace: &str) -> BoxFuture<'static, Turn> {
        let (turns, namespace) = (Arc::clone(turns), Namespace::new(namespace));
        let mut turn = async move { turns.wait(&namespace).await }.boxed();
        match (&mut turn).now_or_never() {
            Some(turn) => std::future::ready(turn).boxed(),
            None => turn,
        }
    }

    fn ready(turn: &mut BoxFuture<'static, Turn>) -> Option<Turn> {
        turn.now_or_never()
    }

    #[test]
    fn namespaces_take_turns() {
        let turns = Turns::new(1);
        let first = wait(&turns, "a").now_or_never().unwrap();
        let mut a = [wait(&turns, "a"), wait(&turns, "a")];
        let mut b = wait(&turns, "b");
        assert!(ready(&mut b).is_none());
        drop(first);
        let second = ready(&mut a[0]).expect("the first of a");
        assert!(ready(&mut b).is_none());
        drop(second);
        let third = ready(&mut b).expect("b before the second of a");
        assert!(ready(&mut a[1]).is_none());
        drop(third);
        assert!(ready(&mut a[1]).is_some());
    }

    #[test]
    fn those_that_no_longer_wait_are_skipped() {
        let turns = Turns::new(1);
        let first = wait(&turns, "a").now_or_never().unwrap();
        drop(wait(&turns, "a"));
        let mut other = wait(&turns, "b");
        drop(first);
        drop(ready(&mut other).unwrap());
        // Also one that got its turn and was dropped before it looked.
        let first = wait(&turns, "a").now_or_never().unwrap();
        let unread = wait(&turns, "a");
        drop(first);
        drop(unread);
        assert!(wait(&turns, "b").now_or_never().is_some());
    }

    #[test]
    fn changed_limit_applies_to_those_that_wait() {
        let turns = Turns::new(1);
        let first = wait(&turns, "a").now_or_never().unwrap();
        let mut waiting = [wait(&turns, "a"), wait(&turns, "a")];
        turns.set_limit(2);
        let second = ready(&mut waiting[0]).unwrap();
        turns.set_limit(1);
        drop(first);
        assert!(ready(&mut waiting[1]).is_none());
        drop(second);
        assert!(ready(&mut waiting[1]).is_some());
    }
}
