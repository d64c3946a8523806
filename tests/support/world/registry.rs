//! The registries of a world, and as much of HTTP as a push takes.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::enclosure::{Enclosure, Order};
use super::image::{Image, MANIFEST};
use super::login::{HTPASSWD, LOGIN, Login};
use super::wait_for;

/// A docker-registry on a loopback port.
#[derive(Debug)]
pub struct Registry {
    pub address: SocketAddr,
    /// What it asks of everybody.
    login: Option<Login>,
}

/// As much of an answer as somebody here reads.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// Where the rest of an upload goes.
    location: Option<String>,
}

/// Whom a registry lets in.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    Open,
    /// Those who have [`LOGIN`].
    Guarded,
    /// Those who speak TLS and trust a certificate that nobody has signed.
    Sealed,
}

// === impl Registry ===

impl Registry {
    /// One of this name among the registries of that enclosure, when it answers.
    pub async fn start(enclosure: &mut Enclosure, directory: &Path, name: &str, door: Door) -> Self {
        let at = |extension: &str| directory.join(format!("{name}.{extension}"));
        let settings = settings(directory, name, door);
        let file = File::create_new(at("yml")).and_then(|mut file| file.write_all(settings.as_bytes()));
        file.expect("no other registry has this name");
        if let Door::Guarded = door {
            fs::write(at("htpasswd"), HTPASSWD).expect("the one who may come in");
        }
        if let Door::Sealed = door {
            let seal = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
            fs::write(at("crt"), seal.cert.pem()).expect("the certificate");
            fs::write(at("key"), seal.signing_key.serialize_pem()).expect("its key");
        }
        if let Err(error) = enclosure.order(Order::Registry(name)).await {
            panic!("no registry {name}: {error}");
        }
        let login = match door {
            Door::Open | Door::Sealed => None,
            Door::Guarded => Some(LOGIN),
        };
        wait_for(name, &at("log"), async || {
            let registry = Self { address: address_in(&fs::read_to_string(at("log")).ok()?)?, login };
            // Who speaks TLS says so to those who do not.
            let expected = if let Door::Sealed = door { 400 } else { 200 };
            let answer = registry.request("GET", "/v2/", None).await.ok()?;
            (answer.status == expected).then_some(registry)
        })
        .await
    }

    /// What it is called where nobody has given it a name: also the host that containerd thinks to talk to, whatever
    /// name led it there.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Takes a `name:tag` without a host and returns the digest that it has from now on.
    pub async fn push(&self, name: &str, image: &Image) -> String {
        let (repository, tag) = name.rsplit_once(':').expect("name:tag");
        let packed = image.pack();
        for blob in &packed.blobs {
            let upload = format!("/v2/{repository}/blobs/uploads/");
            let begun = self.ask("POST", &upload, None, 202).await;
            let location = begun.location.expect("an upload has a location");
            let sign = if location.contains('?') { '&' } else { '?' };
            let path = format!("{location}{sign}digest={}", blob.digest);
            self.ask("PUT", &path, Some(("application/octet-stream", &blob.bytes)), 201).await;
        }
        let path = format!("/v2/{repository}/manifests/{tag}");
        self.ask("PUT", &path, Some((MANIFEST, &packed.manifest.bytes)), 201).await;
        packed.manifest.digest
    }

    /// Takes a manifest, or an index of some, by its tag or digest.
    pub async fn push_manifest(&self, repository: &str, reference: &str, media_type: &str, content: &[u8]) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.ask("PUT", &path, Some((media_type, content)), 201).await;
    }

    async fn ask(&self, method: &str, path: &str, body: Option<(&str, &[u8])>, expected: u16) -> Answer {
        let answer = self.request(method, path, body).await.expect("the registry is there");
        assert_eq!(answer.status, expected, "{method} {path}");
        answer
    }

    async fn request(&self, method: &str, path: &str, body: Option<(&str, &[u8])>) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        let (media_type, content) = body.unwrap_or(("application/octet-stream", b""));
        let authorization = self.login.map(|login| format!("authorization: {}\r\n", login.basic()));
        let head = format!(
            "{method} {path} HTTP/1.1\r\n\
             host: {}\r\n\
             {}\
             connection: close\r\n\
             content-type: {media_type}\r\n\
             content-length: {}\r\n\r\n",
            self.address,
            authorization.unwrap_or_default(),
            content.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(content).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(Answer::parse(&String::from_utf8_lossy(&answer)))
    }
}

// === impl Answer ===

impl Answer {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let location = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("location"))
            .map(|(_, value)| value.to_owned());
        Self { status: status.unwrap_or(0), location }
    }
}

/// Port 0: the registry picks one that is free and says so in its log, so that none is picked twice.
fn settings(directory: &Path, name: &str, door: Door) -> String {
    let store = directory.join("data").join(name);
    let tls = match door {
        Door::Open | Door::Guarded => String::new(),
        Door::Sealed => {
            let [certificate, key] = ["crt", "key"].map(|end| directory.join(format!("{name}.{end}")));
            format!(", tls: {{ certificate: {certificate:?}, key: {key:?} }}")
        }
    };
    let auth = match door {
        Door::Open | Door::Sealed => String::new(),
        Door::Guarded => {
            let logins = directory.join(format!("{name}.htpasswd"));
            format!("auth: {{ htpasswd: {{ realm: {name:?}, path: {logins:?} }} }}\n")
        }
    };
    format!(
        "version: 0.1\n\
         storage: {{ filesystem: {{ rootdirectory: {store:?} }} }}\n\
         http: {{ addr: '127.0.0.1:0', relativeurls: true, secret: world{tls} }}\n\
         {auth}"
    )
}

/// Where it says that it listens, if it does by now.
fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, after) = log.split_once("listening on ")?;
    // The end of the address has to be there too: the line may be half written.
    let (address, _) = after.split_once(['"', ','])?;
    address.parse().ok()
}
