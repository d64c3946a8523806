//! What is looked after every second: the kill switch, who may connect, overrides whose time is over, files that have
//! changed, and the line of status.

use super::control::Control;
use super::sockets::Sockets;
use std::time::Duration;

/// The pause between two looks. A kill switch is to be heard within five seconds, and a look costs a few system calls.
const PAUSE: Duration = Duration::from_secs(1);

impl Control {
    /// Looks at the kill switch for ever, and waits for nothing that a disk may keep.
    pub async fn watch_switch(&self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.look_at_switch().await;
        }
    }

    /// Sees to it for ever who may connect.
    pub async fn settle(&self, sockets: &Sockets) {
        loop {
            tokio::time::sleep(PAUSE).await;
            sockets.settle(&self.shared().access);
        }
    }

    /// Looks after the rest for ever.
    pub async fn tend(&self) {
        let mut line = String::new();
        // At the last look: files that still change are left alone.
        let mut seen = self.look();
        loop {
            self.expire_overrides().await;
            if self.known().is_watched && !self.is_stopping() {
                let now = self.look();
                if self.is_news(&now) && now == seen {
                    tracing::info!("The configuration's files have changed");
                    self.reload().await;
                }
                seen = now;
            }
            let now = self.line();
            if now != line {
                self.manager.status(now.clone());
                line = now;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
