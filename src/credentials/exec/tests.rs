use super::*;
use crate::error::Chain;
use std::path::Path;

const AMPLE: Duration = Duration::from_secs(60);

/// A script of `sh`, which has `args` as `$1` and so on.
fn script(body: &str, args: &[&str], limit: Duration) -> Program {
    let args = ["-c", body, "script"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    Program { command: "/bin/sh".into(), args, env: vec![("GIVEN".into(), "given".into())], limit }
}

async fn failure(body: &str, limit: Duration) -> String {
    let program = script(body, &[], limit);
    let failed = match program.run(b"input").await {
        Ok(output) => output.success(&program).unwrap_err(),
        Err(failed) => failed,
    };
    let printed = format!("{} {failed:?}", Chain(&failed));
    assert!(!printed.contains("hunter2"), "{printed}");
    Chain(&failed).to_string()
}

#[tokio::test]
async fn a_program_gets_its_input_and_environment_and_is_heard() {
    let program = script("cat; printf \" $1 $GIVEN ${PATH:+path}\"; echo noise >&2", &["argument"], AMPLE);
    let answer = program.run(b"input").await.unwrap().success(&program).unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "input argument given path");
}

#[test]
fn what_systemd_tells_repoint_is_not_handed_on_unless_somebody_says_so() {
    let mut program = script("", &[], AMPLE);
    program.env.push(("STATE_DIRECTORY".into(), "/own".into()));
    let command = program.command();
    let changed = |name: &str| command.as_std().get_envs().find(|(changed, _)| *changed == name).map(|(_, to)| to);
    for name in ["CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
        assert_eq!(changed(name), Some(None), "{name}");
    }
    assert_eq!(changed("STATE_DIRECTORY"), Some(Some("/own".as_ref())));
    assert_eq!(changed("HOME"), None);
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let program = script("echo done", &[], AMPLE);
    let input = vec![b'x'; 1 << 20];
    assert_eq!(*program.run(&input).await.unwrap().success(&program).unwrap(), b"done\n");
}

#[tokio::test]
async fn a_program_that_fails_is_quoted_from_its_standard_error_alone() {
    let said = failure("echo hunter2; echo hunter2 >&2; printf 'no\\033[31m luck\\n\\n' >&2; exit 3", AMPLE).await;
    assert_eq!(said, "`/bin/sh` ended with exit status: 3: no[31m luck");
    assert_eq!(failure("echo hunter2; kill -9 $$", AMPLE).await, "`/bin/sh` ended with signal: 9 (SIGKILL)");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed() {
    let limit = Duration::from_millis(100);
    assert_eq!(failure("echo hunter2; exec sleep 600", limit).await, "`/bin/sh` did not end within 100ms");
    // It ended, and what it started still holds its output open.
    assert_eq!(failure("sleep 600 & echo hunter2", limit).await, "`/bin/sh` did not end within 100ms");
}

#[tokio::test]
async fn a_program_that_writes_without_end_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program = script("sleep 600 & echo $! > \"$1\"; yes hunter2", &[file.to_str().unwrap()], AMPLE);
    let failed = program.run(b"").await.unwrap_err();
    assert_eq!(failed.to_string(), "`/bin/sh` wrote more than 1048576 bytes");
    let pid = std::fs::read_to_string(&file).unwrap();
    // Killed it is already; gone, or waiting for its new parent to notice, it is soon.
    while alive(pid.trim()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_left_the_group_of_a_killed_program_outlives_it_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let leave = "setsid sh -c 'echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; exec sleep 600' daemon \"$1\" &";
    let body = format!("{leave} until [ -e \"$1\" ]; do sleep 0.01; done; yes");
    let program = script(&body, &[file.to_str().unwrap()], AMPLE);
    assert!(matches!(program.run(b"").await, Err(Failed::Large(_))));
    let pid = std::fs::read_to_string(&file).unwrap();
    assert!(alive(pid.trim()));
    kill_process_group(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_program_is_killed_when_nobody_waits_for_it_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program =
        script("echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; exec sleep 600", &[file.to_str().unwrap()], AMPLE);
    let pid = async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(pid) => break pid,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    let pid = tokio::select! {
        ended = program.run(b"") => panic!("{ended:?}"),
        pid = pid => pid,
    };
    while alive(pid.trim()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[tokio::test]
async fn much_standard_error_neither_stops_a_program_nor_is_kept() {
    let program = script("yes complaint | head -c 1000000 >&2; echo done", &[], AMPLE);
    let output = program.run(b"").await.unwrap();
    assert_eq!(output.stderr.len(), LARGEST_COMPLAINT);
    assert_eq!(*output.success(&program).unwrap(), b"done\n");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let program = Program { command: "docker-credential-none".into(), args: vec![], env: vec![], limit: AMPLE };
    assert_eq!(program.run(b"").await.unwrap_err().to_string(), "there is no program `docker-credential-none`");
    let program = Program { command: "/etc/passwd".into(), args: vec![], env: vec![], limit: AMPLE };
    let failed = program.run(b"").await.unwrap_err();
    assert!(Chain(&failed).to_string().starts_with("`/etc/passwd` could not be run: "), "{}", Chain(&failed));
}

#[tokio::test]
async fn a_program_that_wants_another_that_is_not_there_is_not_said_to_be_missing_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("helper");
    let command = file.to_str().unwrap();
    // Another process writes it: one that is open for writing somewhere can't be run.
    let write = script("printf '#!/nonexistent/python3\\n' >\"$1\"; chmod 755 \"$1\"", &[command], AMPLE);
    write.run(b"").await.unwrap().success(&write).unwrap();
    let program = Program { command: command.into(), args: vec![], env: vec![], limit: AMPLE };
    let expected = format!("`{command}` is there, but not the interpreter or loader that it asks for");
    assert_eq!(program.run(b"").await.unwrap_err().to_string(), expected);
}

#[tokio::test(start_paused = true)]
async fn programs_queue_for_a_bounded_time() {
    let gate = Gate::new();
    let program = script("", &[], AMPLE);
    let mut running = Vec::new();
    for _ in 0..AT_ONCE {
        running.push(gate.enter(&program).await.unwrap());
    }
    assert!(matches!(gate.enter(&program).await, Err(Failed::Busy { .. })));
    running.pop();
    running.push(gate.enter(&program).await.unwrap());
}

#[test]
fn a_quote_is_short_and_harmless() {
    assert_eq!(quote(b""), "");
    assert_eq!(quote(b"one\r\ntwo\x07\x1b]0;x\x07\r\n  \n"), "two]0;x");
    assert_eq!(quote("a\u{202e}b\u{2066}c\u{85}\u{200b}\u{feff}\u{61c}".as_bytes()), "abc");
    assert_eq!(quote(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    assert_eq!(quote("ä".repeat(1000).as_bytes()), "ä".repeat(LONGEST_QUOTE) + "…");
}
