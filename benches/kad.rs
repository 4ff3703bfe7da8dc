//! Kademlia's hot path: an answer from the routing table, and whole look-ups in a settled network without a clock.
//!
//! For instructions a message: `valgrind --tool=callgrind --toggle-collect='*look_ups*' <this binary> --test`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use edge_faas_core::context::{Config, Context, FunctionTable, Outputs};
use edge_faas_core::draws::{Draws, Purpose, Stream};
use edge_faas_core::io::{Exchange, Input, Output};
use edge_faas_core::kad::{Target, wire};
use edge_faas_core::key::{Key, KeyTable, PeerHandle};
use edge_faas_core::peer::Peer;
use edge_faas_core::time::Time;
use std::collections::VecDeque;
use std::hint::black_box;

struct Network {
    config: Config,
    keys: KeyTable,
    functions: FunctionTable,
    draws: Draws,
    out: Outputs,
    nodes: Vec<Peer>,
    queue: VecDeque<(PeerHandle, Input)>,
    exchanges: Vec<Exchange>,
}

impl Network {
    /// Nodes whose buckets are as full as they can be.
    fn settled(n: usize) -> Self {
        let draws = Draws::new(1, 0);
        let mut random = draws.stream(Purpose(1_000), 0);
        let mut sorted: Vec<Key> =
            (0..n).map(|_| Key::from_words([random.next_u64(), random.next_u64(), 0, 0])).collect();
        sorted.sort_unstable();
        let mut keys = KeyTable::with_capacity(n);
        for key in &sorted {
            keys.push(*key);
        }
        let mut network = Network {
            config: Config::default(),
            keys,
            functions: FunctionTable::default(),
            draws,
            out: Outputs::default(),
            nodes: (0..n).map(|i| Peer::new(PeerHandle::new(i as u32))).collect(),
            queue: VecDeque::new(),
            exchanges: Vec::new(),
        };
        for (i, own) in sorted.iter().enumerate() {
            let mut peers = Vec::new();
            let mut lens = Vec::new();
            let (mut low, mut high) = (0, n);
            for bit in 0..64 {
                // Members of low..high share `bit` bits with the node; the half it is not in is its bucket.
                let mask = 1u64 << (63 - bit);
                let middle = low + sorted[low..high].partition_point(|key| key.prefix() & mask == 0);
                let (bucket, rest) = match own.prefix() & mask {
                    0 => (middle..high, low..middle),
                    _ => (low..middle, middle..high),
                };
                lens.push(fill(&mut peers, bucket, &mut random));
                (low, high) = (rest.start, rest.end);
                if high - low <= 1 {
                    break;
                }
            }
            let Network { config, keys, functions, draws, out, nodes, .. } = &mut network;
            let cx = Context { identity: i as u64, config, peers: keys, functions, draws, out };
            nodes[i].kad_mut().settle(&cx, Time::ZERO, &peers, &lens);
        }
        network
    }

    fn input(&mut self, node: PeerHandle, input: Input) {
        let peer = &mut self.nodes[node.index()];
        let mut cx = Context {
            identity: node.index() as u64,
            config: &self.config,
            peers: &self.keys,
            functions: &self.functions,
            draws: &self.draws,
            out: &mut self.out,
        };
        peer.handle(&mut cx, Time::ZERO, input);
        while let Some(output) = peer.poll(&mut cx) {
            match output {
                Output::KadRequest { to, exchange, request } => {
                    self.exchanges.push(exchange);
                    let reply = self.exchanges.len() as u32 - 1;
                    let input = Input::KadRequest { from: node, server: true, reply, request };
                    self.queue.push_back((to, input));
                }
                Output::KadResponse { to, reply, response } => {
                    let input = Input::KadResponse {
                        from: node,
                        exchange: self.exchanges[reply as usize],
                        bytes: wire::response_len(&response, &self.config),
                        dialled: false,
                        response,
                    };
                    self.queue.push_back((to, input));
                }
                other => {
                    black_box(other);
                }
            }
        }
        black_box(peer.poll_timeout());
    }
}

/// Up to twenty different members of a range.
fn fill(peers: &mut Vec<PeerHandle>, bucket: std::ops::Range<usize>, random: &mut Stream) -> u8 {
    let start = peers.len();
    if bucket.len() <= 20 {
        peers.extend(bucket.map(|i| PeerHandle::new(i as u32)));
    } else {
        while peers.len() < start + 20 {
            let peer = PeerHandle::new((bucket.start + random.below(bucket.len() as u64) as usize) as u32);
            if !peers[start..].contains(&peer) {
                peers.push(peer);
            }
        }
    }
    (peers.len() - start) as u8
}

/// Runs look-ups one after another; returns the messages.
#[inline(never)]
fn look_ups(network: &mut Network, first: u64, count: u64) -> u64 {
    let mut messages = 0;
    for number in first..first + count {
        let node = PeerHandle::new((number * 7_919 % network.nodes.len() as u64) as u32);
        network.exchanges.clear();
        network.input(node, Input::FindClosest { target: Target::random(number) });
        while let Some((to, input)) = network.queue.pop_front() {
            messages += 1;
            network.input(to, input);
        }
    }
    messages
}

fn kad(criterion: &mut Criterion) {
    let sizes: Vec<usize> = match std::env::var("KAD_NODES") {
        Ok(sizes) => sizes.split(',').filter_map(|size| size.parse().ok()).collect(),
        Err(_) => vec![1_000, 100_000],
    };
    for n in sizes {
        let mut network = Network::settled(n);
        let mut random = network.draws.stream(Purpose(1_001), 0);
        let mut group = criterion.benchmark_group("kad");
        group.bench_function(BenchmarkId::new("closest", n), |bencher| {
            bencher.iter(|| {
                let node = &network.nodes[random.below(n as u64) as usize];
                let target = Key::from_words([random.next_u64(), 0, 0, 0]);
                black_box(node.kad().table().closest(node.me(), &target, 20, None, &network.keys))
            });
        });
        // The same look-ups every time, so that instructions can be compared.
        let messages = look_ups(&mut network, 0, 200);
        println!("{n} nodes: 200 look-ups take {messages} messages");
        group.throughput(Throughput::Elements(messages));
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("look-ups, by message", n), |bencher| {
            bencher.iter(|| black_box(look_ups(&mut network, 0, 200)));
        });
        group.finish();
    }
}

criterion_group!(benches, kad);
criterion_main!(benches);
