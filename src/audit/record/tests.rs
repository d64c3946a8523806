use super::form::LONGEST_TEXT;
use super::*;

fn pull() -> Pull {
    Pull {
        rule: "kubernetes".to_owned(),
        image: "k8s.gcr.io/pause:3.9".to_owned(),
        substitute: Some("registry.k8s.io/pause:3.9".to_owned()),
        pod: Some(Pod { namespace: "default".into(), name: "web".into(), uid: "u-1".into() }.into()),
        api: "v1",
        outcome: Some(Outcome::Pulled),
        status: Some(Status { code: 0, message: String::new() }),
        image_ref: Some("sha256:aa".to_owned()),
        digest: None,
        aliases: vec!["k8s.gcr.io/pause:3.9".to_owned()],
        post_freeze: false,
        attempts: Vec::new(),
        duration: Duration::from_millis(12),
    }
}

fn line(event: Event, body: Body) -> String {
    let origin = Origin {
        node: "node-1".to_owned(),
        machine_id: Some("m".to_owned()),
        boot_id: None,
        labels: BTreeMap::from([("cluster".to_owned(), "prod".to_owned())]),
        version: "VERSION",
        config: "c0ffee".to_owned(),
    };
    let record = Record { time: "2023-03-20T12:00:00.5Z".parse().unwrap(), event, body };
    let line = String::from_utf8(record.line(&origin, 7).unwrap()).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

const ORIGIN: &str = r#""schema":1,"time":"2023-03-20T12:00:00.500000Z","seq":7,"node":"node-1","machine_id":"m","boot_id":null,"labels":{"cluster":"prod"},"version":"VERSION","config":"c0ffee""#;

#[test]
fn a_record_is_one_line_with_its_fields_in_their_order() {
    let expected = format!(
        "{{{ORIGIN},{}",
        r#""event":"substituted","rule":"kubernetes","image":"k8s.gcr.io/pause:3.9","substitute":"registry.k8s.io/pause:3.9","pod":{"namespace":"default","name":"web","uid":"u-1"},"api":"v1","outcome":"pulled","status":{"code":0,"message":""},"image_ref":"sha256:aa","digest":null,"aliases":["k8s.gcr.io/pause:3.9"],"post_freeze":false,"attempts":[],"duration_ms":12}"#
    );
    assert_eq!(line(Event::Substituted, Body::Pull(Box::new(pull()))), expected);
    let start = Body::Start(Box::new(Start { rules: 2, configuration: "files", message: None, repaired: 9 }));
    assert_eq!(
        line(Event::Started, start),
        format!(
            "{{{ORIGIN},\"event\":\"started\",\"rules\":2,\"configuration\":\"files\",\"message\":null,\"repaired\":9}}"
        )
    );
    let count = Count { since: Timestamp::UNIX_EPOCH, counters: Counters::default(), last_call: None };
    let expected = format!(
        "{{{ORIGIN},{}",
        r#""event":"heartbeat","since":"1970-01-01T00:00:00.000000Z","counters":{"calls":0,"asked":0,"substituted":0,"fell_back":0,"failed":0,"observed":0,"denied":0,"used":0,"lost":0},"last_call":null}"#
    );
    assert_eq!(line(Event::Heartbeat, Body::Count(Box::new(count))), expected);
}

#[test]
fn foreign_text_can_neither_break_nor_flood_a_line() {
    let image = "x\n{\"schema\":1}\u{1b}[2J\u{7f}\u{85}\u{9b}2J\u{2028}é".to_owned();
    let pull = Pull { image: image.clone(), substitute: Some("é".repeat(1 << 20)), ..pull() };
    let line = line(Event::Substituted, Body::Pull(Box::new(pull)));
    let acts = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!line.chars().any(acts), "{line:.200}");
    assert!(line.contains("\\u0085\\u009b2J\\u2028é"), "{line:.200}");
    assert!(line.len() < 2 * LONGEST_TEXT, "{} bytes", line.len());
    let back: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(back["image"], image);
    assert!(back["substitute"].as_str().unwrap().ends_with("bytes cut)"));
}

#[test]
fn an_event_is_called_the_same_everywhere() {
    for event in [Event::FellBack, Event::SandboxImage, Event::Substituted, Event::Heartbeat, Event::Intended] {
        assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
    }
}
