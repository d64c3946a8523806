//! The story that `make demo` tells.

use crate::story::{Node, tell};
use crate::support::world::World;

async fn told(node: Node) -> String {
    let mut page = Vec::new();
    tell(node, &mut page).await.unwrap();
    String::from_utf8(page).unwrap()
}

/// A page that fits, with what one came to see.
fn check(page: &str) {
    // A path or a digest can't be broken, and a temporary directory may have a long name.
    let wide = page.lines().find(|line| line.chars().count() > 100 && line.split_whitespace().count() > 1);
    assert!(wide.is_none_or(|line| line.contains('/')), "{wide:?}");
    for part in ["refuse", "repoint serve", "sha256:", "65534", "\"substitute\": \"registry.k8s.io/busybox:1.35\""] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
}

#[tokio::test]
async fn it_is_true_on_a_real_node() {
    if World::available().is_err() {
        // Says so, and fails where it has to.
        assert!(World::start().await.is_none());
        return;
    }
    let page = told(Node::real().await.unwrap()).await;
    assert!(page.contains("containerd"), "{page}");
    check(&page);
}

#[tokio::test]
async fn it_is_true_in_front_of_a_stand_in() {
    let page = told(Node::stand_in("none was asked for").unwrap()).await;
    assert!(page.contains("none was asked for"), "{page}");
    check(&page);
}
