//! Files of measured latencies, made up and damaged: read or refused, never a panic.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/bodies/latency_matrix.rs"]
mod body;

use edge_faas_core::draws::{Draws, Purpose};
use proptest::prelude::*;

/// One of each format; whole, each is read by at least one reader.
const FILES: [&str; 4] = [
    "0 12.5 80\n12.4 0 31\n80.1 30.7 0\n",
    "topology 3 3\nnode 1\nnode 2\nnode 3\n1,2 52000\n1,3 81000\n2,3 -1\n",
    "lisbon,oslo 61.2\noslo,lisbon 61.9\nlisbon,rome 33\nrome,oslo 48\n",
    "source,destination,timestamp,min,avg,max\n1,2,x,9,10.5,12\n2,1,x,9,10.7,12\n",
];

#[test]
fn damaged_files_do_not_panic() {
    const BYTES: &[u8] = b"\0\n\r\t ,.;-+0918eEnaNx\xff\x1f\x8b";
    for file in FILES {
        assert!(body::latency_matrix(file.as_bytes()) > 0, "{file}");
    }
    let (mut read, rounds) = (0, 2_000u64);
    for round in 0..rounds {
        let mut stream = Draws::new(1, 0).stream(Purpose::CHOICE, round);
        let mut bytes = FILES[stream.below(FILES.len() as u64) as usize].as_bytes().to_vec();
        for _ in 0..=stream.below(3) {
            let at = stream.below(bytes.len() as u64 + 1) as usize;
            let end = (at + stream.below(4) as usize).min(bytes.len());
            let with = (0..stream.below(3)).map(|_| BYTES[stream.below(BYTES.len() as u64) as usize]);
            let with: Vec<u8> = with.collect();
            bytes.splice(at..end, with);
        }
        read += u64::from(body::latency_matrix(&bytes) > 0);
    }
    assert!(read > rounds / 20 && read < rounds, "damage spares some and spoils others: {read} of {rounds}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "([0-9a-c.,;\t -]|nan|node|source|destination|avg|\n){0,80}",
    ) {
        body::latency_matrix(text.as_bytes());
    }
}
