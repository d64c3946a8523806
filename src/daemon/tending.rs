//! What is looked after every second: the kill switch, overrides whose time is over, who may connect, files that have
//! changed, and the line of status.

use super::control::Control;
use super::sockets::Sockets;
use std::time::Duration;

/// The pause between two looks. A kill switch is to be heard within five seconds, and a look costs a few system calls.
const PAUSE: Duration = Duration::from_secs(1);

impl Control {
    /// Looks after it for ever.
    pub async fn tend(&self, sockets: &Sockets) {
        let mut line = String::new();
        // What was read last, and what was there at the last look: files that still change are left alone.
        let (mut read, mut seen) = (self.look(), self.look());
        loop {
            self.look_at_switch().await;
            self.expire_overrides().await;
            sockets.settle(&self.shared().access);
            if self.standing.lock().await.settings.reload_on_change {
                let now = self.look();
                if now != read && now == seen {
                    read = now.clone();
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
