//! What users send, over seeded and over damaged texts.

#[path = "../../fuzz/bodies/http_input.rs"]
mod body;

use proptest::prelude::*;

const SEEDS: [&str; 9] = [
    "/a/b%2Fc?x=%2e%2e/..",
    "/%2e%2e/%252e%252e/..;/x",
    "resize.staging",
    r#"{"http_method":"PUT","path_and_query":"/a?b","headers":{"x-a":"1"},"body":{"a":[1.0,"007"]}}"#,
    r#"{"body_base64":"/wA=","path_and_query":"/..%2f"}"#,
    r#"{"service":"f","image":"builtin/sleep","envVars":{"duration":"1s"},"labels":null,"limits":{"cpu":"1"},"x":[1]}"#,
    r#"{"name":"f","namespace":"n","invocationCount":1.5,"usage":{"cpu":1},"replicas":1,"value":"v"}"#,
    "[network]\nlisten = [\"/ip4/0.0.0.0/tcp/4001\"]\n[timeouts]\ncall = \"1min\"\n[limits]\nhead = \"64KiB\"\n",
    "network.bootstrap=/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDEqLfHSqyH6nYfP23QEPhJHvsQwtqXBKP5hqL3sJNhaX",
];

#[test]
fn seeds_are_read() {
    for seed in SEEDS {
        body::http_input(seed.as_bytes());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        body::http_input(&bytes);
    }

    #[test]
    fn paths_made_of_what_is_dangerous_stay_inside_or_are_refused(path in "/([.%2eE5cCfF/;a?\\\\]|%2e|%2f|%5c|\\.\\./){0,16}") {
        body::http_input(path.as_bytes());
    }

    #[test]
    fn damaged_seeds_are_read_or_refused(
        seed in 0..SEEDS.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        body::http_input(&bytes);
    }
}
