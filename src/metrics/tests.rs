use super::*;

fn page(metrics: &Metrics, at: &Moment) -> String {
    metrics.encode(at).unwrap()
}

#[test]
fn what_cannot_be_said_is_not_on_the_page() {
    let metrics = Metrics::default();
    let silent = page(&metrics, &Moment::default());
    assert!(!silent.contains("last_call") && !silent.contains("audit_room"), "{silent}");
    let last_call = Some(Timestamp::from_millisecond(1_500).unwrap());
    let said = page(&metrics, &Moment { last_call, audit_room: Some(4096) });
    assert!(said.contains("\nrepoint_last_call_timestamp_seconds 1.5\n"), "{said}");
    assert!(said.contains("\nrepoint_audit_room_bytes 4096\n"), "{said}");
}

#[test]
fn what_has_few_values_begins_at_0() {
    let metrics = Metrics::default();
    metrics.start(Timestamp::from_second(9).unwrap());
    let page = page(&metrics, &Moment::default());
    for line in [
        "repoint_start_timestamp_seconds 9.0",
        "repoint_presence_answers_total{answer=\"substitute\"} 0",
        "repoint_config_reloads_total{outcome=\"refused\"} 0",
        "repoint_config_last_reload_successful 1",
        "repoint_config_last_reload_success_timestamp_seconds 9.0",
        "repoint_connections_refused_total{reason=\"uid\"} 0",
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line}: {page}");
    }
}

#[test]
fn one_configuration_is_in_force() {
    let metrics = Metrics::default();
    for (hash, source) in [("a", "files"), ("b", "last_good")] {
        metrics.runs(&Config { hash: hash.to_owned(), source });
    }
    let page = page(&metrics, &Moment::default());
    assert!(page.contains("\nrepoint_config_info{hash=\"b\",source=\"last_good\"} 1\n"), "{page}");
    assert_eq!(page.matches("\nrepoint_config_info{").count(), 1, "{page}");
}

#[test]
fn a_configuration_that_is_refused_is_not_the_one_in_force() {
    let metrics = Metrics::default();
    let at = |second| Timestamp::from_second(second).unwrap();
    metrics.start(at(1));
    metrics.reloaded("loaded", at(2));
    metrics.reloaded("refused", at(3));
    let says = |line: &str| page(&metrics, &Moment::default()).contains(&format!("\n{line}\n"));
    assert!(says("repoint_config_last_reload_successful 0"));
    assert!(says("repoint_config_last_reload_success_timestamp_seconds 2.0"));
    assert!(says("repoint_config_reloads_total{outcome=\"refused\"} 1"));
    metrics.reloaded("loaded", at(4));
    assert!(says("repoint_config_last_reload_successful 1"));
    assert!(says("repoint_config_last_reload_success_timestamp_seconds 4.0"));
}

#[test]
fn clones_count_together() {
    let metrics = Metrics::default();
    let clone = metrics.clone();
    clone.connections.inc();
    assert_eq!((metrics.connections.get(), clone.connections.get()), (1, 1));
}
