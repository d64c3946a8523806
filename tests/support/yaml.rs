//! Files in YAML, read by who is there to read them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::python;

/// What the file says. `None` where nobody here reads YAML, which is said.
pub fn read(file: &Path) -> Option<Value> {
    const PROGRAM: &str = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let python = python::with("yaml", "python3-yaml", "no reader of YAML")?;
    let run = Command::new(python).args(["-c", PROGRAM]).arg(file).output().unwrap();
    assert!(run.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&run.stderr));
    Some(serde_json::from_slice(&run.stdout).unwrap())
}
