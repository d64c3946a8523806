//! The private node: what it can do, and that nothing of it stays.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use repoint::cri::v1::{AuthConfig, ContainerState};
use tokio::time::sleep;

use crate::support::kubelet::Kubelet;
use crate::support::left::left_of;
use crate::support::world::{Image, LOGIN, Login, PAUSE, Refusal, Witness, World};

const BUSYBOX: &str = "registry.k8s.io/busybox:1";

/// What opens nothing.
const POD: Login = Login { user: "_json_key", password: "hunter2" };

#[tokio::test]
async fn both_versions_of_the_api_pull_and_remove() {
    let Some(world) = World::start().await else {
        return;
    };
    world.push("busybox:1", &Image::busybox()).await;

    let socket = world.containerd_socket();
    for kubelet in [Kubelet::v1(&socket), Kubelet::v1alpha2(&socket)] {
        assert_eq!(kubelet.version().await.unwrap().runtime_name, "containerd");
        assert_eq!(kubelet.image_status(BUSYBOX).await.unwrap(), None);

        let id = kubelet.pull(BUSYBOX).await.unwrap();
        assert_eq!(kubelet.image_status(BUSYBOX).await.unwrap().unwrap().id, id);
        assert_eq!(kubelet.list_images(Some(BUSYBOX)).await.unwrap().len(), 1);

        kubelet.remove_image(BUSYBOX).await.unwrap();
        assert_eq!(kubelet.list_images(None).await.unwrap(), []);
    }
    world.stop();
}

#[tokio::test]
async fn a_push_has_the_digest_that_a_pull_finds() {
    let Some(world) = World::start().await else {
        return;
    };
    let first = world.push("busybox:1", &Image::busybox()).await;
    let second = world.push("busybox:2", &Image::busybox().label("build", "2")).await;
    assert_ne!(first, second);

    let kubelet = Kubelet::v1(&world.containerd_socket());
    let by_digest = format!("registry.k8s.io/busybox@{second}");
    kubelet.pull(&by_digest).await.unwrap();
    let image = kubelet.image_status(&by_digest).await.unwrap().unwrap();
    assert_eq!(image.repo_digests, [by_digest]);
    world.stop();
}

#[tokio::test]
async fn only_hosts_that_are_served_can_be_pulled_from() {
    let Some(world) = World::start().await else {
        return;
    };
    world.push("busybox:1", &Image::busybox()).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let old = "k8s.gcr.io/busybox:1";
    let auth = AuthConfig { username: "_json_key".to_owned(), ..AuthConfig::default() };
    let pod = world.pod("default", "old");
    let pull = || kubelet.pull_for(old, Some(auth.clone()), Some(&pod));

    let started = Instant::now();
    let refused = pull().await.unwrap_err();
    assert!(refused.message().contains("connection refused"), "{refused}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());

    world.serve("k8s.gcr.io");
    pull().await.unwrap();
    kubelet.remove_image(old).await.unwrap();

    world.cut_off("k8s.gcr.io");
    pull().await.unwrap_err();
    world.stop();
}

#[tokio::test]
async fn a_guarded_registry_serves_those_who_have_its_password() {
    let Some(mut world) = World::start().await else {
        return;
    };
    let registry = world.guarded_registry("mirror.example").await;
    let pushed = registry.push("busybox:1", &Image::busybox().label("from", "mirror")).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());

    let by_address = format!("{}/busybox:1", registry.host());
    let own = format!("https://{}", registry.host());
    let pull = async |image: &str, auth| kubelet.pull_for(image, auth, None).await;
    for auth in [None, Some(POD.auth(&own)), Some(POD.auth("")), Some(LOGIN.auth("https://mirror.example"))] {
        for image in ["mirror.example/busybox:1", &by_address] {
            let refused = pull(image, auth.clone()).await.unwrap_err();
            assert!(refused.message().contains("401 Unauthorized"), "{image} with {auth:?}: {refused}");
        }
    }
    for auth in [LOGIN.auth(&own), LOGIN.auth("")] {
        for image in ["mirror.example/busybox:1", &by_address] {
            let id = pull(image, Some(auth.clone())).await.unwrap();
            let (repository, _) = image.rsplit_once(':').unwrap();
            let found = kubelet.image_status(image).await.unwrap().unwrap();
            assert_eq!(found.repo_digests, [format!("{repository}@{pushed}")]);
            kubelet.remove_image(&id).await.unwrap();
        }
    }
    // The other registry is still a registry, and another one.
    pull(BUSYBOX, None).await.unwrap_err();
    world.stop();
}

#[tokio::test]
async fn a_guarded_registry_ends_with_its_world() {
    let Some(mut world) = World::start().await else {
        return;
    };
    let address = world.guarded_registry("mirror.example").await.address;
    let directory = world.path().to_owned();
    let registries = left_of(&directory).iter().filter(|left| left.contains(": docker-registry ")).count();
    assert_eq!(registries, 2);
    TcpStream::connect(address).unwrap();
    world.stop();
    assert_eq!(left_of(&directory), Vec::<String>::new());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_witness_sees_who_asks_for_what_with_which_credentials() {
    let Some(world) = World::start().await else {
        return;
    };
    let witness = Witness::start(Refusal::Unauthorized);
    let host = witness.address().to_string();
    world.serve_from("k8s.gcr.io", witness.address());
    world.serve_from(&host, witness.address());
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let pull = async |image: &str, auth| kubelet.pull_for(image, Some(auth), None).await.unwrap_err();

    // For another server; for the name that led here; for what containerd takes for no URL, and fails.
    for server in ["https://127.0.0.1:1", "https://k8s.gcr.io", &host] {
        pull("k8s.gcr.io/busybox:1", POD.auth(server)).await;
    }
    let asked = witness.first().await;
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("HEAD", "/v2/busybox/manifests/1?ns=k8s.gcr.io"));
    assert_eq!(witness.credentials(), Vec::<String>::new());

    pull("k8s.gcr.io/busybox:1", POD.auth("")).await;
    assert!(witness.credentials().iter().all(|sent| *sent == POD.basic()));
    pull(&format!("{host}/busybox:1"), LOGIN.auth(&format!("https://{host}"))).await;
    let asked = witness.asked().pop().unwrap();
    assert_eq!((asked.path.as_str(), asked.authorization), ("/v2/busybox/manifests/1", Some(LOGIN.basic())));
    world.stop();
}

#[tokio::test]
async fn a_witness_refuses_as_it_is_told_and_gets_credentials_only_where_it_asks_for_them() {
    let Some(world) = World::start().await else {
        return;
    };
    let witness = Witness::start(Refusal::NotFound);
    world.serve_from("k8s.gcr.io", witness.address());
    let kubelet = Kubelet::v1(&world.containerd_socket());
    for (refusal, expected, credentials) in [
        (Refusal::NotFound, "k8s.gcr.io/busybox:1: not found", false),
        (Refusal::Unavailable, "503 Service Unavailable", false),
        (Refusal::Unauthorized, "401 Unauthorized", true),
    ] {
        witness.refuses(refusal);
        let refused = kubelet.pull_for("k8s.gcr.io/busybox:1", Some(POD.auth("")), None).await.unwrap_err();
        assert!(refused.message().contains(expected), "{refusal:?}: {refused}");
        assert_eq!(!witness.credentials().is_empty(), credentials, "{refusal:?}: {:?}", witness.asked());
    }
    world.stop();
}

#[tokio::test]
async fn a_silent_witness_holds_a_pull_until_it_is_dropped() {
    let Some(world) = World::start().await else {
        return;
    };
    let witness = Witness::start(Refusal::Silence);
    world.serve_from("k8s.gcr.io", witness.address());
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let mut pull = pin!(kubelet.pull("k8s.gcr.io/busybox:1"));
    let held = async {
        witness.first().await;
        sleep(Duration::from_millis(200)).await;
    };
    tokio::select! {
        ended = &mut pull => panic!("{ended:?}"),
        () = held => {}
    }
    drop(witness);
    pull.await.unwrap_err();
    world.stop();
}

#[tokio::test]
async fn a_witness_ends_when_it_is_dropped() {
    let witness = Witness::start(Refusal::Silence);
    let address = witness.address();
    let mut waiting = send(address);
    witness.first().await;
    // From here on the test blocks, and the witness answers all the same.
    witness.refuses(Refusal::Unavailable);
    let mut said = [0; 12];
    send(address).read_exact(&mut said).unwrap();
    assert_eq!(&said, b"HTTP/1.1 503");

    drop(witness);
    assert_eq!(waiting.read(&mut said).unwrap(), 0);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn the_user_of_an_image_is_a_number_or_a_name() {
    let Some(world) = World::start().await else {
        return;
    };
    world.push("number:1", &Image::busybox().user("65534")).await;
    world.push("name:1", &Image::busybox().user("app")).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());

    let mut users = Vec::new();
    for name in ["registry.k8s.io/number:1", "registry.k8s.io/name:1"] {
        kubelet.pull(name).await.unwrap();
        let image = kubelet.image_status(name).await.unwrap().unwrap();
        users.push((image.uid.map(|uid| uid.value), image.username));
    }
    assert_eq!(users, [(Some(65534), String::new()), (None, "app".to_owned())]);
    world.stop();
}

#[tokio::test]
async fn a_container_runs_as_the_user_of_its_image_and_through_a_restart() {
    let Some(mut world) = World::start().await else {
        return;
    };
    world.push("busybox:1", &Image::busybox().user("app").entrypoint(["sleep", "600"])).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let pod = world.pod("default", "web");

    let sandbox = kubelet.run_pod(&pod).await.unwrap();
    let container = kubelet.run_container(&sandbox, &pod, BUSYBOX).await.unwrap();
    let id = || kubelet.exec(&container, ["id", "-un"]);
    assert_eq!(id().await.unwrap(), "app\n");

    world.restart_containerd().await;
    assert_eq!(id().await.unwrap(), "app\n");
    world.kill_containerd().await;
    assert!(kubelet.version().await.is_err());
    world.start_containerd().await;
    assert_eq!(id().await.unwrap(), "app\n");

    kubelet.stop_container(&container).await.unwrap();
    let status = kubelet.container_status(&container).await.unwrap();
    assert_eq!(status.state(), ContainerState::ContainerExited);
    kubelet.remove_container(&container).await.unwrap();
    kubelet.stop_pod(&sandbox).await.unwrap();
    kubelet.remove_pod(&sandbox).await.unwrap();
    world.stop();
}

#[tokio::test]
async fn the_pause_image_can_be_one_that_is_nowhere() {
    let gone = PAUSE.replace("registry.k8s.io", "k8s.gcr.io");
    let Some(world) = World::start_with_sandbox_image(&gone).await else {
        return;
    };
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let failed = kubelet.run_pod(&world.pod("default", "web")).await.unwrap_err();
    assert!(failed.message().contains(&gone), "{failed}");
    // By the loopback interface and not by a name server: no test asks the real host.
    assert!(failed.message().contains("connection refused"), "{failed}");
    world.stop();
}

#[tokio::test]
async fn nothing_of_a_world_stays() {
    let Some(world) = World::start().await else {
        return;
    };
    let directory = busy(&world).await;
    world.stop();
    assert_eq!(left_of(&directory), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_of_a_world_stays_after_a_panic() {
    let Some(world) = World::start().await else {
        return;
    };
    let directory = busy(&world).await;
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _world = world;
        // Not `panic!`, whose message would stand in the output of a test that passes.
        std::panic::resume_unwind(Box::new("a test fails"));
    }));
    panicked.unwrap_err();
    assert_eq!(left_of(&directory), Vec::<String>::new());
}

#[test]
fn the_set_up_installs_what_a_world_is_made_of() {
    let script = include_str!("../scripts/set-up");
    for (program, package) in World::PROGRAMS {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let installs = |line: &str| words(line).starts_with(&[(*program).to_owned(), (*package).to_owned()]);
        assert!(script.lines().any(installs), "no line has {program} from {package}");
    }
}

fn send(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /v2/ HTTP/1.1\r\nhost: witness\r\n\r\n").unwrap();
    stream
}

/// Leaves a container running in it, and makes sure that [`left_of`] would see it.
async fn busy(world: &World) -> PathBuf {
    world.push("busybox:1", &Image::busybox()).await;
    let kubelet = Kubelet::v1(&world.containerd_socket());
    let pod = world.pod("default", "left");
    let sandbox = kubelet.run_pod(&pod).await.unwrap();
    kubelet.run_container(&sandbox, &pod, BUSYBOX).await.unwrap();

    let seen = left_of(world.path());
    for part in [": containerd ", "containerd-shim", ": docker-registry ", "file", "cgroup"] {
        assert!(seen.iter().any(|left| left.contains(part)), "{part} is not in {seen:#?}");
    }
    world.path().to_owned()
}
