//! What the API server has, on standard input.

use serde_json::{Value, json};

use super::{json, scan};

/// A pod that something made.
fn pod(namespace: &str, name: &str, owner: &Value, images: &[&str]) -> Value {
    let containers: Vec<_> =
        images.iter().enumerate().map(|(n, image)| json!({"name": format!("c{n}"), "image": image})).collect();
    let states: Vec<_> = images
        .iter()
        .enumerate()
        .map(
            |(n, image)| json!({"name": format!("c{n}"), "image": image, "imageID": format!("{image}@sha256:{n:064}")}),
        )
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("u-{name}"),
            "labels": {"pod-template-hash": "5d78c9869d"}, "ownerReferences": owner,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"image\":\"k8s.gcr.io/copy:1\"}"},
        },
        "spec": {"containers": containers},
        "status": {"containerStatuses": states},
    })
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "x/v1", "kind": kind, "name": name, "controller": true, "uid": "u"}])
}

fn list(items: &[Value]) -> String {
    serde_json::to_string_pretty(&json!({"apiVersion": "v1", "items": items, "kind": "List"})).unwrap()
}

#[test]
fn pods_are_grouped_by_namespace_and_owner() {
    let mut mirror = pod("kube-system", "etcd-worker-1", &owner("Node", "worker-1"), &["k8s.gcr.io/etcd:3"]);
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("abc");
    let text = list(&[
        pod(
            "shop",
            "web-5d78c9869d-x2kqz",
            &owner("ReplicaSet", "web-5d78c9869d"),
            &["k8s.gcr.io/web:1", "registry.k8s.io/x:1"],
        ),
        pod("shop", "web-5d78c9869d-bcdfg", &owner("ReplicaSet", "web-5d78c9869d"), &["k8s.gcr.io/web:1"]),
        pod("shop", "own-x2kqz", &owner("ReplicaSet", "own"), &["k8s.gcr.io/web:1"]),
        pod("shop", "backup-27985440-x2kqz", &owner("Job", "backup-27985440"), &["k8s.gcr.io/backup:1"]),
        pod("other", "migrate-x2kqz", &owner("Job", "migrate"), &["k8s.gcr.io/web:1"]),
        pod("other", "alone", &json!([]), &["k8s.gcr.io/web:1"]),
        mirror,
    ]);
    let told = json(&["-"], &text);
    let said: Vec<_> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            assert_eq!((&finding["kind"], &finding["file"]), (&json!("object"), &json!("-")));
            format!(
                "{} {} {}",
                finding["count"],
                finding["where"].as_str().unwrap(),
                finding["image"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "1 kube-system static pod etcd, container c0 k8s.gcr.io/etcd:3",
            "1 other Job migrate, container c0 k8s.gcr.io/web:1",
            "1 other Pod alone, container c0 k8s.gcr.io/web:1",
            "1 shop CronJob backup, container c0 k8s.gcr.io/backup:1",
            "2 shop Deployment web, container c0 k8s.gcr.io/web:1",
            "1 shop ReplicaSet own, container c0 k8s.gcr.io/web:1",
        ]
    );
    let web = &told["findings"][4];
    assert_eq!(web["owner"], json!({"kind": "Deployment", "name": "web"}));
    assert_eq!((&web["namespace"], &web["container"]), (&json!("shop"), &json!("c0")));
    assert_eq!(web["digest"], format!("sha256:{:064}", 0));
    let told = json(&["-", "--count"], &text);
    let counts: Vec<_> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (&finding["count"], &finding["image"], &finding["where"]))
        .collect();
    assert_eq!(
        counts,
        [
            (&json!(5), &json!("k8s.gcr.io/web:1"), &json!("5 places")),
            (&json!(1), &json!("k8s.gcr.io/backup:1"), &json!("shop CronJob backup, container c0")),
            (&json!(1), &json!("k8s.gcr.io/etcd:3"), &json!("kube-system static pod etcd, container c0")),
        ]
    );
}

/// What is said, sorted: where, and which image.
fn places(told: &Value) -> Vec<String> {
    let say =
        |finding: &Value| format!("{}: {}", finding["where"].as_str().unwrap(), finding["image"].as_str().unwrap());
    told["findings"].as_array().unwrap().iter().map(say).collect()
}

#[test]
fn a_list_that_breaks_off_is_told_once_and_lists_that_follow_one_another_are_all_read() {
    let pods = |names: &[&str]| {
        let pod = |name: &&str| {
            let mut pod = pod("shop", name, &json!([]), &[&format!("k8s.gcr.io/{name}:1")]);
            let states = pod["status"]["containerStatuses"].take();
            pod["status"] = json!({"a": "as long as {{ states }} are. ".repeat(100), "containerStatuses": states});
            pod
        };
        list(&names.iter().map(pod).collect::<Vec<_>>())
    };
    let told = |name: &str| format!("shop Pod {name}, container c0: k8s.gcr.io/{name}:1");
    let all = pods(&["a", "b", "c"]);
    let cut = all.split_at(all.rfind("\"containerStatuses\"").unwrap()).0;
    let said = json(&["-"], cut);
    assert_eq!(places(&said), ["a", "b", "c"].map(told));
    assert_eq!(said["unread"].as_array().unwrap().len(), 1);
    // Of what is not known to be an object, there is the text.
    let cut = all.split_at(all.find("k8s.gcr.io/c:1\"").unwrap() + 15).0;
    let said = places(&json(&["-"], cut));
    assert_eq!(said.iter().filter(|said| said.contains("k8s.gcr.io/c:1")).count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| said.contains("shop Pod")).count(), 2, "{said:?}");
    let minified = |text: &str| serde_json::from_str::<Value>(text).unwrap().to_string();
    for between in ["", "\n", " ", "\r\n\t\n", "\n---\n"] {
        let (one, two) = (pods(&["a", "b"]), pods(&["c"]));
        for text in [[&*one, &two].join(between), [minified(&one), minified(&two)].join(between)] {
            let said = json(&["-"], &text);
            assert_eq!(places(&said), ["a", "b", "c"].map(told), "{text}");
            assert_eq!(said["unread"], json!([]), "{text}");
        }
    }
}

#[test]
fn what_a_list_of_one_kind_has_in_it_is_of_that_kind() {
    let mut pods = [
        pod("shop", "web-5d78c9869d-x2kqz", &owner("ReplicaSet", "web-5d78c9869d"), &["k8s.gcr.io/web:1"]),
        pod("shop", "alone", &json!([]), &["k8s.gcr.io/alone:1"]),
    ];
    for pod in pods.iter_mut().filter_map(Value::as_object_mut) {
        pod.retain(|key, _| key != "apiVersion" && key != "kind");
    }
    let map = json!({"metadata": {"name": "m", "namespace": "b", "uid": "u"}, "data": {"image": "k8s.gcr.io/map:1"}});
    let policy = json!({"metadata": {"name": "p", "uid": "u"}, "spec": {"image": "k8s.gcr.io/policy:1"}});
    let list = |version: &str, kind: &str, items: &[Value]| json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items});
    let lists = [
        list("v1", "PodList", &pods),
        list("v1", "ConfigMapList", &[map]),
        list("kyverno.io/v1", "PolicyList", &[policy]),
        // A list that says its kind behind its items; and what only has `items`.
        json!({"apiVersion": "v1", "items": [pods[1]], "kind": "PodList"}),
        json!({"items": [{"metadata": {"namespace": "c"}, "image": "k8s.gcr.io/none:1"}]}),
    ];
    let text = lists.map(|list| list.to_string()).join("\n");
    let mut said = places(&json(&["-"], &text));
    said.sort();
    assert_eq!(
        said,
        [
            "-:5:50: k8s.gcr.io/none:1",
            "b ConfigMap m: k8s.gcr.io/map:1",
            "shop Deployment web, container c0: k8s.gcr.io/web:1",
            "shop Pod alone, container c0: k8s.gcr.io/alone:1",
            "shop object alone, container c0: k8s.gcr.io/alone:1",
        ]
    );
}

#[test]
fn every_kind_of_workload_is_read_and_every_kind_of_container() {
    let template = json!({"spec": {
        "initContainers": [{"name": "i", "image": "k8s.gcr.io/init:1"}],
        "containers": [{"name": "c", "image": "k8s.gcr.io/main:1"}],
        "ephemeralContainers": [{"name": "e", "image": "k8s.gcr.io/debug:1"}],
        "volumes": [{"name": "v", "image": {"reference": "k8s.gcr.io/volume:1", "pullPolicy": "Always"}}],
    }});
    let object = |kind: &str, rest: Value| {
        let mut object =
            json!({"apiVersion": "x/v1", "kind": kind, "metadata": {"name": "n", "namespace": "a", "uid": "u"}});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    let spec = json!({"spec": {"template": template}});
    let mut all = vec![
        object("Pod", template.clone()),
        object("PodTemplate", json!({"template": template})),
        object("CronJob", json!({"spec": {"jobTemplate": spec}})),
        object("SomethingElse", json!({"spec": {"parts": [{"deep": template}]}})),
    ];
    all.extend(
        ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"]
            .map(|kind| object(kind, spec.clone())),
    );
    for object in all {
        let kind = object["kind"].as_str().unwrap().to_owned();
        for text in [list(std::slice::from_ref(&object)), object.to_string()] {
            let told = json(&["-"], &text);
            let mut images: Vec<_> = told["findings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|finding| {
                    assert_eq!(finding["owner"]["kind"], kind.as_str());
                    (finding["container"].as_str().unwrap_or("-"), finding["image"].as_str().unwrap())
                })
                .collect();
            images.sort_unstable();
            assert_eq!(
                images,
                [
                    ("-", "k8s.gcr.io/volume:1"),
                    ("c", "k8s.gcr.io/main:1"),
                    ("e", "k8s.gcr.io/debug:1"),
                    ("i", "k8s.gcr.io/init:1")
                ],
                "{kind}"
            );
        }
    }
}

#[test]
fn what_is_no_object_has_a_line_of_standard_input() {
    let told = json(&["-"], "image: k8s.gcr.io/a:1\n---\nx: [{image: k8s.gcr.io/b:1}]\n");
    let places: Vec<_> = told["findings"].as_array().unwrap().iter().map(|finding| &finding["where"]).collect();
    assert_eq!(places, ["-:1:8", "-:3:13"]);
    // As of `kubectl get pods -o jsonpath=…`.
    let told = json(&["-"], "k8s.gcr.io/a:1\nk8s.gcr.io/b:1\nharbor.corp/k8s.gcr.io/c:1\n");
    assert_eq!(told["findings"].as_array().unwrap().len(), 2);
    let none = scan(&["-"], "");
    assert_eq!((none.code, none.stdout.lines().count()), (Some(0), 1));
}

#[test]
fn the_object_is_written_in_four_ways() {
    let text =
        list(&[pod("shop", "web-5d78c9869d-x2kqz", &owner("ReplicaSet", "web-5d78c9869d"), &["k8s.gcr.io/web:1"])]);
    let table = scan(&["-"], &text);
    assert_eq!(table.code, Some(5));
    for part in [
        "k8s.gcr.io/web:1",
        "→ registry.k8s.io/web:1",
        "kubernetes",
        "shop Deployment web, container c0",
        "Found: 1 image by",
    ] {
        assert!(table.stdout.contains(part), "{}", table.stdout);
    }
    let csv = scan(&["-", "--format", "csv"], &text);
    let digest = format!("sha256:{:064}", 0);
    assert_eq!(
        csv.stdout,
        format!(
            "count,image,partial,digest,rule,action,substitute,kind,file,line,column,namespace,owner_kind,owner,container,where,fix\r\n\
             1,k8s.gcr.io/web:1,false,{digest},kubernetes,rewrite,registry.k8s.io/web:1,object,-,31,23,shop,Deployment,web,c0,\
             \"shop Deployment web, container c0\",write registry.k8s.io/web:1\r\n"
        )
    );
    let markdown = scan(&["-", "--format", "markdown"], &text);
    assert!(
        markdown.stdout.contains("| 1 | k8s.gcr.io/web:1<br>→ registry.k8s.io/web:1 | kubernetes |"),
        "{}",
        markdown.stdout
    );
    let told = json(&["-"], &text);
    let fields: Vec<_> = told["findings"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields.join(" "),
        "where kind file line column namespace owner container image partial digest rule action substitute alternatives fix count"
    );
    assert_eq!(
        told.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        "findings unread files"
    );
}
