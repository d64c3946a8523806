//! What the audit log says of the service itself: that it started, that it lives, and that it stops. Silence must not look
//! like cleanliness.

use crate::audit::file::Unwritten;
use crate::audit::record::{Override, Reload, Start, Switch};
use crate::audit::{Body, Event, Log, Record, Tally};
use crate::clock::Clock;
use crate::error::Chain;
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use std::time::Duration;

/// Writes it.
#[derive(Debug, Clone)]
pub struct Chronicle {
    log: Log,
    tally: Arc<Tally>,
    /// Records that are missing.
    lost: Counter,
    clock: Clock,
}

/// One heartbeat in this time.
const INTERVAL: Duration = Duration::from_secs(3600);

impl Chronicle {
    /// One of what `tally` counts and `lost` has.
    pub const fn new(log: Log, tally: Arc<Tally>, lost: Counter, clock: Clock) -> Self {
        Self { log, tally, lost, clock }
    }

    /// Says that the service has started.
    pub fn started(&self, start: Start) {
        self.write(Event::Started, Body::Start(Box::new(start)));
    }

    /// Says what came of reading the configuration again.
    pub async fn reloaded(&self, reload: Reload) {
        self.wait(Event::Reloaded, Body::Reload(Box::new(reload))).await;
    }

    /// Says what somebody put in the place of what a rule says.
    pub async fn overridden(&self, one: Override) {
        self.wait(Event::Overridden, Body::Override(Box::new(one))).await;
    }

    /// Says that the kill switch was thrown, or put back.
    pub async fn switched(&self, event: Event, file: String) {
        self.wait(event, Body::Switch(Box::new(Switch { file }))).await;
    }

    /// Says that it lives, again and again.
    pub async fn lives(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.wait(Event::Heartbeat, self.count()).await;
        }
    }

    /// Says that it stops, and what there was to count since the last heartbeat.
    pub async fn stopped(&self) {
        let count = self.count();
        self.wait(Event::Heartbeat, count).await;
        let nothing_since = self.count();
        self.wait(Event::Stopped, nothing_since).await;
    }

    fn count(&self) -> Body {
        Body::Count(Box::new(self.tally.take(self.clock.now(), self.lost.get())))
    }

    /// Leaves it with a log that has just begun.
    fn write(&self, event: Event, body: Body) {
        Self::said(event, self.log.leave(Record { time: self.clock.now(), event, body }));
    }

    /// Waits for room in the log: in a burst of pulls as well, what was counted is in no other record.
    async fn wait(&self, event: Event, body: Body) {
        let taken = self.log.take(Record { time: self.clock.now(), event, body }).await;
        Self::said(event, taken.map(drop));
    }

    fn said(event: Event, taken: Result<(), Unwritten>) {
        if let Err(error) = taken {
            tracing::error!(error = %Chain(&error), event = event.as_str(), "The audit log does not say how the service is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Origin, Rotation, Settings, Sinks, Writer};
    use std::path::Path;

    fn start() -> Start {
        Start { rules: 1, configuration: "files", message: None, repaired: 0 }
    }

    fn log(file: &Path) -> (Log, Writer) {
        let rotation = Rotation { bytes: 0, after: None, keep: 1, compress: false };
        let file = file.to_owned();
        let settings = Settings { file, sync: false, required: false, rotation, journald: false, stdout: false };
        Log::start(&settings, Origin::somewhere(), Counter::default(), Sinks::default()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_says_that_the_service_started_lives_and_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.jsonl");
        let (log, writer) = log(&file);
        let tally = Arc::new(Tally::new(jiff::Timestamp::UNIX_EPOCH));
        let lost = Counter::default();
        let chronicle =
            Chronicle::new(log, Arc::clone(&tally), lost.clone(), Clock::new(|| jiff::Timestamp::UNIX_EPOCH));
        chronicle.started(start());
        tally.asked();
        lost.inc();
        let _still_alive = tokio::time::timeout(INTERVAL * 2 + Duration::from_secs(1), chronicle.lives()).await;
        chronicle.stopped().await;
        drop(chronicle);
        writer.join();
        let text = std::fs::read_to_string(file).unwrap();
        let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["started", "heartbeat", "heartbeat", "heartbeat", "stopped"]);
        let counted: Vec<_> = records[1..4]
            .iter()
            .map(|record| (&record["counters"]["asked"], &record["counters"]["lost"]))
            .map(|(asked, lost)| (asked.as_u64().unwrap(), lost.as_u64().unwrap()))
            .collect();
        assert_eq!(counted, [(1, 1), (0, 0), (0, 0)]);
    }

    #[tokio::test]
    async fn a_log_with_a_full_queue_still_says_that_the_service_stopped() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.jsonl");
        // A pipe that nobody reads yet: it takes nothing, as a disk that is busy.
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let (log, writer) = log(&file);
        let tally = Arc::new(Tally::new(jiff::Timestamp::UNIX_EPOCH));
        let chronicle = Chronicle::new(log.clone(), Arc::clone(&tally), Counter::default(), Clock::SYSTEM);
        let record = || Record {
            time: jiff::Timestamp::UNIX_EPOCH,
            event: Event::Started,
            body: Body::Start(Box::new(start())),
        };
        // The first ones may be with the thread by now, which makes room.
        for _ in 0..3 {
            while log.leave(record()).is_ok() {}
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let read = std::thread::spawn(move || std::fs::read_to_string(file).unwrap());
        chronicle.stopped().await;
        drop((chronicle, log));
        writer.join();
        let text = read.join().unwrap();
        let last: Vec<_> = text.lines().rev().take(2).map(|line| line.split("\"event\":").nth(1).unwrap()).collect();
        assert!(last[0].starts_with("\"stopped\"") && last[1].starts_with("\"heartbeat\""), "{last:?}");
    }
}
