//! What the audit log says besides pulls: images in use, that the service lives, what was required to be written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::kubelet::Kubelet;
use crate::support::repoint::Repoint;
use crate::support::standin::{Standin, User};
use crate::support::world::{Image, World};

const OLD: &str = "k8s.gcr.io/busybox:1";
const NEW: &str = "registry.k8s.io/busybox:1";

fn of_event(records: &[Value], event: &str) -> Vec<Value> {
    records.iter().filter(|record| record["event"] == event).cloned().collect()
}

/// What the log has when repoint has stopped.
async fn stopped(repoint: Repoint) -> Vec<Value> {
    let file = repoint.audit_file();
    assert!(repoint.stop().await.success());
    read(&file)
}

fn read(file: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn place() -> (TempDir, PathBuf, Standin) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime.sock");
    let standin = Standin::start(&runtime);
    (directory, runtime, standin)
}

#[tokio::test]
async fn on_a_real_node_a_container_of_an_image_that_is_there_is_a_use_with_its_pod() {
    for (keep, name) in [("auto", OLD), ("never", NEW)] {
        let Some(world) = World::start().await else { return };
        a_container_is_a_use(&world, keep, name).await;
        world.stop();
    }
}

/// Of an image that is found by `name`.
async fn a_container_is_a_use(world: &World, keep: &str, name: &str) {
    let digest = world.push("busybox:1", &Image::busybox().user("65534")).await;
    let settings = format!("keep_original_name = {keep:?}");
    let before = || Repoint::before(&world.containerd_socket(), world.path()).settings(&settings);
    // Pulled long ago, by a process that is gone.
    let repoint = before().start().await;
    let id = Kubelet::v1(&repoint.socket()).pull(OLD).await.unwrap();
    assert_eq!(repoint.records()[0]["digest"], digest);
    stopped(repoint).await;

    let repoint = before().start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    let pod = world.pod("prod", "web-1");
    let pod_id = kubelet.run_pod(&pod).await.unwrap();
    kubelet.run_container(&pod_id, &pod, OLD).await.unwrap();
    let pulls = repoint.records().len();
    let records = stopped(repoint).await;
    assert_eq!(pulls, 1, "nothing was pulled again");
    let [used] = &of_event(&records, "used")[..] else { panic!("{records:#?}") };
    for (key, value) in
        [("rule", "kubernetes"), ("image", OLD), ("substitute", name), ("image_ref", &id), ("digest", &digest)]
    {
        assert_eq!(used[key], value, "{key} of {used}");
    }
    assert_eq!(used["pods"], json!([{"namespace": "prod", "name": "web-1", "uid": "uid-of-web-1"}]));
    let direct = Kubelet::v1(&world.containerd_socket());
    direct.stop_pod(&pod_id).await.unwrap();
    direct.remove_pod(&pod_id).await.unwrap();
}

#[tokio::test]
async fn an_image_in_use_is_recorded_once_and_counted_whatever_its_rule_does() {
    for action in ["rewrite", "observe", "deny"] {
        let (directory, runtime, standin) = place();
        standin.has_image("old.example/x:1", User::Number(7));
        let rule = format!(
            "[[rules]]\nname = \"moved\"\nmatch = [\"old.example\"]\ntargets = [\"new.example\"]\naction = {action:?}\n"
        );
        let repoint = Repoint::before(&runtime, directory.path()).toml(&rule).start().await;
        let kubelet = Kubelet::v1(&repoint.socket());
        for image in ["old.example/x:1", "old.example/x:1", "old.example/absent:1", "other.example/x:1"] {
            kubelet.image_status(image).await.unwrap();
        }
        let records = stopped(repoint).await;
        let [used] = &of_event(&records, "used")[..] else { panic!("{action}: {records:#?}") };
        assert_eq!(
            (&used["rule"], &used["image"], &used["times"]),
            (&json!("moved"), &json!("old.example/x:1"), &json!(1))
        );
        // The stand-in knows no containers.
        assert_eq!(used["pods"], Value::Null);
        let [beat] = &of_event(&records, "heartbeat")[..] else { panic!("{action}: {records:#?}") };
        let counters = &beat["counters"];
        assert_eq!(
            (&counters["asked"], &counters["used"], &counters["calls"]),
            (&json!(3), &json!(1), &json!(4)),
            "{action}"
        );
        assert!(beat["last_call"].as_str().unwrap() > beat["since"].as_str().unwrap());
    }
}

#[tokio::test]
async fn every_record_says_where_it_is_from_and_the_log_says_when_the_service_began_and_ended() {
    let (directory, runtime, standin) = place();
    let repoint = Repoint::before(&runtime, directory.path()).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("k8s.gcr.io/kube-proxy:v1.26.4").await.unwrap();
    kubelet.pull("k8s.gcr.io/kube-proxy:v1.26.3").await.unwrap();
    let records = stopped(repoint).await;
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "substituted", "substituted", "heartbeat", "stopped"]);
    assert_eq!([&records[1], &records[2]].map(|record| record["post_freeze"].as_bool()), [Some(true), Some(false)]);
    assert_eq!((&records[0]["rules"], &records[0]["repaired"]), (&json!(1), &json!(0)));
    assert_eq!(records[3]["counters"]["substituted"], 2);
    for (number, record) in (1..).zip(&records) {
        assert_eq!((&record["schema"], &record["seq"], &record["node"]), (&json!(1), &json!(number), &json!("node-1")));
        assert_eq!((&record["machine_id"], &record["boot_id"]), (&records[0]["machine_id"], &records[0]["boot_id"]));
        assert_eq!((&record["version"], &record["config"]), (&json!(env!("CARGO_PKG_VERSION")), &records[0]["config"]));
    }
    assert_eq!(records[0]["config"].as_str().unwrap().len(), 12);
    drop(standin);
}

#[tokio::test]
async fn where_a_record_is_required_nothing_is_substituted_without_one_and_everything_else_goes_on() {
    let (directory, runtime, standin) = place();
    let rules = "[[rules]]\nname = \"looks-on\"\nmatch = [\"seen.example\"]\naction = \"observe\"\n";
    let repoint = Repoint::before(&runtime, directory.path()).audit("required = true").toml(rules).start().await;
    let kubelet = Kubelet::v1(&repoint.socket());
    kubelet.pull("k8s.gcr.io/x:1").await.unwrap();
    let records = repoint.all_records();
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "intended", "substituted"]);
    assert_eq!((&records[1]["outcome"], &records[1]["substitute"]), (&Value::Null, &json!("registry.k8s.io/x:1")));

    // A directory in the way: nobody can open that for writing, root neither.
    std::fs::remove_file(repoint.audit_file()).unwrap();
    std::fs::create_dir(repoint.audit_file()).unwrap();
    let before = standin.calls().len();
    let refused = kubelet.pull("k8s.gcr.io/y:1").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(refused.message().contains("audit.jsonl") && refused.message().contains("required"), "{refused}");
    assert_eq!(standin.calls().len(), before, "nobody was asked");
    let metrics = repoint.metrics();
    assert!(metrics.contains("repoint_answered_total{reason=\"unrecorded\"} 1\n"), "{metrics}");
    for image in ["seen.example/x:1", "other.example/x:1"] {
        kubelet.pull(image).await.unwrap();
    }
    // It is back, and so is the pull; the numbers say what is missing.
    std::fs::remove_dir(repoint.audit_file()).unwrap();
    kubelet.pull("k8s.gcr.io/y:1").await.unwrap();
    let numbers: BTreeSet<_> = repoint.all_records().iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, BTreeSet::from([6, 7]));
}

#[tokio::test]
async fn a_pull_whose_end_cannot_be_recorded_is_not_told_as_done_where_a_record_is_required() {
    let (directory, runtime, standin) = place();
    let repoint = Repoint::before(&runtime, directory.path()).audit("required = true").start().await;
    let audit = repoint.audit_file();
    standin.answers("/runtime.v1.ImageService/PullImage", {
        let audit = audit.clone();
        move |_| {
            // The disk goes away while the image comes.
            if audit.is_file() {
                std::fs::remove_file(&audit).unwrap();
                std::fs::create_dir(&audit).unwrap();
            }
            crate::support::standin::Answer::message(&repoint::cri::v1::PullImageResponse { image_ref: "id".into() })
        }
    });
    let refused = Kubelet::v1(&repoint.socket()).pull("k8s.gcr.io/x:1").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
}
