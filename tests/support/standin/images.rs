//! What a stand-in answers unless told otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use repoint::cri::v1::{
    Image, ImageStatusRequest, ImageStatusResponse, Int64Value, PullImageRequest, PullImageResponse, VersionResponse,
};
use sha2::{Digest, Sha256};
use tonic::Code;

use super::answer::Answer;
use super::record::Seen;

/// The user that an image says it runs as.
#[derive(Debug, Clone)]
pub enum User {
    Unsaid,
    Number(i64),
    Name(String),
}

pub type Answers = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// What it was told, by the path of a call, and what it has.
#[derive(Default)]
pub struct Script {
    once: HashMap<String, VecDeque<Answer>>,
    always: HashMap<String, Answers>,
    pub images: Images,
}

/// Images by their names.
#[derive(Debug, Default)]
pub struct Images {
    present: BTreeMap<String, User>,
    /// What registries have, where a test says so; what it does not say, they have too.
    offered: BTreeMap<String, User>,
    /// Hosts of which nothing can be pulled.
    unreachable: BTreeSet<String>,
}

// === impl Script ===

impl Script {
    pub fn once(&mut self, path: &str, answer: Answer) {
        self.once.entry(path.to_owned()).or_default().push_back(answer);
    }

    pub fn always(&mut self, path: &str, answers: Answers) {
        self.always.insert(path.to_owned(), answers);
    }

    /// What to ask for an answer, after the answers that were told for once.
    pub fn told(&mut self, path: &str, is_own: bool) -> Result<Answer, Option<Answers>> {
        match self.once.get_mut(path).filter(|_| !is_own).and_then(VecDeque::pop_front) {
            Some(answer) => Ok(answer),
            None => Err(self.always.get(path).cloned()),
        }
    }

    /// For a call that nobody told it about.
    pub fn untold(&mut self, call: &Seen) -> Answer {
        let path = call.path();
        let Some(method) =
            ["/runtime.v1.", "/runtime.v1alpha2."].into_iter().find_map(|package| path.strip_prefix(package))
        else {
            return Answer::refusal(Code::Unimplemented, "unknown service");
        };
        match method {
            "RuntimeService/Version" => Answer::message(&version(path)),
            "ImageService/ImageStatus" => self.images.status(&call.message()),
            "ImageService/PullImage" => self.images.pull(&call.message()),
            _ => Answer::refusal(Code::Unimplemented, "unknown method"),
        }
    }
}

fn version(path: &str) -> VersionResponse {
    let api = if path.contains("v1alpha2") { "v1alpha2" } else { "v1" };
    VersionResponse {
        version: "0.1.0".to_owned(),
        runtime_name: "standin".to_owned(),
        runtime_version: "1.0.0".to_owned(),
        runtime_api_version: api.to_owned(),
    }
}

// === impl Images ===

impl Images {
    pub fn add(&mut self, name: &str, user: User) {
        self.present.insert(name.to_owned(), user);
    }

    pub fn offer(&mut self, name: &str, user: User) {
        self.offered.insert(name.to_owned(), user);
    }

    pub fn cut_off(&mut self, host: &str) {
        self.unreachable.insert(host.to_owned());
    }

    fn status(&self, request: &ImageStatusRequest) -> Answer {
        let name = request.image.as_ref().map_or("", |spec| &spec.image);
        let image = self.present.get(name).map(|user| {
            let (uid, username) = match user {
                User::Unsaid => (None, String::new()),
                User::Number(value) => (Some(Int64Value { value: *value }), String::new()),
                User::Name(name) => (None, name.clone()),
            };
            // A kubelet refuses an image without a size.
            let repo_tags = vec![name.to_owned()];
            Image { id: id(name), repo_tags, size: 1, uid, username, ..Image::default() }
        });
        Answer::message(&ImageStatusResponse { image, ..ImageStatusResponse::default() })
    }

    fn pull(&mut self, request: &PullImageRequest) -> Answer {
        let name = request.image.as_ref().map_or("", |spec| &spec.image);
        if name.split('/').next().is_some_and(|host| self.unreachable.contains(host)) {
            // In the words of containerd 1.6.
            let text = format!("failed to resolve reference \"{name}\": failed to do request: connection refused");
            return Answer::refusal(Code::Unknown, &text);
        }
        let user = self.offered.get(name).cloned().unwrap_or(User::Unsaid);
        // One that is there stays as it is: a pull is no way to lose its user.
        self.present.entry(name.to_owned()).or_insert(user);
        Answer::message(&PullImageResponse { image_ref: id(name) })
    }
}

/// Looks like the ID of an image, and differs between names.
fn id(name: &str) -> String {
    let hash = Sha256::digest(name);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
