//! Records of images that are there and in use, with the pods behind them.
//!
//! Off the path: nobody waits for these. A question for an image comes just before its container is made, so the
//! containers are asked for a while later, once for all that came meanwhile.

use crate::audit::record::{MOST_PODS, PodRecord, Use};
use crate::audit::{Body, Event, Log, Record, Sighting, Tally, freeze};
use crate::clock::Clock;
use crate::cri::Pod;
use crate::cri::client;
use crate::cri::v1::Container;
use crate::error::Chain;
use crate::reference::with_default_tag;
use crate::runtime::Dialer;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

/// How long after the question there is a container, as a rule.
const WHILE: Duration = Duration::from_secs(10);

/// How long the runtime has to list its containers: a moment, also for a service that stops.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Records what is due until the last of those who see images is gone, and does not wait from `stop` on.
pub async fn record(
    mut due: Receiver<Sighting>,
    runtime: Arc<Dialer>,
    log: Log,
    tally: Arc<Tally>,
    stop: CancellationToken,
) {
    while let Some(first) = due.recv().await {
        let _stopping = stop.run_until_cancelled(tokio::time::sleep(WHILE)).await;
        let mut sightings = vec![first];
        while let Ok(next) = due.try_recv() {
            sightings.push(next);
        }
        let containers = tokio::time::timeout(PATIENCE, containers(&runtime)).await.unwrap_or_default();
        for sighting in sightings {
            let pods = containers.as_ref().map(|containers| pods(containers, &sighting));
            let body = Body::Use(Box::new(used(sighting, pods)));
            tally.record(Event::Used, Clock::SYSTEM.now());
            if let Err(error) = log.leave(Record { time: Clock::SYSTEM.now(), event: Event::Used, body }) {
                tracing::error!(error = %Chain(&error), "The use of an image is not in the audit log");
            }
        }
    }
}

/// All containers there are; `None` where nobody says.
async fn containers(runtime: &Dialer) -> Option<Vec<Container>> {
    let found = match runtime.dial().await {
        Ok((address, _)) => client::containers(address.path()).await.map_err(|error| Chain(&error).to_string()),
        Err(error) => Err(Chain(&error).to_string()),
    };
    found.inspect_err(|error| tracing::debug!(error, "The pods behind an image are not known")).ok()
}

/// The pods with a container of the image.
fn pods(containers: &[Container], sighting: &Sighting) -> Vec<PodRecord> {
    let mine = containers.iter().filter(|container| is_of(container, sighting));
    let pods: BTreeSet<_> = mine.filter_map(pod).collect();
    pods.into_iter().take(MOST_PODS).collect()
}

/// Whether a container is of the image, and of the name that was asked for where it says which one its pod named: an image
/// may have several.
fn is_of(container: &Container, sighting: &Sighting) -> bool {
    let image = container.image.as_ref();
    let ids = [container.image_ref.as_str(), container.image_id.as_str()];
    let named = image.map_or("", |image| image.image.as_str());
    let is_image = ids.into_iter().chain([named]).any(|id| !id.is_empty() && id == sighting.id)
        || with_default_tag(named) == with_default_tag(&sighting.image);
    let specified = image.map_or("", |image| image.user_specified_image.as_str());
    is_image && (specified.is_empty() || with_default_tag(specified) == with_default_tag(&sighting.image))
}

fn pod(container: &Container) -> Option<PodRecord> {
    Pod::of_labels(&container.labels).map(PodRecord::from)
}

fn used(sighting: Sighting, pods: Option<Vec<PodRecord>>) -> Use {
    let Sighting { rule, image, name, id, digest, times } = sighting;
    let post_freeze = freeze::is_after(&image);
    Use { rule, image, substitute: name, image_ref: Some(id), digest, post_freeze, pods, times }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::pod::{NAME, NAMESPACE, UID};
    use crate::cri::v1::ImageSpec;

    fn container(image: &str, specified: &str, image_ref: &str, pod: &str) -> Container {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Container {
            image: Some(ImageSpec {
                image: image.into(),
                user_specified_image: specified.into(),
                ..ImageSpec::default()
            }),
            image_ref: image_ref.into(),
            labels: [label(NAMESPACE, "prod"), label(NAME, pod), label(UID, "u")].into(),
            ..Container::default()
        }
    }

    #[test]
    fn the_pods_behind_an_image_are_those_that_named_it_so() {
        let sighting = Sighting {
            rule: "r".into(),
            image: "old.example/x".into(),
            name: "new.example/x:latest".into(),
            id: "sha256:1".into(),
            digest: None,
            times: 1,
        };
        let containers = [
            // As older kubelets and containerd say it, twice for two containers of one pod.
            container("sha256:1", "", "sha256:1", "a"),
            container("sha256:1", "", "sha256:1", "a"),
            // As newer ones do.
            container("sha256:1", "old.example/x", "new.example/x@sha256:2", "b"),
            container("old.example/x:latest", "", "", "c"),
            // Of the same image, by its other name; of another one; of nobody's pod.
            container("sha256:1", "new.example/x:latest", "sha256:1", "d"),
            container("sha256:3", "", "sha256:3", "e"),
            Container { image_ref: "sha256:1".into(), ..Container::default() },
        ];
        let pod = |name: &str| Pod { namespace: "prod".into(), name: name.into(), uid: "u".into() }.into();
        assert_eq!(pods(&containers, &sighting), ["a", "b", "c"].map(pod));
    }
}
