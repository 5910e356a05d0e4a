//! The caller's own HTTP client: proxies, private certificate authorities, and what is enforced.

use std::net::SocketAddr;
use std::sync::Arc;

use runstep::{Client, ClientBuilder, ErrorKind, RetryPolicy, reqwest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::harness::{
    API_KEY, RecordingServer, example, http_response, json_response, retrieve_run,
};

/// A server with a certificate of its own authority. It stops when it is dropped.
struct TlsServer {
    address: SocketAddr,
    /// The certificate of the authority.
    authority: reqwest::Certificate,
    task: JoinHandle<()>,
}

impl TlsServer {
    async fn start() -> Self {
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "A private authority");
        let authority =
            rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap())
                .unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // The handshake fails if the client does not trust the authority.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = [0; 16 * 1024];
                    let _ = stream.read(&mut request).await;
                    let body = example("Run").to_string();
                    let length = body.len();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        let authority = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        Self { address, authority, task }
    }

    fn builder(&self) -> ClientBuilder {
        let url = format!("https://localhost:{}/v1", self.address.port());
        Client::builder(url).api_key(API_KEY).retry_policy(RetryPolicy::none())
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn private_authority_is_trusted_if_configured() {
    let server = TlsServer::start().await;
    let error = retrieve_run(&server.builder().build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "the authority is not trusted by default");
    let authority = server.authority.clone();
    let builder = server.builder().configure_http(|http| http.tls_certs_only([authority]));
    assert_eq!(retrieve_run(&builder.build().unwrap()).await.unwrap().id, example("Run")["id"]);
}

#[tokio::test]
async fn provided_client_brings_its_certificates() {
    let server = TlsServer::start().await;
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([server.authority.clone()]);
    let client = server.builder().http_client(http.build().unwrap()).build().unwrap();
    assert_eq!(retrieve_run(&client).await.unwrap().id, example("Run")["id"]);
}

/// The host exists only for the proxy.
#[tokio::test]
async fn configured_proxy_receives_the_requests() {
    let proxy = RecordingServer::with_json(example("Run")).await;
    let url = proxy.origin();
    let builder = Client::builder("http://host.invalid/v1").allow_plain_http(true);
    let builder = builder.configure_http(|http| http.proxy(reqwest::Proxy::all(url).unwrap()));
    retrieve_run(&builder.build().unwrap()).await.unwrap();
    let request = proxy.only_request();
    assert_eq!(request.target, "http://host.invalid/v1/threads/thread_abc123/runs/run_abc123");
}

#[tokio::test]
async fn configured_proxy_is_used_for_this_machine_too() {
    let proxy = RecordingServer::with_json(example("Run")).await;
    let url = proxy.origin();
    let builder = Client::builder("http://127.0.0.1:1/v1");
    let builder = builder.configure_http(|http| http.proxy(reqwest::Proxy::all(url).unwrap()));
    retrieve_run(&builder.build().unwrap()).await.unwrap();
    assert_eq!(proxy.count(), 1);
}

/// Returns a server that redirects each request to another server, with status 302 or 307.
async fn redirecting_server(status: u16, location: String) -> RecordingServer {
    RecordingServer::start(move |_| http_response(status, &[("location", &location)], "")).await
}

#[tokio::test]
async fn configuration_cannot_weaken_the_redirect_policy() {
    let other = RecordingServer::with_json(example("Run")).await;
    for status in [302, 307] {
        let server = redirecting_server(status, format!("{}/run", other.origin())).await;
        let policy = reqwest::redirect::Policy::limited(10);
        let builder = server.builder().configure_http(|http| http.redirect(policy));
        let error = retrieve_run(&builder.build().unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Api, Some(status)));
    }
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn redirect_policy_protects_a_provided_client() {
    let other = RecordingServer::with_json(example("Run")).await;
    let server = redirecting_server(307, format!("{}/run", other.origin())).await;
    let http = reqwest::Client::builder().no_proxy();
    let http = http.redirect(ClientBuilder::redirect_policy()).build().unwrap();
    let client = server.builder().http_client(http).build().unwrap();
    assert_eq!(retrieve_run(&client).await.unwrap_err().status(), Some(307));
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn headers_are_sent_with_every_kind_of_client() {
    let server = RecordingServer::with_json(example("Run")).await;
    let provided = reqwest::Client::builder().no_proxy().user_agent("mine/1").build().unwrap();
    let builders = [
        server.builder().http_client(provided),
        server.builder().configure_http(|http| http.user_agent("mine/1")),
    ];
    for builder in builders {
        retrieve_run(&builder.build().unwrap()).await.unwrap();
    }
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
        assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
        assert!(request.header("user-agent").unwrap().starts_with("runstep/"));
    }
    let builder = server.builder().header("user-agent", "mine/2");
    retrieve_run(&builder.build().unwrap()).await.unwrap();
    assert_eq!(server.requests()[2].header("user-agent"), Some("mine/2"));
}

#[tokio::test]
async fn configurations_add_up_and_a_provided_client_replaces_them() {
    let proxy = RecordingServer::start(|_| json_response(&example("Run"))).await;
    let url = proxy.origin();
    let builder = || Client::builder("http://127.0.0.1:1/v1").retry_policy(RetryPolicy::none());
    let configured = |builder: ClientBuilder| {
        let proxied = reqwest::Proxy::all(&url).unwrap();
        let builder = builder.configure_http(|http| http.proxy(proxied));
        builder.configure_http(|http| http.referer(false))
    };
    retrieve_run(&configured(builder()).build().unwrap()).await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = configured(builder()).http_client(http).build().unwrap();
    assert!(retrieve_run(&client).await.unwrap_err().is_connect());
    assert_eq!(proxy.count(), 1);
}
