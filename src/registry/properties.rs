//! Whatever the other side says, or somebody writes into a variable, is read to its end and does no harm.

use super::certificate::Certificate;
use super::challenge;
use super::manifest::{Manifest, Platform};
use super::proxy::Proxies;
use super::url::Url;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_challenge_is_read_to_its_end(header in "[ -~]{0,80}|((Bearer|Basic|,| |=|\"|\\\\|realm=\"?[a-z]*\"?){0,12})") {
        prop_assert!(challenge::read(&header).len() <= header.len());
    }

    #[test]
    fn where_a_redirect_leads_is_an_address_again(location in "\\PC{0,60}|(https?:)?(//)?[a-z@:0-9\\[\\].%?#/]{0,40}") {
        let from = Url::parse("https://a.example/v2/x").unwrap();
        if let Some(url) = from.join(&location) {
            prop_assert_eq!(Url::parse(&format!("{}{}", url.origin.url(), url.path)), Some(url.clone()));
            prop_assert!(!url.shown().contains('?') && url.path.starts_with('/'));
            prop_assert!(!url.shown().contains(char::is_control));
        }
    }

    #[test]
    fn any_variable_is_a_proxy_or_none(https in "\\PC{0,40}|(http://)?[a-z@:0-9\\[\\].%/]{0,30}", exempt in "[a-z0-9.*:/,\\[\\] ]{0,60}") {
        let proxies = Proxies::new(Some(&https), None, Some(&exempt));
        let _either = proxies.find(true, "registry.example", 443);
        prop_assert!(matches!(proxies.find(true, "127.0.0.1", 443), Ok(None)));
    }

    #[test]
    fn a_platform_is_written_as_it_is_read(text in "[a-zA-Z0-9._-]{1,8}(/[a-zA-Z0-9._-]{1,8}){1,2}") {
        let platform: Platform = text.parse().unwrap();
        prop_assert_eq!(&platform.to_string().parse::<Platform>().unwrap(), &platform);
        prop_assert!(platform.is_served_by(&platform));
    }

    #[test]
    fn any_bytes_are_a_manifest_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = Manifest::read("a.example", "sha256:0".to_owned(), &bytes);
        prop_assert_eq!(Certificate::read(&bytes), None);
    }
}
