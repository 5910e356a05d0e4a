//! Notifications between nodes, by NOTIFY.
//!
//! They are not sent within the transactions that they are about, because Postgres commits
//! transactions with notifications one after the other. One connection of each node sends what has
//! gathered since its last statement, and one receives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::{broadcast, mpsc};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connect::{Connector, Dedicated, PostgresAddress};
use super::message::{self, Message};
use crate::error::DatabaseError;
use crate::store::notification::Notification;
use crate::store::object::{Collection, EventChunk, Phase, RunKey};
use crate::store::transaction::{Change, Committed, Transaction};

/// How many notifications wait to be sent. More are dropped.
const MAX_WAITING: usize = 4096;
/// How many notifications are sent by one statement.
const MAX_GROUP: usize = 256;
/// How many received notifications wait for the engine.
const MAX_RECEIVED: usize = 4096;
const RECONNECT_INTERVAL: Duration = Duration::from_millis(250);

/// Sends and receives notifications.
pub(super) struct Notifier {
    /// Distinguishes the notifications of this node.
    sender: Arc<str>,
    outgoing: mpsc::Sender<String>,
    /// Until the first use.
    start: parking_lot::Mutex<Option<Start>>,
    incoming: broadcast::Sender<Notification>,
    /// Whether there are other nodes that can receive.
    has_other_nodes: AtomicBool,
    _stop: DropGuard,
}

/// What the tasks of a notifier need.
struct Start {
    connector: Connector,
    queue: mpsc::Receiver<String>,
    stop: CancellationToken,
}

impl Notifier {
    pub(super) fn new(address: PostgresAddress) -> Result<Self, DatabaseError> {
        let (outgoing, queue) = mpsc::channel(MAX_WAITING);
        let stop = CancellationToken::new();
        let start = Start { connector: Connector::new(address)?, queue, stop: stop.clone() };
        Ok(Self {
            sender: format!("{:016x}", fastrand::u64(..)).into(),
            outgoing,
            start: parking_lot::Mutex::new(Some(start)),
            incoming: broadcast::channel(MAX_RECEIVED).0,
            has_other_nodes: AtomicBool::new(false),
            _stop: stop.drop_guard(),
        })
    }

    pub(super) fn set_other_nodes(&self, has_other_nodes: bool) {
        self.has_other_nodes.store(has_other_nodes, Ordering::Relaxed);
    }

    /// Returns the notifications of other nodes.
    pub(super) fn receive(&self) -> BoxStream<'static, Notification> {
        let receiver = self.incoming.subscribe();
        if let Some(Start { connector, queue, stop }) = self.start.lock().take() {
            let (sender, incoming) = (Arc::clone(&self.sender), self.incoming.clone());
            let tasks = Box::pin(run(connector, queue, sender, incoming));
            tokio::spawn(async move { stop.run_until_cancelled(tasks).await });
        }
        stream::unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Ok(notification) => Some((notification, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Notification::Lost, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    /// Notifies other nodes of a transaction.
    pub(super) fn committed(&self, transaction: &Transaction, committed: &Committed) {
        if !self.has_other_nodes.load(Ordering::Relaxed) || committed.replayed.is_some() {
            return;
        }
        let key = |thread: &str, run: &str| RunKey {
            namespace: transaction.namespace.clone(),
            thread: thread.to_owned(),
            run: run.to_owned(),
        };
        let message = match &transaction.change {
            Change::WriteRun(write) => {
                let key = key(&write.thread, &write.run);
                match &write.update {
                    Some(update) if update.phase == Phase::Cancelling => Message::Stopped(key),
                    Some(update) if update.owner.is_none() && update.phase.is_executable() => {
                        Message::Released
                    }
                    _ => Message::Changed(key),
                }
            }
            Change::CreateRun(new) if new.owner.is_none() => Message::Released,
            Change::Delete { collection: Collection::Threads, id } => match &committed.active_run {
                Some(run) => Message::Stopped(key(id, run)),
                None => return,
            },
            _ => return,
        };
        self.send(&message);
    }

    pub(super) fn publish_deltas(&self, key: &RunKey, deltas: &EventChunk) {
        if self.has_other_nodes.load(Ordering::Relaxed) {
            for chunk in message::split(deltas) {
                self.send(&Message::Deltas(key.clone(), chunk));
            }
        }
    }

    /// Sends a notification, unless too many wait: the receivers poll for what they miss.
    fn send(&self, message: &Message) {
        let _ = self.outgoing.try_send(message.encode(&self.sender));
    }
}

/// Sends and receives until the future is dropped.
async fn run(
    connector: Connector,
    queue: mpsc::Receiver<String>,
    sender: Arc<str>,
    incoming: broadcast::Sender<Notification>,
) {
    tokio::join!(send(&connector, queue), receive(&connector, &sender, &incoming));
}

async fn send(connector: &Connector, mut queue: mpsc::Receiver<String>) {
    loop {
        let Ok((client, connection)) = connector.connect().await.map(Dedicated::drive) else {
            tokio::time::sleep(RECONNECT_INTERVAL).await;
            continue;
        };
        let mut connection = connection;
        let sent = send_all(&client, &connector.schema, &mut queue);
        tokio::select! {
            () = sent => {}
            () = &mut connection => {}
        }
        tokio::time::sleep(RECONNECT_INTERVAL).await;
    }
}

/// Sends what is in the queue until the connection fails.
async fn send_all(client: &Client, channel: &str, queue: &mut mpsc::Receiver<String>) {
    // Nothing is lost if the database forgets a notification in a crash.
    if client.batch_execute("SET synchronous_commit TO off").await.is_err() {
        return;
    }
    let sql = "SELECT pg_notify($1, message) FROM unnest($2::text[]) AS message";
    let Ok(statement) = client.prepare(sql).await else { return };
    let mut group = Vec::new();
    while queue.recv_many(&mut group, MAX_GROUP).await > 0 {
        if client.execute(&statement, &[&channel, &group]).await.is_err() {
            return;
        }
        group.clear();
    }
}

async fn receive(connector: &Connector, sender: &str, incoming: &broadcast::Sender<Notification>) {
    loop {
        if let Ok(connection) = connector.connect().await {
            listen(connection, &connector.schema, sender, incoming).await;
        }
        // What the others have sent meanwhile is lost.
        let _ = incoming.send(Notification::Lost);
        tokio::time::sleep(RECONNECT_INTERVAL).await;
    }
}

/// Receives until the connection ends.
async fn listen(
    connection: Dedicated,
    channel: &str,
    sender: &str,
    incoming: &broadcast::Sender<Notification>,
) {
    let (client, mut messages) = connection.messages();
    let listen = format!("LISTEN \"{channel}\"");
    let mut listening = std::pin::pin!(client.batch_execute(&listen).fuse());
    loop {
        tokio::select! {
            result = &mut listening => match result {
                // What was sent before this is not received.
                Ok(()) => drop(incoming.send(Notification::Lost)),
                Err(_) => return,
            },
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    if let Some(message) = Message::decode(notification.payload(), sender) {
                        let _ = incoming.send(message.into());
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// The messages of a connection.
type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

impl Dedicated {
    /// Returns the client, and the future that its connection needs.
    fn drive(self) -> (Client, BoxFuture<'static, ()>) {
        let (client, messages) = self.messages();
        (client, messages.for_each(|_| async {}).boxed())
    }

    /// Returns the client, and the messages of its connection, which has to be polled.
    fn messages(self) -> (Client, Messages) {
        match self {
            Self::Plain(client, mut connection) => {
                (client, stream::poll_fn(move |cx| connection.poll_message(cx)).boxed())
            }
            Self::Tls(client, mut connection) => {
                (client, stream::poll_fn(move |cx| connection.poll_message(cx)).boxed())
            }
        }
    }
}
