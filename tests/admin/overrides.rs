//! Overrides, as they are asked for by HTTP and by the command.

use super::*;

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused_and_changes_nothing() {
    let pair = Pair::start().await;
    let long = "x".repeat(1 << 20);
    let named = |rule: &str| json!({"rule": rule, "instead": "observe", "seconds": 60}).to_string();
    for (wish, why) in [
        (String::new(), "EOF"),
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "invalid"),
        ("\u{fffd}".to_owned(), "expected value"),
        (r#"{"rule": "moved", "instead": "observe"}"#.to_owned(), "missing field `seconds`"),
        (r#"{"rule": "moved", "instead": "deny", "seconds": 60}"#.to_owned(), "unknown variant `deny`"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": -1}"#.to_owned(), "invalid value"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 60, "uid": 0}"#.to_owned(), "unknown field `uid`"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 0}"#.to_owned(), "from a second to 7 days"),
        (r#"{"rule": "moved", "instead": "observe", "seconds": 604801}"#.to_owned(), "from a second to 7 days"),
        (format!(r#"{{"rule": "moved", "instead": "observe", "seconds": {}}}"#, u64::MAX), "from a second to 7 days"),
        (named("none"), "there is no rule `none`; there is `moved`, `looked-at`, `retired`"),
        (named(&long), "could not be read to its end"),
        (r#"{"rule": "moved", "instead": null, "seconds": 0}"#.to_owned(), "rule `moved` is not overridden"),
    ] {
        let answer = pair.admin.post("/override", &wish);
        assert_eq!(answer.code, 400, "{}: {answer:?}", &wish[..wish.len().min(80)]);
        assert!(answer.body.contains(why) && answer.body.len() < 1000, "{why}: {answer:?}");
    }
    // One that does not come to its end is no wish either.
    let half = request("POST", "/override", &named("moved"));
    connected(&pair.repoint.admin()).write_all(&half.as_bytes()[..half.len() - 1]).unwrap();
    assert_eq!(pair.admin.status()["overrides"], json!([]));
    assert_eq!(pair.admin.page().count("repoint_overrides", &[]), 0);
    assert!(pair.overridden(0).await.is_empty());
    assert!(!pair.directory.path().join("repoint/state/overrides.json").exists());
}

#[tokio::test]
async fn an_override_is_recorded_with_whoever_asked_for_it_as_the_kernel_says() {
    if !can_be_somebody() {
        return;
    }
    let pair = Pair::start().await;
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(pair.directory.path(), 0o755);
    mode(pair.repoint.socket().parent().unwrap(), 0o755);
    let somebody = Somebody::new(12345, 12346);
    somebody.connects(&pair.repoint.admin()).expect_err("it is root's");
    mode(&pair.repoint.admin(), 0o666);

    let wish = |instead: &str| {
        request("POST", "/override", &format!(r#"{{"rule":"moved","instead":{instead},"seconds":60}}"#))
    };
    for (by, instead) in [(somebody, r#""original""#), (Somebody::new(0, 0), r#""observe""#), (somebody, "null")] {
        let mut line = by.connects(&pair.repoint.admin()).unwrap();
        line.write_all(wish(instead).as_bytes()).unwrap();
        assert_eq!(Page::read(line).code, 200);
    }
    let told: Vec<_> = pair
        .overridden(3)
        .await
        .into_iter()
        .map(|record| [&record["rule"], &record["instead"], &record["uid"]].map(Value::to_string).join(" "))
        .collect();
    assert_eq!(told, [r#""moved" "original" 12345"#, r#""moved" "observe" 0"#, r#""moved" null 12345"#]);
}

#[tokio::test]
async fn an_override_is_recorded_whether_or_not_its_answer_is_waited_for() {
    let pair = Pair::start().await;
    let wish = |seconds| json!({"rule": "moved", "instead": "observe", "seconds": seconds}).to_string();
    for number in 0..20 {
        let mut line = connected(&pair.repoint.admin());
        line.write_all(request("POST", "/override", &wish(60 + number)).as_bytes()).unwrap();
        drop(line);
    }
    assert_eq!(pair.admin.post("/override", &wish(600)).code, 200);
    // Who goes too early has not asked.
    let done = || pair.repoint.log().lines().filter(|line| line.contains("A rule is overridden")).count();
    let records = pair.overridden(done()).await;
    assert!(records.len() > 1, "none of them was heard: {}", pair.repoint.log());
    let last = &pair.admin.status()["overrides"][0];
    assert!(is_near(time(&records.last().unwrap()["until"]), time(&last["until"])), "{records:#?}");
    let kept = fs::read_to_string(pair.directory.path().join("repoint/state/overrides.json")).unwrap();
    assert_eq!(&serde_json::from_str::<Value>(&kept).unwrap()[0], last);
}

#[tokio::test]
async fn the_command_overrides_a_rule_and_ends_it_again() {
    let pair = Pair::start().await;
    let (code, said, told) = pair.asks(&["override", "moved", "original", "--for", "1h 30m"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    let until = time(&pair.admin.status()["overrides"][0]["until"]);
    assert_eq!(said, format!("rule moved: original until {until:.0} (repoint override moved --end)\n"));
    assert!(said.ends_with("Z (repoint override moved --end)\n"), "{said}");
    let (code, said, told) = pair.asks(&["override", "moved", "--end"]).await;
    assert_eq!((code, said.as_str(), told.as_str()), (0, "rule moved holds again\n", ""));
    assert_eq!(pair.admin.status()["overrides"], json!([]));
}

#[tokio::test]
async fn the_command_says_why_a_rule_is_not_overridden() {
    let pair = Pair::start().await;
    let nobody = pair.directory.path().join("nobody.sock");
    for (words, admin, expected, why) in [
        (&["moved", "--end"][..], None, 1, "repoint: rule `moved` is not overridden"),
        (
            &["mov\u{1b}[2Jed", "observe", "--for", "2h"],
            None,
            1,
            "there is no rule `mov\\u{1b}[2Jed`; there is `moved`, `looked-at`, `retired`",
        ),
        (
            &["moved", "observe", "--for", "soon"],
            None,
            2,
            "--for soon: expected a time such as 2h or 30m, up to 7 days",
        ),
        (&["moved", "observe", "--for", "8d"], None, 2, "up to 7 days"),
        (&["moved", "observe", "--for", "0s"], None, 2, "expected a time"),
        (&["moved", "observe"], None, 2, "--for <TIME>"),
        (&["moved", "deny", "--for", "2h"], None, 2, "[possible values: original, observe]"),
        (&["moved", "observe", "--for", "2h", "--end"], None, 2, "cannot be used with"),
        (&["moved", "observe", "--for", "2h"], Some(&nobody), 1, "is it running (systemctl status repoint)?"),
    ] {
        let admin = admin.cloned().unwrap_or_else(|| pair.repoint.admin());
        let (code, said, told) = asks(&admin, &[&["override"], words].concat()).await;
        assert_eq!((code, said.as_str()), (expected, ""), "{words:?}: {told}");
        assert!(told.contains(why) && !told.contains('\u{1b}'), "{words:?}: {told}");
    }
    assert!(pair.overridden(0).await.is_empty());
}
