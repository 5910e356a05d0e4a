//! What the conformance suite does not cover: migrations, lost connections, and notifications.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;

use super::*;
use crate::store::transaction::{Change, NewObject};

/// The address of a schema of its own, in the database of the environment variable
/// `RUNSTEP_TEST_POSTGRES`.
fn address() -> String {
    let address = std::env::var("RUNSTEP_TEST_POSTGRES").expect("the address of a database");
    format!("{address}?schema=test_{:016x}", fastrand::u64(..))
}

fn store(address: &str) -> PostgresStore {
    let options = PostgresOptions {
        address: address.parse().unwrap(),
        max_connections: 4,
        max_bytes: u64::MAX,
        metrics: StoreMetrics::default(),
        quota: MemoryQuota::new(usize::MAX, usize::MAX, Default::default()),
    };
    PostgresStore::new(options).unwrap()
}

fn transaction(change: Change) -> Transaction {
    Transaction { namespace: Namespace::new("a"), now: 0, idempotency: None, change }
}

fn new_assistant(id: &str) -> Transaction {
    let object = NewObject { id: id.to_owned(), json: "{}".into(), hidden: Bytes::new() };
    transaction(Change::CreateAssistant(object))
}

/// Executes statements in the schema of an address.
async fn execute(address: &str, sql: &str) {
    let (url, schema) = address.split_once("?schema=").unwrap();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&sql.replace("NAME", schema)).await.unwrap();
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_is_migrated_once_by_ten_nodes() {
    let address = address().parse().unwrap();
    let migrations = (0..10).map(|_| PostgresStore::migrate(&address));
    for result in futures_util::future::join_all(migrations).await {
        result.unwrap();
    }
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_of_a_newer_version_is_refused() {
    let text = address();
    let address = text.parse().unwrap();
    PostgresStore::migrate(&address).await.unwrap();
    execute(&text, "UPDATE NAME.schema_version SET version = version + 1").await;
    // During an upgrade, nodes of the previous version can be started.
    PostgresStore::migrate(&address).await.unwrap();
    execute(&text, "UPDATE NAME.schema_version SET version = 99").await;
    let error = PostgresStore::migrate(&address).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database has the schema version 99, but this program supports versions up to 6; use \
         the version of the program that upgraded it, or a newer one"
    );
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_schema_of_another_program_is_refused() {
    let text = address();
    execute(&text, "CREATE SCHEMA NAME; CREATE TABLE NAME.invoices (id int)").await;
    let error = PostgresStore::migrate(&text.parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, DatabaseError::OtherProgram), "{error}");
}

/// A proxy in front of the database.
struct Proxy {
    address: SocketAddr,
    /// How many responses to statements with `create_assistant` are dropped, with their connection.
    dropped: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let remaining = Arc::clone(&dropped);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), Arc::clone(&remaining)));
            }
        });
        Self { address, dropped }
    }
}

async fn forward(mut client: TcpStream, target: String, dropped: Arc<AtomicUsize>) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let (mut request, mut response) = (vec![0; 65536], vec![0; 65536]);
    let mut is_marked = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                // Values are sent to a prepared statement.
                is_marked |= request[..length].windows(5).any(|text| text == b"asst_");
                if server.write_all(&request[..length]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut response) => {
                let Ok(length @ 1..) = read else { return };
                let take_one = |count: usize| count.checked_sub(1);
                if is_marked
                    && dropped.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_one).is_ok()
                {
                    return;
                }
                if client.write_all(&response[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns the address of a proxy in front of the database.
fn through(proxy: &Proxy, address: &str) -> String {
    let config: tokio_postgres::Config = address.split('?').next().unwrap().parse().unwrap();
    let host = format!("127.0.0.1:{}", config.get_ports()[0]);
    address.replace(&host, &proxy.address.to_string())
}

fn target(address: &str) -> String {
    let config: tokio_postgres::Config = address.split('?').next().unwrap().parse().unwrap();
    format!("127.0.0.1:{}", config.get_ports()[0])
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_transaction_whose_response_was_lost_is_not_repeated() {
    let text = address();
    let proxy = Proxy::start(target(&text)).await;
    let store = store(&through(&proxy, &text));
    store.commit(new_assistant("asst_0")).await.unwrap();
    proxy.dropped.store(2, Ordering::SeqCst);
    assert_eq!(store.commit(new_assistant("asst_1")).await, Ok(Committed::default()));
    assert_eq!(proxy.dropped.load(Ordering::SeqCst), 0, "both responses were lost");

    let delete = |id: &str| {
        transaction(Change::Delete { collection: Collection::Assistants, id: id.to_owned() })
    };
    proxy.dropped.store(1, Ordering::SeqCst);
    assert_eq!(store.commit(delete("asst_1")).await, Ok(Committed::default()));
    assert_eq!(store.check_health(), Ok(()));

    let replace = |json: &'static str, version| {
        let object = NewObject { id: "asst_0".to_owned(), json: json.into(), hidden: Bytes::new() };
        transaction(Change::Replace { collection: Collection::Assistants, object, version })
    };
    proxy.dropped.store(1, Ordering::SeqCst);
    assert_eq!(store.commit(replace("[1]", 0)).await.unwrap().version, 1);
    assert_eq!(store.commit(replace("[2]", 0)).await, Err(StoreError::Stale));
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_that_is_lost_is_reported_and_found_again() {
    let text = address();
    let proxy = Proxy::start(target(&text)).await;
    let store = store(&through(&proxy, &text));
    store.commit(new_assistant("asst_0")).await.unwrap();
    let read = async || store.object(&Namespace::new("a"), Collection::Assistants, "asst_0").await;
    proxy.dropped.store(usize::MAX, Ordering::SeqCst);
    assert!(matches!(read().await, Err(StoreError::Unavailable(_))));
    assert!(store.check_health().is_err());
    proxy.dropped.store(0, Ordering::SeqCst);
    assert_eq!(read().await.unwrap().id, "asst_0");
    assert_eq!(store.check_health(), Ok(()));
}

#[tokio::test]
#[ignore = "requires a Postgres server: cargo xtask cluster"]
async fn postgres_notifies_other_nodes_only() {
    let text = address();
    let (first, second) = (store(&text), store(&text));
    let (mut to_first, mut to_second) = (first.notifications(), second.notifications());
    // What was sent before is not received.
    assert_eq!(to_first.next().await, Some(Notification::Lost));
    assert_eq!(to_second.next().await, Some(Notification::Lost));
    for (store, name) in [(&first, "a"), (&second, "b"), (&first, "a")] {
        store.renew_lease(Claimant(name.into()), 0, 100).await.unwrap();
    }
    let key = RunKey {
        namespace: Namespace::new("a"),
        thread: "thread_1".to_owned(),
        run: "run_1".to_owned(),
    };
    let bytes = Bytes::from_static("id: 3\ndata: \u{e9}\n\n".as_bytes());
    let deltas = EventChunk { first: 3, last: 3, is_done: false, bytes };
    first.publish_deltas(&key, deltas.clone());
    assert_eq!(to_second.next().await, Some(Notification::Deltas(key.clone(), deltas.clone())));
    second.publish_deltas(&key, deltas.clone());
    assert_eq!(to_first.next().await, Some(Notification::Deltas(key, deltas)));
}

#[tokio::test]
async fn address_has_no_secrets_in_messages() {
    let address: PostgresAddress =
        "postgres://me:secret@db.example:5433/data?sslmode=require".parse().unwrap();
    assert_eq!(address.to_string(), "postgres://db.example:5433/data");
    assert_eq!(format!("{address:?}"), "PostgresAddress(postgres://db.example:5433/data)");
    for (text, reason) in [
        ("postgres://me:secret@db.example/data?sslmode=prefer", "sslmode is"),
        ("postgres://me:secret@db.example/data?schema=A", "a schema has"),
        ("postgres://me:secret@db.example/data?unknown=1", "unknown"),
        ("postgres://me:secret@db.example:port/data", "port"),
        ("postgres:///data", "no host"),
    ] {
        let error = text.parse::<PostgresAddress>().unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("secret"), "{error}");
    }
}
