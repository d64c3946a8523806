//! The table in `docs/rules.md`, call by call.

use prost::Message;
use repoint::cri::v1::{
    ContainerConfig, CreateContainerRequest, ImageFilter, ImageSpec, ImageStatusRequest, ListImagesRequest,
    PullImageRequest, RemoveImageRequest,
};
use tonic::Status;

use crate::support::caller::Caller;
use crate::support::grpc;
use crate::support::repoint::Repoint;
use crate::support::standin::{Seen, Standin, User};

const OLD: &str = "old.example/x:1";
const NEW: &str = "new.example/x:1";

/// One row of the table.
struct Row {
    action: String,
    call: String,
    /// What reaches the runtime: where it has the image nowhere, as old, as new, and as both.
    cells: [String; 4],
}

fn table() -> Vec<Row> {
    let page = include_str!("../docs/rules.md");
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [action, call, nowhere, old, new, both] = cells[..] else { return None };
        let call = call.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        Some(Row { action: action.to_owned(), call, cells: [nowhere, old, new, both].map(str::to_owned) })
    });
    rows.collect()
}

/// The path and the message of a call about the image under its old name.
fn request(call: &str) -> (String, Vec<u8>) {
    let image = Some(ImageSpec { image: OLD.to_owned(), ..ImageSpec::default() });
    let (service, message) = match call {
        "PullImage" => ("ImageService", PullImageRequest { image, ..PullImageRequest::default() }.encode_to_vec()),
        "ImageStatus" => ("ImageService", ImageStatusRequest { image, verbose: false }.encode_to_vec()),
        "RemoveImage" => ("ImageService", RemoveImageRequest { image }.encode_to_vec()),
        "ListImages" => ("ImageService", ListImagesRequest { filter: Some(ImageFilter { image }) }.encode_to_vec()),
        "CreateContainer" => {
            let config = Some(ContainerConfig { image, ..ContainerConfig::default() });
            ("RuntimeService", CreateContainerRequest { config, ..CreateContainerRequest::default() }.encode_to_vec())
        }
        other => panic!("no such call: {other}"),
    };
    (format!("/runtime.v1.{service}/{call}"), message)
}

/// What a call at the runtime is called in the table.
fn told(seen: &Seen) -> String {
    let (verb, image) = match seen.path().rsplit('/').next().unwrap() {
        "PullImage" => ("pull", seen.message::<PullImageRequest>().image),
        "ImageStatus" => ("ask", seen.message::<ImageStatusRequest>().image),
        "RemoveImage" => ("remove", seen.message::<RemoveImageRequest>().image),
        "ListImages" => ("list", seen.message::<ListImagesRequest>().filter.unwrap().image),
        "CreateContainer" => ("create", seen.message::<CreateContainerRequest>().config.unwrap().image),
        other => panic!("nobody asked for {other}"),
    };
    match image.unwrap().image.as_str() {
        OLD => format!("{verb} old"),
        NEW => format!("{verb} new"),
        other => panic!("nobody named {other}"),
    }
}

#[tokio::test]
async fn every_call_comes_to_what_the_table_says() {
    let table = table();
    assert_eq!(table.len(), 3 * 5, "actions and calls");
    for Row { action, call, cells } in table {
        for (column, cell) in cells.iter().enumerate() {
            let directory = tempfile::tempdir().unwrap();
            let runtime = directory.path().join("runtime.sock");
            let standin = Standin::start(&runtime);
            for (name, columns) in [(OLD, [1, 3]), (NEW, [2, 3])] {
                if columns.contains(&column) {
                    standin.has_image(name, User::Number(7));
                }
            }
            let rule = format!(
                "[[rules]]\nname = \"moved\"\nmatch = [\"old.example\"]\ntargets = [\"new.example\"]\naction = {action:?}\n"
            );
            let repoint = Repoint::before(&runtime, directory.path()).toml(&rule).start().await;
            let (path, message) = request(&call);
            let reply =
                Caller::dial(&repoint.socket()).await.call(&path, grpc::frame(grpc::PLAIN, &message)).await.unwrap();
            let place = format!("{action}, {call}, column {column}: {reply:?}");
            let calls: Vec<_> = standin.calls().iter().map(told).collect();
            if cell == "refused" {
                assert_eq!((calls.len(), reply.status()), (0, Some("7")), "{place}");
                let told = Status::from_header_map(&reply.headers).unwrap();
                assert_eq!(told.message(), "old.example is retired on this node; use new.example/x:1 (rule moved)");
            } else {
                assert_eq!(calls.join(", "), *cell, "{place}");
            }
            // What is not rewritten is not touched.
            if action == "observe" {
                assert_eq!(standin.calls()[0].body, grpc::frame(grpc::PLAIN, &message), "{place}");
            }
            let events: Vec<_> = repoint.records().iter().map(|record| record["event"].clone()).collect();
            match (call.as_str(), action.as_str()) {
                ("PullImage", "rewrite") => assert_eq!(events, ["substituted"], "{place}"),
                ("PullImage", "observe") => assert_eq!(events, ["observed"], "{place}"),
                ("PullImage", "deny") => assert_eq!(events, ["denied"], "{place}"),
                _ => assert!(events.is_empty(), "{place}"),
            }
        }
    }
}
