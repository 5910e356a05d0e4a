//! Claims, leases and expiry.

use super::*;

on_all_stores! {
    runs_are_claimed_once_and_in_order,
    namespaces_take_turns_in_claims,
    claimed_runs_are_those_that_execute,
    claims_end_with_the_lease,
    node_without_its_claim_cannot_write,
    waiting_runs_expire_in_order,
}

fn node(name: &str) -> Claimant {
    Claimant(name.into())
}

/// Creates threads with a queued run each.
async fn create_runs(harness: &Harness, count: usize) -> Vec<RunKey> {
    let mut keys = Vec::new();
    for number in 0..count {
        let (thread, run) = (format!("thread_{number}"), format!("run_{number}"));
        harness.create_thread(&thread, &[]).await;
        harness.create_run(&thread, &run).await.unwrap();
        keys.push(key(&thread, &run));
    }
    keys
}

async fn set_phase(harness: &Harness, key: &RunKey, version: u64, phase: Phase, expires_at: i64) {
    let update = Some(RunUpdate { expires_at, ..update(phase) });
    let write = RunWrite { update, ..empty_write(&key.thread, &key.run, version) };
    harness.commit(Change::WriteRun(Box::new(write))).await.unwrap();
}

async fn runs_are_claimed_once_and_in_order(harness: Harness) {
    let keys = create_runs(&harness, 6).await;
    set_phase(&harness, &keys[1], 0, Phase::InProgress, 0).await;
    set_phase(&harness, &keys[2], 0, Phase::RequiresAction, 0).await;
    set_phase(&harness, &keys[3], 0, Phase::Cancelling, 0).await;
    set_phase(&harness, &keys[4], 0, Phase::Ended, 0).await;
    let store = &harness.store;
    store.renew_lease(node("a"), 0, 10).await.unwrap();
    assert_eq!(store.claim_runs(node("a"), 0, 2).await.unwrap(), keys[..2]);
    let rest = [keys[3].clone(), keys[5].clone()];
    assert_eq!(store.claim_runs(node("a"), 0, 9).await.unwrap(), rest);
    assert_eq!(store.claim_runs(node("b"), 0, 9).await.unwrap(), []);
    let record = store.run(&keys[1]).await.unwrap();
    assert_eq!((record.owner.as_deref(), record.object.version), (Some("a"), 2));
}

async fn namespaces_take_turns_in_claims(harness: Harness) {
    let first = create_runs(&harness, 3).await;
    let mut others = Vec::new();
    for (namespace, count) in [("b", 2), ("c", 1)] {
        for number in 0..count {
            let (thread, run) = (format!("thread_{number}"), format!("run_{number}"));
            let creation = Change::CreateThread(super::thread(&thread, &[]));
            harness.commit_in(namespace, 0, creation).await.unwrap();
            harness.commit_in(namespace, 0, new_run(&thread, &run)).await.unwrap();
            others.push(RunKey { namespace: Namespace::new(namespace), ..key(&thread, &run) });
        }
    }
    let store = &harness.store;
    store.renew_lease(node("a"), 0, 10).await.unwrap();
    let claimed = store.claim_runs(node("a"), 0, 4).await.unwrap();
    let expected = [&first[0], &others[0], &others[2], &first[1]];
    assert_eq!(claimed.iter().collect::<Vec<_>>(), expected);
    let claimed = store.claim_runs(node("a"), 0, 9).await.unwrap();
    assert_eq!(claimed.iter().collect::<Vec<_>>(), [&first[2], &others[1]]);
}

async fn claimed_runs_are_those_that_execute(harness: Harness) {
    let keys = create_runs(&harness, 5).await;
    let store = &harness.store;
    store.renew_lease(node("a"), 0, 10).await.unwrap();
    assert_eq!(store.claim_runs(node("a"), 0, 4).await.unwrap(), keys[..4]);
    store.claim_runs(node("b"), 0, 9).await.unwrap();
    let write = |key: &RunKey, phase| {
        let update = Some(RunUpdate { owner: Some("a".into()), ..update(phase) });
        Change::WriteRun(Box::new(RunWrite { update, ..empty_write(&key.thread, &key.run, 1) }))
    };
    harness.commit(write(&keys[1], Phase::InProgress)).await.unwrap();
    harness.commit(write(&keys[2], Phase::Cancelling)).await.unwrap();
    let mut claimed = store.claimed_runs(node("a")).await.unwrap();
    claimed.sort();
    assert_eq!(claimed, [keys[0].clone(), keys[1].clone(), keys[3].clone()]);
    assert_eq!(store.claimed_runs(node("b")).await.unwrap(), [keys[4].clone()]);
    let id = keys[0].thread.clone();
    harness.commit(Change::Delete { collection: Collection::Threads, id }).await.unwrap();
    harness.commit(write(&keys[3], Phase::Ended)).await.unwrap();
    assert_eq!(store.claimed_runs(node("a")).await.unwrap(), [keys[1].clone()]);
}

async fn claims_end_with_the_lease(harness: Harness) {
    let keys = create_runs(&harness, 1).await;
    let store = &harness.store;
    assert_eq!(store.renew_lease(node("a"), 0, 10).await, Ok(1));
    assert_eq!(store.renew_lease(node("b"), 0, 100).await, Ok(2));
    assert_eq!(store.renew_lease(node("b"), 10, 100).await, Ok(1));
    assert_eq!(store.claim_runs(node("a"), 0, 9).await.unwrap(), keys);
    store.renew_lease(node("a"), 0, 20).await.unwrap();
    assert_eq!(store.claim_runs(node("b"), 19, 9).await.unwrap(), []);
    assert_eq!(store.claim_runs(node("a"), 20, 9).await.unwrap(), [], "it has them already");
    assert_eq!(store.claim_runs(node("b"), 20, 9).await.unwrap(), keys);
    assert_eq!(store.claim_runs(node("a"), 20, 9).await.unwrap(), []);
}

async fn node_without_its_claim_cannot_write(harness: Harness) {
    let keys = create_runs(&harness, 1).await;
    let store = &harness.store;
    store.renew_lease(node("a"), 0, 10).await.unwrap();
    store.claim_runs(node("a"), 0, 9).await.unwrap();
    let version = store.run(&keys[0]).await.unwrap().object.version;
    store.renew_lease(node("b"), 0, 100).await.unwrap();
    store.claim_runs(node("b"), 10, 9).await.unwrap();
    let late = phase_write(&keys[0].thread, &keys[0].run, version, Phase::Ended);
    assert_eq!(harness.commit(late).await, Err(StoreError::Stale));
    let late = empty_write(&keys[0].thread, &keys[0].run, version);
    assert_eq!(harness.commit(Change::WriteRun(Box::new(late))).await, Err(StoreError::Stale));
    assert_eq!(store.run(&keys[0]).await.unwrap().owner.as_deref(), Some("b"));
}

async fn waiting_runs_expire_in_order(harness: Harness) {
    let keys = create_runs(&harness, 4).await;
    let store = &harness.store;
    assert_eq!(store.next_expiry().await, Ok(None));
    for (key, expires_at) in keys.iter().zip([30, 10, 20, 5]) {
        set_phase(&harness, key, 0, Phase::RequiresAction, expires_at).await;
    }
    set_phase(&harness, &keys[3], 1, Phase::Queued, 5).await;
    assert_eq!((store.next_expiry().await, store.waiting_runs().await), (Ok(Some(10)), Ok(3)));
    assert_eq!(store.expired_runs(9, 9).await, Ok(Vec::new()));
    let expected = [keys[1].clone(), keys[2].clone()];
    assert_eq!(store.expired_runs(20, 9).await.unwrap(), expected);
    assert_eq!(store.expired_runs(99, 2).await.unwrap(), expected);
    let id = keys[1].thread.clone();
    harness.commit(Change::Delete { collection: Collection::Threads, id }).await.unwrap();
    assert_eq!((store.next_expiry().await, store.waiting_runs().await), (Ok(Some(20)), Ok(2)));
}
