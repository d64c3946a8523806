use super::*;
use crate::cri::method::Call;
use crate::cri::v1::{
    AuthConfig, ContainerConfig, CreateContainerRequest, ImageSpec, ImageStatusRequest, Mount, PodSandboxConfig,
    PodSandboxMetadata, PullImageRequest,
};
use crate::rules::{Pattern, Place, Position, builtin};
use jiff::Timestamp;
use prost::Message;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn table() -> Table {
    Table::new(vec![builtin::rule(builtin::KUBERNETES).unwrap()]).unwrap()
}

fn row(path: &str) -> &'static Method {
    Call::parse(path).unwrap().row().unwrap()
}

fn pulled(message: &impl Message) -> Option<Pull> {
    pull(&table(), row("/runtime.v1.ImageService/PullImage"), &message.encode_to_vec().into()).unwrap()
}

fn standpoint() -> Standpoint {
    Standpoint { node: Position::of("a"), now: Timestamp::UNIX_EPOCH }
}

/// The request for the first substitute, without credentials of its own.
fn sent(pull: &Pull) -> Bytes {
    pull.request(&pull.substitutes[0], None).unwrap()
}

fn spec(image: &str) -> Option<ImageSpec> {
    Some(ImageSpec { image: image.to_owned(), ..ImageSpec::default() })
}

fn request(image: &str) -> PullImageRequest {
    let auth = AuthConfig { username: "me".into(), password: "hunter2".into(), ..AuthConfig::default() };
    let metadata = PodSandboxMetadata { name: "web-1".into(), uid: "u-1".into(), namespace: "prod".into(), attempt: 2 };
    let pod = PodSandboxConfig { metadata: Some(metadata), hostname: "web".into(), ..PodSandboxConfig::default() };
    PullImageRequest { image: spec(image), auth: Some(auth), sandbox_config: Some(pod) }
}

#[test]
fn a_pull_changes_in_its_image_and_loses_its_credentials_and_nothing_else() {
    let asked = request("k8s.gcr.io/pause:3.9");
    let pull = pulled(&asked).unwrap();
    assert_eq!((pull.rule.name.as_str(), pull.image.as_str()), ("kubernetes", "k8s.gcr.io/pause:3.9"));
    assert_eq!(pull.pod, Some(Pod { namespace: "prod".into(), name: "web-1".into(), uid: "u-1".into() }));
    let [substitute] = &pull.substitutes[..] else { panic!("{:?}", pull.substitutes) };
    assert_eq!(substitute.image, "registry.k8s.io/pause:3.9");
    let expected = PullImageRequest { image: spec("registry.k8s.io/pause:3.9"), auth: None, ..asked };
    assert_eq!(sent(&pull), expected.encode_to_vec());
}

#[test]
fn credentials_stay_where_the_registry_does() {
    let rule = Rule {
        patterns: vec![Pattern::parse("old.example/a").unwrap()],
        targets: vec![Target::at(Place::parse("old.example/b").unwrap())],
        ..builtin::rule(builtin::KUBERNETES).unwrap()
    };
    let table = Table::new(vec![rule]).unwrap();
    let asked = request("old.example/a/x:1");
    let row = row("/runtime.v1.ImageService/PullImage");
    let pull = pull(&table, row, &asked.encode_to_vec().into()).unwrap().unwrap();
    let expected = PullImageRequest { image: spec("old.example/b/x:1"), ..asked };
    assert_eq!(sent(&pull), expected.encode_to_vec());
}

#[test]
fn credentials_go_where_a_target_says_and_nowhere_where_it_says_nowhere() {
    for (target, credentials, kept) in [
        ("old.example/b", Credentials::Usual, true),
        ("old.example/b", Credentials::None, false),
        ("new.example/b", Credentials::Usual, false),
        ("new.example/b", Credentials::Forward, true),
    ] {
        let target = Target { credentials, ..Target::at(Place::parse(target).unwrap()) };
        let rule = Rule {
            patterns: vec![Pattern::parse("old.example/a").unwrap()],
            targets: vec![target.clone()],
            ..builtin::rule(builtin::KUBERNETES).unwrap()
        };
        let message: Bytes = request("old.example/a/x:1").encode_to_vec().into();
        let row = row("/runtime.v1.ImageService/PullImage");
        let pull = pull(&Table::new(vec![rule]).unwrap(), row, &message).unwrap().unwrap();
        let auth = PullImageRequest::decode(sent(&pull)).unwrap().auth;
        assert_eq!(auth.is_some(), kept, "{target:?}");
    }
}

#[test]
fn every_occurrence_of_the_credentials_goes() {
    // What a reader would merge into one message is one secret.
    let twice =
        [request("k8s.gcr.io/pause:3.9").encode_to_vec(), request("k8s.gcr.io/pause:3.9").encode_to_vec()].concat();
    let pull = pull(&table(), row("/runtime.v1.ImageService/PullImage"), &twice.into()).unwrap().unwrap();
    let sent = sent(&pull);
    assert!(!sent.windows(7).any(|bytes| bytes == b"hunter2"));
    assert_eq!(PullImageRequest::decode(sent).unwrap().image.unwrap().image, "registry.k8s.io/pause:3.9");
}

#[test]
fn what_no_rule_matches_is_nothing_to_do() {
    for image in
        ["registry.k8s.io/pause:3.9", "harbor.corp/k8s.gcr.io/pause", DIGEST, &DIGEST[7..], "", "K8S_GCR::", "busybox"]
    {
        assert!(pulled(&request(image)).is_none(), "{image}");
    }
    assert!(pulled(&PullImageRequest::default()).is_none());
    let bytes: Bytes = [&[0x0a, 0x04, 0x0a, 0x02][..], b"\xff\xfe"].concat().into();
    assert_eq!(pull(&table(), row("/runtime.v1.ImageService/PullImage"), &bytes).unwrap().map(|pull| pull.image), None);
}

#[test]
fn a_container_s_image_and_its_image_volumes_are_mentions_and_its_annotation_texts_are_not() {
    let row = row("/runtime.v1.RuntimeService/CreateContainer");
    let mount = |image: &str| Mount { image: spec(image), container_path: "/data".into(), ..Mount::default() };
    let mut config = ContainerConfig {
        image: Some(ImageSpec { user_specified_image: "k8s.gcr.io/app:1".into(), ..spec("k8s.gcr.io/app:1").unwrap() }),
        mounts: vec![mount("k8s.gcr.io/data:1"), Mount::default(), mount(DIGEST), mount("k8s.gcr.io/data:2")],
        ..ContainerConfig::default()
    };
    config.annotations.insert("image".into(), "k8s.gcr.io/app:1".into());
    let asked =
        CreateContainerRequest { pod_sandbox_id: "p".into(), config: Some(config.clone()), sandbox_config: None };
    let message: Bytes = asked.encode_to_vec().into();
    let found = mentions(&table(), row, &message, standpoint()).unwrap();
    let images: Vec<_> = found.iter().map(|mention| mention.image.as_str()).collect();
    assert_eq!(images, ["k8s.gcr.io/app:1", "k8s.gcr.io/data:1", "k8s.gcr.io/data:2"]);

    let sent =
        renamed(&message, [(&found[0], "registry.k8s.io/app:1"), (&found[2], "registry.k8s.io/data:2")]).unwrap();
    // The image as the pod's author wrote it, and all that is text to us, stays.
    config.image.as_mut().unwrap().image = "registry.k8s.io/app:1".into();
    config.mounts[3].image = spec("registry.k8s.io/data:2");
    assert_eq!(CreateContainerRequest::decode(sent).unwrap().config.unwrap(), config);
}

#[test]
fn a_question_keeps_what_else_is_said_of_the_image() {
    let row = row("/runtime.v1.RuntimeService/CreateContainer");
    let image = ImageSpec { runtime_handler: "kata".into(), ..spec("k8s.gcr.io/app:1").unwrap() };
    let config = ContainerConfig { image: Some(image.clone()), ..ContainerConfig::default() };
    let message = CreateContainerRequest { config: Some(config), ..CreateContainerRequest::default() }.encode_to_vec();
    let found = mentions(&table(), row, &message.into(), standpoint()).unwrap();
    let question = ImageStatusRequest::decode(found[0].question("registry.k8s.io/app:1").unwrap()).unwrap();
    let expected = ImageSpec { image: "registry.k8s.io/app:1".into(), ..image };
    assert_eq!(question, ImageStatusRequest { image: Some(expected), verbose: false });
}
