//! The system calls that a unit leaves, as programs for the kernel: what systemd makes of the same lines.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

use crate::support::unit::Unit;

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;
const EAFNOSUPPORT: i32 = 97;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;

const PROT_EXEC: u32 = 4;
const PROT_WRITE_EXEC: u32 = 2 | PROT_EXEC;
const SHM_EXEC: u32 = 0o100_000;
const SET_ID: [u32; 2] = [0o4000, 0o2000];

/// Those of time, mounts, cgroups, names, IPC, users, processes and networks.
const NAMESPACES: [u32; 8] =
    [0x80, 0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// `SCHED_OTHER`, `SCHED_BATCH` and `SCHED_IDLE`.
const NOT_REALTIME: [u32; 3] = [0, 3, 5];

/// In the order in which they are to be applied: the list of all that is left comes last, or it would have to leave what
/// applies them.
pub fn all(unit: &Unit) -> Vec<BpfProgram> {
    let mut filters = Vec::new();
    if unit.is_on("MemoryDenyWriteExecute") {
        let rules = [
            rule("mmap", &[has(2, PROT_WRITE_EXEC)]),
            rule("mprotect", &[has(2, PROT_EXEC)]),
            rule("pkey_mprotect", &[has(2, PROT_EXEC)]),
            rule("shmat", &[has(2, SHM_EXEC)]),
        ];
        filters.push(refusing(&rules, EPERM));
    }
    if unit.is_on("RestrictNamespaces") {
        let made = NAMESPACES.map(|kind| [rule("unshare", &[has(0, kind)]), rule("clone", &[has(0, kind)])]);
        filters.push(refusing(&[made.concat(), vec![rule("setns", &[])]].concat(), EPERM));
        // Its flags are in memory, where no filter can look: the C library then tries the older one.
        filters.push(refusing(&[rule("clone3", &[])], ENOSYS));
    }
    if unit.is_on("RestrictRealtime") {
        let other = NOT_REALTIME.map(|policy| is_not(1, policy));
        filters.push(refusing(&[rule("sched_setscheduler", &other)], EPERM));
    }
    if unit.is_on("RestrictSUIDSGID") {
        let modes = [("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2), ("mkdirat", 2), ("mknodat", 2)];
        let rules: Vec<_> =
            modes.iter().flat_map(|(name, mode)| SET_ID.map(|bit| rule(name, &[has(*mode, bit)]))).collect();
        filters.push(refusing(&rules, EPERM));
    }
    if unit.is_on("LockPersonality") {
        filters.push(refusing(&[rule("personality", &[is_not(0, 0)])], EPERM));
    }
    let families = unit.words("RestrictAddressFamilies");
    if !families.is_empty() {
        let other: Vec<_> = families.iter().map(|name| is_not(0, family(name))).collect();
        filters.push(refusing(&[rule("socket", &other)], EAFNOSUPPORT));
    }
    let left = left(&unit.values("SystemCallFilter"), &groups());
    if !left.is_empty() {
        assert_eq!(unit.value("SystemCallErrorNumber"), Some("EPERM"), "what else is refused with");
        let rules: Vec<_> = left.iter().map(|name| rule(name, &[])).collect();
        filters.push(compiled(&rules, &json!("allow"), &json!({ "errno": EPERM })));
    }
    filters
}

/// What these lines leave, of the calls that this machine has.
pub fn left(lines: &[&str], groups: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    for (number, line) in lines.iter().enumerate() {
        let (takes, words) = match line.strip_prefix('~') {
            Some(words) => (true, words),
            None => (false, *line),
        };
        assert!(number > 0 || !takes, "a list of what is left begins with what is");
        let named = words.split_whitespace().flat_map(|word| resolved(word, groups));
        if takes {
            named.for_each(|name| _ = left.remove(&name));
        } else {
            left.extend(named);
        }
    }
    if !left.is_empty() {
        // Whatever is said: without these no program starts.
        left.extend(resolved("@default", groups));
    }
    left.retain(|name| is_known(name));
    left
}

/// The groups of system calls, by this machine's systemd.
pub fn groups() -> BTreeMap<String, Vec<String>> {
    let output = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    let mut group = String::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match line.split_whitespace().next() {
            Some(word) if line.starts_with('@') => group = word.to_owned(),
            Some(word) if !word.starts_with('#') => groups.entry(group.clone()).or_default().push(word.to_owned()),
            _ => {}
        }
    }
    groups
}

fn resolved(word: &str, groups: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    if !word.starts_with('@') {
        return vec![word.to_owned()];
    }
    let members = groups.get(word).unwrap_or_else(|| panic!("systemd knows no {word}"));
    members.iter().flat_map(|member| resolved(member, groups)).collect()
}

fn family(name: &str) -> u32 {
    match name {
        "AF_UNIX" => AF_UNIX,
        "AF_INET" => AF_INET,
        "AF_INET6" => AF_INET6,
        "AF_NETLINK" => AF_NETLINK,
        other => panic!("which number has {other}?"),
    }
}

/// Matches a call of which all of this is true.
fn rule(name: &str, arguments: &[Value]) -> Value {
    if arguments.is_empty() { json!({ "syscall": name }) } else { json!({ "syscall": name, "args": arguments }) }
}

/// That an argument has all of these bits.
fn has(argument: u8, bits: u32) -> Value {
    json!({ "index": argument, "type": "dword", "op": { "masked_eq": bits }, "val": bits })
}

fn is_not(argument: u8, value: u32) -> Value {
    json!({ "index": argument, "type": "dword", "op": "ne", "val": value })
}

/// Refuses calls that match one of these; any other passes. One that this machine does not have is left out.
fn refusing(rules: &[Value], errno: i32) -> BpfProgram {
    let known: Vec<_> = rules.iter().filter(|rule| rule["syscall"].as_str().is_some_and(is_known)).cloned().collect();
    compiled(&known, &json!({ "errno": errno }), &json!("allow"))
}

fn is_known(name: &str) -> bool {
    let filter = json!({ "one": { "mismatch_action": "allow", "match_action": "trap", "filter": [rule(name, &[])] } });
    compile_from_json(filter.to_string().as_bytes(), machine()).is_ok()
}

fn compiled(rules: &[Value], matched: &Value, otherwise: &Value) -> BpfProgram {
    let filter = json!({ "one": { "mismatch_action": otherwise, "match_action": matched, "filter": rules } });
    let compiled = compile_from_json(filter.to_string().as_bytes(), machine());
    compiled.expect("a filter of calls that are known").remove("one").expect("the only one")
}

fn machine() -> TargetArch {
    std::env::consts::ARCH.try_into().expect("a machine that filters can be made for")
}
