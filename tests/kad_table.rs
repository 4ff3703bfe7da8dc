//! The routing table against a list that is simply sorted.

use edge_faas_core::kad::Table;
use edge_faas_core::key::{Key, KeyTable, PeerHandle};
use proptest::prelude::*;

const ME: PeerHandle = PeerHandle::new(0);

/// Keys that differ in their first eight bits only, so that a test can be read: node `i` has the key `i`.
fn eight_bits() -> KeyTable {
    let mut keys = KeyTable::new();
    for i in 0..=255u64 {
        keys.push(Key::from_words([i << 56, 0, 0, 0]));
    }
    keys
}

fn peer(i: u32) -> PeerHandle {
    PeerHandle::new(i)
}

#[test]
fn buckets_go_by_shared_bits() {
    let keys = eight_bits();
    let mut table = Table::default();
    for i in [0b1000_0000, 0b1111_1111, 0b0100_0000, 0b0000_0001] {
        assert!(table.seen(ME, peer(i), 20, &keys));
    }
    assert!(!table.seen(ME, ME, 20, &keys), "never itself");
    let bucket = |b| table.bucket(b).map(|(peer, _)| peer.get()).collect::<Vec<_>>();
    assert_eq!(bucket(0), [0b1000_0000, 0b1111_1111]);
    assert_eq!(bucket(1), [0b0100_0000]);
    assert_eq!(bucket(7), [1]);
    assert_eq!((table.len(), table.buckets()), (4, 8));
}

#[test]
fn a_full_bucket_keeps_the_old_and_replaces_the_stale() {
    let keys = eight_bits();
    let mut table = Table::default();
    for i in 128..131 {
        assert!(table.seen(ME, peer(i), 3, &keys));
    }
    assert!(!table.seen(ME, peer(140), 3, &keys), "all of them live");
    // Seen again: the most recent now.
    table.seen(ME, peer(128), 3, &keys);
    let order = |table: &Table| table.bucket(0).map(|(peer, stale)| (peer.get(), stale)).collect::<Vec<_>>();
    assert_eq!(order(&table), [(129, false), (130, false), (128, false)]);
    table.failed(ME, peer(130), &keys);
    assert_eq!(order(&table), [(129, false), (130, true), (128, false)]);
    assert_eq!(table.closest(ME, &keys.key(peer(130)), 20, None, &keys).len(), 2, "the stale is not named");
    // A sign of life clears it.
    table.seen(ME, peer(130), 3, &keys);
    assert_eq!(table.stale(), 0);
    table.failed(ME, peer(129), &keys);
    assert!(table.seen(ME, peer(140), 3, &keys));
    assert_eq!(order(&table), [(128, false), (130, false), (140, false)]);
    table.failed(ME, peer(128), &keys);
    table.failed(ME, peer(128), &keys);
    assert_eq!(order(&table), [(130, false), (140, false)], "failed twice");
}

#[test]
fn the_nearest_buckets_hold_at_most_k() {
    let keys = eight_bits();
    let mut table = Table::default();
    for i in 1..=255 {
        table.seen(ME, peer(i), 20, &keys);
    }
    // Bucket 3 has 16, all deeper ones 15 together, bucket 2 has 20.
    assert_eq!(table.nearest_buckets(20), 4);
    assert_eq!(table.nearest_buckets(31), 3);
    assert_eq!(table.nearest_buckets(1_000), 0);
}

#[test]
fn an_entry_takes_four_bytes() {
    let keys = eight_bits();
    let mut table = Table::default();
    for i in 1..=255 {
        table.seen(ME, peer(i), 20, &keys);
    }
    assert!(table.heap_bytes() <= 4 * table.len() + 64, "{} bytes for {}", table.heap_bytes(), table.len());
}

/// Keys that often agree in many bits, also beyond the first 64.
fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => any::<[u64; 4]>().prop_map(Key::from_words),
        2 => any::<u8>().prop_map(|low| Key::from_words([u64::from(low), 0, 0, 0])),
        2 => (any::<u8>(), 0..4usize).prop_map(|(low, word)| {
            let mut words = [0; 4];
            words[word] = u64::from(low);
            Key::from_words(words)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_names_the_closest_live_entries_and_keeps_its_invariants(
        keys in prop::collection::btree_set(key(), 2..150),
        steps in prop::collection::vec((0..10u8, any::<prop::sample::Index>()), 0..600),
        target in key(),
        k in 1..30usize,
        n in 0..40usize,
        exclude in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut table_of_keys = KeyTable::new();
        for key in &keys {
            table_of_keys.push(*key);
        }
        let keys = table_of_keys;
        let mut table = Table::default();
        for (kind, index) in steps {
            let peer = PeerHandle::new(index.index(keys.len()) as u32);
            match kind {
                0 => table.failed(ME, peer, &keys),
                1 => table.suspect(ME, peer, &keys),
                _ => {
                    let entered = table.seen(ME, peer, k, &keys);
                    prop_assert_eq!(entered, table.contains(ME, peer, &keys));
                }
            }
        }
        let mut live = Vec::new();
        let mut all = Vec::new();
        for bucket in 0..table.buckets() {
            prop_assert!(table.bucket(bucket).count() <= k);
            for (peer, stale) in table.bucket(bucket) {
                prop_assert_eq!(keys.key(ME).common_prefix(&keys.key(peer)) as usize, bucket);
                all.push(peer);
                if !stale {
                    live.push(peer);
                }
            }
        }
        prop_assert_eq!(all.len(), table.len());
        prop_assert_eq!(all.len() - live.len(), table.stale());
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), table.len());
        prop_assert!(!all.contains(&ME));

        let exclude = exclude.map(|index| PeerHandle::new(index.index(keys.len()) as u32));
        live.retain(|peer| Some(*peer) != exclude);
        live.sort_unstable_by_key(|peer| keys.key(*peer).distance(&target));
        live.truncate(n);
        let mut named = table.closest(ME, &target, n, exclude, &keys).to_vec();
        named.sort_unstable_by_key(|peer| keys.key(*peer).distance(&target));
        prop_assert_eq!(named, live);
    }
}
