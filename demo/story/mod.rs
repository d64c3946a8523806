//! What the demo shows, from the node that can't pull to the node that is gone. Every step checks what it says.

mod node;
mod page;

use std::error::Error;
use std::io::Write;

use self::page::Page;
use crate::support::kubelet::Kubelet;
use crate::support::left::left_of;
use crate::support::repoint::Repoint;

pub use self::node::Node;

const OLD: &str = "k8s.gcr.io/busybox:1.35";
const NEW: &str = "registry.k8s.io/busybox:1.35";

/// `OLD` and `NEW` without the host: what the new registry has.
const IMAGE: &str = "busybox:1.35";

/// The image's own user, which is neither the superuser nor whoever runs this.
const USER: u16 = 65534;

/// Why the story could not be told to its end.
pub type Failed = Box<dyn Error>;

/// Tells it on that node, which ends with it.
///
/// # Errors
///
/// When anything is not as the story says.
pub async fn tell(node: Node, out: &mut dyn Write) -> Result<(), Failed> {
    let mut page = Page::new(out);
    let direct = Kubelet::v1(&node.runtime());
    let pod = node.pod("shop", "cart");

    page.heading("1. A node that cannot reach the old registry")?;
    let version = direct.version().await?;
    let runtime = format!("{} {}", version.runtime_name, version.runtime_version);
    for paragraph in node.introduction(&runtime) {
        page.text(&paragraph)?;
    }

    page.heading("2. A pull without repoint")?;
    page.pair("PullImage", OLD)?;
    let refused = match direct.pull_for(OLD, None, Some(&pod)).await {
        Ok(id) => return Err(format!("{OLD} was pulled without repoint, as {id}").into()),
        Err(refused) => refused,
    };
    page.pair("fails", &format!("rpc error: code = {:?} desc = {}", refused.code(), refused.message()))?;

    page.heading("3. The same pull with repoint in front of the runtime")?;
    let repoint = Repoint::before(&node.runtime(), node.path()).start().await;
    page.command(repoint.command())?;
    page.text("repoint.toml names the node and the audit log. The rule is the built-in one.")?;
    let kubelet = Kubelet::v1(&repoint.socket());
    page.pair("PullImage", OLD)?;
    let id = kubelet.pull_for(OLD, None, Some(&pod)).await?;
    page.pair("works", &id)?;
    let there = direct.image_status(NEW).await?.ok_or_else(|| format!("the runtime does not have {NEW}"))?;
    expect(there.id == id, || format!("the runtime has {NEW} as {}", there.id))?;
    page.pair("it is", NEW)?;

    page.heading(&format!("4. A pod whose manifest says {OLD}"))?;
    let pod_id = kubelet.run_pod(&pod).await?;
    page.pair("pod", &format!("{} (shop/cart) runs", short(&pod_id)))?;
    let container = kubelet.run_container(&pod_id, &pod, OLD).await?;
    page.pair("container", &format!("{} runs", short(&container)))?;
    let user = kubelet.exec(&container, ["id", "-u"]).await?;
    page.pair("exec id -u", user.trim())?;
    expect(user.trim() == USER.to_string(), || format!("the container's user is not {USER}, the image's own"))?;
    page.text(
        "The user is the image's own. A kubelet asks for it by the name in the manifest; told that there is no such \
         image, it would run the container as root.",
    )?;

    page.heading("5. The record of it")?;
    page.text(&repoint.audit_file().display().to_string())?;
    let records = repoint.records();
    let [record] = records.as_slice() else {
        return Err(format!("{} records of one pull", records.len()).into());
    };
    expect(record["image"] == OLD && record["substitute"] == NEW, || {
        format!("the record is of another pull: {record}")
    })?;
    page.block(&serde_json::to_string_pretty(record)?)?;

    page.heading("6. The end")?;
    kubelet.stop_container(&container).await?;
    kubelet.remove_container(&container).await?;
    kubelet.stop_pod(&pod_id).await?;
    kubelet.remove_pod(&pod_id).await?;
    let ended = repoint.stop().await;
    expect(ended.success(), || format!("repoint ended with {ended}"))?;
    let directory = node.path().to_owned();
    node.end().await?;
    let left = left_of(&directory);
    expect(left.is_empty(), || format!("something is left behind: {}", left.join("; ")))?;
    page.text(
        "repoint has ended with exit code 0, and the node with it. Looked for processes, mounts, files and cgroups \
               of theirs: nothing is left.",
    )?;
    page.end()
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// As much of an ID as command lines show.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
