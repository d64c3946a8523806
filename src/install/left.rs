//! What would be left behind: images that are on the node by other names only than those that pods use.

use crate::cri::client::{self, NoRuntime};
use crate::runtime::{Unkept, journal};
use std::collections::BTreeMap;
use std::path::Path;

/// An image that can't be found by its old name without repoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The old name.
    pub asked: String,
    /// The name that it is there by.
    pub there: String,
    /// Containers that were made of it, by their names.
    pub containers: Vec<String>,
}

/// The names that served pulls, by the names that were asked for, as a service keeps them in `file`.
///
/// # Errors
///
/// When they can't be read.
pub fn served(file: &Path) -> Result<BTreeMap<String, String>, Unkept> {
    let mut names = BTreeMap::new();
    journal::read(file, &mut |asked, name| {
        names.insert(asked.to_owned(), name.to_owned());
    })?;
    Ok(names)
}

/// Asks the runtime at `socket` which of these it has by the second name alone.
///
/// # Errors
///
/// When it does not say.
pub async fn unresolvable(socket: &Path, served: &BTreeMap<String, String>) -> Result<Vec<Left>, NoRuntime> {
    let (_, api) = client::introduction(socket).await?;
    let mut left = Vec::new();
    for (asked, there) in served.iter().filter(|(asked, there)| asked != there) {
        if client::image(socket, api, asked).await?.is_some() {
            continue;
        }
        if let Some(image) = client::image(socket, api, there).await? {
            left.push((asked, there, image.id));
        }
    }
    if left.is_empty() {
        return Ok(Vec::new());
    }
    // A container's image is its ID, or one of its names.
    let containers = client::containers(socket).await?;
    let made_of = |there: &str, id: &str| {
        let made = containers.iter().filter(|container| {
            let name = container.image.as_ref().map_or("", |image| image.image.as_str());
            [name, container.image_ref.as_str()].iter().any(|named| *named == id || *named == there)
        });
        made.filter_map(|container| container.metadata.as_ref()).map(|metadata| metadata.name.clone()).collect()
    };
    let told = left.into_iter().map(|(asked, there, id)| Left {
        asked: asked.clone(),
        there: there.clone(),
        containers: made_of(there, &id),
    });
    Ok(told.collect())
}
