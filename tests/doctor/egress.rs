//! The way out is gone as this node's own runtime goes it, and what is wrong with it is told with what to mend.

use std::path::Path;

use super::Said;
use super::files::{CRIO, node, put};
use crate::support::repoint::run;
use crate::verify::server::{Answer, Asked, Authority, Server};
use crate::verify::store::{AMD64, Store};

type Files<'a> = &'a [(&'a str, &'a str)];

/// What is found of the way to a target, seen from outside of a node with these files.
fn way_to(target: &str, files: Files<'_>) -> Said {
    let rule = format!("[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{target:?}]\n");
    let directory = node(files);
    put(directory.path(), "/etc/repoint/repoint.toml", &rule);
    examined(directory.path())
}

fn examined(root: &Path) -> Said {
    Said::of(&run(&["doctor", "--json", "--skip-pull", "--egress", "--root", root.to_str().unwrap()], ""))
}

fn registry() -> Store {
    let mut store = Store::default();
    store.image("pause", "3.9", AMD64);
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_is_trusted_as_this_node_s_runtime_trusts_it() {
    let authority = Authority::new("Corp CA");
    let store = registry();
    let server = Server::tls(authority.signs("127.0.0.1"), move |asked| store.answer(asked)).await;
    let (host, ca) = (server.host(), authority.pem.as_str());
    let port = server.address.port();
    let of = |directory: &str, name: &str| format!("{directory}/{host}/{name}");
    let hosts = of("/etc/containerd/certs.d", "hosts.toml");
    let (own, mirror) = ("ca = \"/etc/corp.pem\"\n", "[host.\"https://m.example\"]\nca = \"/etc/corp.pem\"\n");
    let itself = format!("[host.\"https://{host}\"]\nca = [\"ca.pem\"]\n");
    let with_port = format!("/etc/containerd/certs.d/127.0.0.1_{port}_");
    let unit = "[Service]\nEnvironment=SSL_CERT_FILE=/etc/corp.pem\nExecStart=/usr/bin/containerd\n";
    let in_docker_s = of("/etc/docker/certs.d", "ca.crt");
    let in_containers = of("/etc/containers/certs.d", "ca.crt");
    let for_containerd = "name the CA of its certificate in `ca =` in /etc/containerd/certs.d/";
    let for_crio = "name the CA of its certificate in /etc/containers/certs.d/";
    let docker: Files<'_> = &[(
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n",
    )];
    for (runtime, files, trusted) in [
        (&[][..], &[(hosts.as_str(), own), ("/etc/corp.pem", ca)][..], Ok(())),
        (&[], &[(&hosts, &itself), (&of("/etc/containerd/certs.d", "ca.pem"), ca)], Ok(())),
        (&[], &[(&format!("{with_port}/hosts.toml"), own), ("/etc/corp.pem", ca)], Ok(())),
        (&[], &[(&of("/etc/containerd/certs.d", "x.crt"), ca)], Ok(())),
        (&[], &[("/etc/containerd/certs.d/_default/hosts.toml", own), ("/etc/corp.pem", ca)], Ok(())),
        (&[], &[("/etc/ssl/certs/ca-certificates.crt", ca)], Ok(())),
        (&[], &[("/etc/systemd/system/containerd.service", unit), ("/etc/corp.pem", ca)], Ok(())),
        (&[], &[], Err(for_containerd)),
        // Whom a mirror of it is known by; whom others trust.
        (&[], &[(&hosts, mirror), ("/etc/corp.pem", ca)], Err(for_containerd)),
        (&[], &[(&in_docker_s, ca)], Err(for_containerd)),
        (CRIO, &[(&in_containers, ca)], Ok(())),
        (CRIO, &[(&in_docker_s, ca)], Ok(())),
        (CRIO, &[(&hosts, own), ("/etc/corp.pem", ca)], Err(for_crio)),
        (CRIO, &[("/etc/systemd/system/containerd.service", unit), ("/etc/corp.pem", ca)], Err(for_crio)),
        (docker, &[(&in_docker_s, ca)], Ok(())),
        (docker, &[(&in_containers, ca)], Err("/etc/docker/certs.d/")),
    ] {
        let said = way_to(&host, &[runtime, files].concat());
        match trusted {
            Ok(()) => said.has("targets.egress", "ok", "certified by `CN=Corp CA`", ""),
            Err(remedy) => {
                said.has("targets.egress", "failure", "x509: certificate signed by unknown authority", remedy)
            }
        };
    }
}

#[test]
fn the_proxy_is_that_of_this_node_s_runtime() {
    let unit =
        |port: u16| format!("[Service]\nEnvironment=HTTPS_PROXY=http://127.0.0.1:{port}\nExecStart=/usr/bin/x\n");
    let [containerd, crio, docker] = [unit(1), unit(2), unit(3)];
    let all: Files<'_> = &[
        ("/etc/systemd/system/containerd.service", &containerd),
        ("/etc/systemd/system/crio.service", &crio),
        ("/etc/systemd/system/docker.service", &docker),
    ];
    // What k3s brings along goes by k3s's own unit, and what it only uses does not.
    let k3s = "[Service]\nEnvironment=CONTAINERD_HTTPS_PROXY=http://127.0.0.1:4\nExecStart=/usr/bin/k3s server\n";
    let docker = "docker: true\n";
    for (config, proxy, unit) in [("", "127.0.0.1:4", "k3s.service:2"), (docker, "127.0.0.1:3", "docker.service:2")] {
        let k3s: Files<'_> = &[("/etc/systemd/system/k3s.service", k3s), ("/etc/rancher/k3s/config.yaml", config)];
        let kubelet: Files<'_> = &[("/etc/systemd/system/multi-user.target.wants/k3s.service", "")];
        let said = way_to("m.example", &[all, k3s, kubelet].concat());
        said.has("targets.egress", "failure", proxy, &format!("in /etc/systemd/system/{unit}"));
    }
    for (socket, proxy, unit) in [
        ("/run/containerd/containerd.sock", "127.0.0.1:1", "containerd.service:2"),
        ("/var/run/crio/crio.sock", "127.0.0.1:2", "crio.service:2"),
        ("/run/cri-dockerd.sock", "127.0.0.1:3", "docker.service:2"),
    ] {
        let kubelet = format!("kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix://{socket}\n");
        let said = way_to("m.example", &[all, &[("/var/lib/kubelet/config.yaml", kubelet.as_str())]].concat());
        said.has("targets.egress", "failure", proxy, &format!("in /etc/systemd/system/{unit}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_registry_answers_is_told_with_what_to_mend() {
    for (answer, found, remedy) in [
        (Answer::new(401, ""), "401 Unauthorized", "`credentials` of that target"),
        (Answer::new(403, ""), "403 Forbidden", "`credentials` of that target"),
        (Answer::new(404, "{}"), "404 Not Found", "fill it"),
        (Answer::new(429, ""), "429 Too Many Requests", "so many pulls a time"),
        (Answer::new(502, ""), "the server failed", "trouble itself"),
        (Answer::page(200, "Welcome"), "a web page instead", "something in between"),
        (Answer::new(418, ""), "an unexpected status", "`crictl pull`"),
        (Answer::new(200, "{"), "an answer that no registry gives", "`crictl pull`"),
    ] {
        let server = Server::plain(move |_| answer.clone()).await;
        way_to(&server.host(), &[]).has("targets.egress", "failure", found, remedy);
    }
    let authority = Authority::new("Corp CA");
    let trusted: Files<'_> = &[("/etc/ssl/certs/ca-certificates.crt", &authority.pem)];
    for (identity, found, remedy) in [
        (authority.signs_for_years("127.0.0.1", 2001, 2002), "x509: certificate has expired", "node.clock"),
        (authority.signs_for_years("127.0.0.1", 2090, 2091), "x509: certificate is not yet valid", "node.clock"),
        (authority.signs("else.example"), "x509: certificate is for another name", "as its certificate does"),
    ] {
        let server = Server::tls(identity, |_| Answer::new(200, "")).await;
        way_to(&server.host(), trusted).has("targets.egress", "failure", found, remedy);
    }
    way_to("127.0.0.1:1", &[]).has("targets.egress", "failure", "connection refused", "runs and listens");
    way_to("repoint.invalid", &[]).has("targets.egress", "failure", "repoint.invalid", "resolver");
    // Where the way ends that the registry sends one.
    let store = registry();
    let server = Server::plain(move |asked| match Store::is_blob(asked) {
        true => Answer::found("http://127.0.0.1:1/x"),
        false => store.answer(asked),
    });
    way_to(&server.await.host(), &[]).has("targets.egress", "failure", "127.0.0.1:1", "see that 127.0.0.1:1 runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_s_credentials_are_not_sought_on_the_machine_that_looks_at_it() {
    let server = Server::plain(|_| Answer::new(401, "")).await;
    let own = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(own.path(), format!("{{\"auths\":{{\"{}\":{{\"auth\":\"YTpi\"}}}}}}", server.host())).unwrap();
    let directory = node(&[]);
    let text = format!(
        "[credentials.own]\ndocker_config = {:?}\n[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\ntargets = [{{ location = {:?}, credentials = \"own\" }}]\n",
        own.path(),
        server.host()
    );
    put(directory.path(), "/etc/repoint/repoint.toml", &text);
    examined(directory.path()).has("targets.egress", "skipped", "its credentials are the node's", "");
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_runtime_is_told_of_the_registry_itself_is_done_here_too() {
    let authority = Authority::new("Corp CA");
    let store = registry();
    let tls = Server::tls(authority.signs("else.example"), move |asked| store.answer(asked)).await;
    let host = tls.host();
    let hosts = |host: &str| format!("/etc/containerd/certs.d/{host}/hosts.toml");
    let unverified = format!("[host.\"https://{host}\"]\nskip_verify = true\n");
    let of_mirror = "server = \"https://m.example\"\nskip_verify = true\n";
    let check = way_to(&host, &[(&hosts(&host), &unverified)]);
    let check = check.has("targets.egress", "ok", "verifies no certificate of it (`skip_verify`)", "");
    assert!(check["places"].as_array().unwrap().contains(&hosts(&host).into()), "{check:#}");
    way_to(&host, &[(&hosts(&host), of_mirror)]).has("targets.egress", "failure", "unknown authority", "");

    // By a name that is not the machine's own, so that nobody finds out by himself that there is no TLS.
    let store = registry();
    let plain = Server::plain(move |asked| {
        let path = asked.path.replace("http://r.example:5000/", "/");
        store.answer(&Asked { path, ..asked.clone() })
    });
    let plain = plain.await;
    let unit = format!(
        "[Service]\nEnvironment=HTTP_PROXY=http://{0} HTTPS_PROXY=http://{0}\nExecStart=/usr/bin/x\n",
        plain.host()
    );
    let unit = ("/etc/systemd/system/containerd.service", unit.as_str());
    for (text, verdict) in [("server = \"http://r.example:5000\"\n", "ok"), ("", "failure")] {
        let files = [unit, ("/etc/containerd/certs.d/r.example_5000_/hosts.toml", text)];
        way_to("r.example:5000", &files).has("targets.egress", verdict, "", "");
    }

    let store = registry();
    let wanting = Server::tls(authority.signs("127.0.0.1").wanting(&authority), move |asked| store.answer(asked)).await;
    let host = wanting.host();
    let shown = "ca = \"/ca.pem\"\nclient = [[\"/c.pem\", \"/c.key\"]]\n";
    let (own, ca) = (hosts(&host), ("/ca.pem", authority.pem.as_str()));
    way_to(&host, &[(&own, shown), ca]).has(
        "targets.egress",
        "note",
        "the runtime shows it a certificate",
        "by a pull",
    );
    way_to(&host, &[(&own, "ca = \"/ca.pem\"\n"), ca]).has("targets.egress", "failure", "wants to be shown", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_whom_the_registry_sends_one_on_to_the_registry_s_own_file_is_told() {
    let [own, other] = ["Corp CA", "Bucket CA"].map(Authority::new);
    let store = registry();
    let bucket = Server::tls(other.signs("127.0.0.1"), |_| Answer::new(200, "")).await;
    let location = format!("https://{}/x", bucket.host());
    let server = Server::tls(own.signs("127.0.0.1"), move |asked| match Store::is_blob(asked) {
        true => Answer::found(&location),
        false => store.answer(asked),
    });
    let server = server.await;
    let (registry, bucket) = (server.host(), bucket.host());
    let trusted: Files<'_> = &[("/etc/ssl/certs/ca-certificates.crt", &own.pem)];
    let containerd = |text: &'static str| [trusted, &[("/etc/containerd/config.toml", text)]].concat();
    let moved = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/srv/certs\"\n";
    let mirrors = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"quay.io\"]\nendpoint = []\n";
    for (files, expected) in [
        (trusted.to_vec(), format!("`ca =` in /etc/containerd/certs.d/{registry}/hosts.toml, or")),
        (containerd(moved), format!("`ca =` in /srv/certs/{registry}/hosts.toml, or")),
        (containerd(mirrors), format!("`ca_file` under configs.\"{registry}\".tls beside the `mirrors`")),
        (
            containerd(""),
            format!("{registry}/hosts.toml, and have containerd's `config_path` name /etc/containerd/certs.d ("),
        ),
        ([CRIO, trusted].concat(), format!("/etc/containers/certs.d/{registry}/ca.crt, or")),
    ] {
        let said = way_to(&registry, &files);
        let check = said.has("targets.egress", "failure", "x509: certificate signed by unknown authority", &expected);
        let whom = format!("{bucket} (where the way to {registry} leads)");
        assert!(check["remedy"].as_str().unwrap().contains(&whom), "{check}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_may_be_somebody_in_between_who_reads_names() {
    // Closed with something unread, a connection is reset; with nothing, it ends.
    for (is_read, expected) in [(false, "that cuts TLS by the name (SNI)"), (true, "cuts TLS by the name (SNI)")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _gone = match is_read {
                    true => tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 16384]).await,
                    false => stream.peek(&mut [0]).await,
                };
            }
        });
        let said = way_to(&host, &[]);
        let check = said.has("targets.egress", "failure", &host, expected);
        assert!(!check["remedy"].as_str().unwrap().contains("443"), "{check}");
    }
}
