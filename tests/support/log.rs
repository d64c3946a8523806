//! Audit logs that nobody wrote, the same for the same number.

use std::fmt::Write;

/// Writes the records of a fleet, one after another, as they would come in time.
pub struct Fleet {
    nodes: u64,
    /// Of splitmix64.
    state: u64,
    second: u64,
    micros: u64,
    /// By node: the number of its last record.
    numbers: Vec<u64>,
    turn: u64,
}

const IMAGES: [(&str, &str); 6] = [
    ("kube-apiserver", "v1.26.3"),
    ("pause", "3.9"),
    ("coredns/coredns", "v1.9.3"),
    ("ingress-nginx/controller", "v1.6.4"),
    ("metrics-server/metrics-server", "v0.6.3"),
    ("e2e-test-images/agnhost", "2.43"),
];

/// What random names of Kubernetes are made of.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl Fleet {
    pub fn new(nodes: u64) -> Self {
        let numbers = (0..nodes).map(|_| 0).collect();
        Self { nodes, state: 42, second: 1_679_313_600, micros: 0, numbers, turn: 0 }
    }

    /// Adds the next record to `text`.
    pub fn record(&mut self, text: &mut String) {
        let node = self.turn % self.nodes;
        self.turn = self.turn.wrapping_add(1);
        self.micros = self.micros.wrapping_add(self.below(200_000));
        self.second = self.second.wrapping_add(self.micros / 1_000_000);
        self.micros %= 1_000_000;
        let number = self.numbers.get_mut(usize::try_from(node).unwrap_or_default());
        let seq = number.map_or(0, |number| {
            *number = number.wrapping_add(1);
            *number
        });
        let time = time(self.second, self.micros);
        let _infallible = write!(
            text,
            r#"{{"schema":1,"time":"{time}","seq":{seq},"node":"worker-{node}","machine_id":"{node:032x}","boot_id":"3f1c0000000000000000000000000000","labels":{{"cluster":"prod"}},"version":"0.1.0","config":"9f86d081884c","#
        );
        match self.below(20) {
            0 => self.heartbeat(&time, text),
            1..=4 => self.used(node, text),
            _ => self.pull(node, text),
        }
        text.push('\n');
    }

    fn heartbeat(&mut self, time: &str, text: &mut String) {
        let calls = self.below(1000);
        let _infallible = write!(
            text,
            r#""event":"heartbeat","since":"2023-03-20T11:00:00.000000Z","counters":{{"calls":{calls},"asked":3,"substituted":1,"fell_back":0,"failed":0,"observed":0,"denied":0,"used":0,"lost":0}},"last_call":"{time}"}}"#
        );
    }

    fn used(&mut self, node: u64, text: &mut String) {
        let (image, pods, times) = (self.image(), self.below(3), self.below(5));
        let pods: Vec<String> = (0..pods).map(|_| self.pod(node)).collect();
        let _infallible = write!(
            text,
            r#""event":"used","rule":"kubernetes","image":"k8s.gcr.io/{image}","substitute":"registry.k8s.io/{image}","image_ref":"sha256:{node:064x}","digest":null,"post_freeze":false,"pods":[{}],"times":{times}}}"#,
            pods.join(",")
        );
    }

    fn pull(&mut self, node: u64, text: &mut String) {
        let image = self.image();
        let pod = if self.below(50) == 0 { "null".to_owned() } else { self.pod(node) };
        let (event, outcome, code, message) = match self.below(40) {
            0 => ("failed", "failed", 5, r#"rpc error: code = NotFound desc = \"not found\""#),
            1 => ("fell_back", "pulled", 0, ""),
            2 => ("denied", "denied", 7, "refused by rule"),
            3 => ("observed", "pulled", 0, ""),
            _ => ("substituted", "pulled", 0, ""),
        };
        let post_freeze = image.ends_with("v1.6.4");
        let took = self.below(5000);
        let _infallible = write!(
            text,
            r#""event":"{event}","rule":"kubernetes","image":"k8s.gcr.io/{image}","substitute":"registry.k8s.io/{image}","pod":{pod},"api":"v1","outcome":"{outcome}","status":{{"code":{code},"message":"{message}"}},"image_ref":null,"digest":null,"post_freeze":{post_freeze},"attempts":[{{"image":"registry.k8s.io/{image}","credentials":"none","credentials_error":null,"status":{{"code":{code},"message":"{message}"}},"reused":false,"duration_ms":{took}}}],"duration_ms":{took}}}"#
        );
    }

    /// One of two hundred.
    fn image(&mut self) -> String {
        let which = usize::try_from(self.below(6)).unwrap_or_default();
        let (path, tag) = IMAGES.get(which).copied().unwrap_or_default();
        match self.below(33) {
            0 => format!("{path}:{tag}"),
            other => format!("team-{other}/{path}:{tag}"),
        }
    }

    fn pod(&mut self, node: u64) -> String {
        let namespace = self.below(40);
        let random = self.random();
        let name = match self.below(4) {
            0 => format!("etcd-worker-{node}"),
            1 => format!("web-{}-5d78c9869d-{random}", self.below(20)),
            2 => format!("agent-{random}"),
            _ => format!("db-{}", self.below(3)),
        };
        // The same pod asks again and again.
        let uid = self.below(1000);
        format!(r#"{{"namespace":"team-{namespace}","name":"{name}","uid":"{node:08x}-0000-4000-8000-{uid:012x}"}}"#)
    }

    fn random(&mut self) -> String {
        (0..5)
            .map(|_| {
                let at = usize::try_from(self.below(27)).unwrap_or_default();
                char::from(RANDOM.get(at).copied().unwrap_or_default())
            })
            .collect()
    }

    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// As the log has it.
fn time(second: u64, micros: u64) -> String {
    let time = jiff::Timestamp::new(second.cast_signed(), i32::try_from(micros * 1000).unwrap_or_default());
    format!("{:.6}", time.unwrap_or_default())
}
