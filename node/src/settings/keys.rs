//! Every setting: its name, what it means, and where it goes. The reference in `docs/node.md` is made of this list.

use super::Settings;
use super::value::{Setting, SharedKey, Size};
use toml::Value;

/// A setting.
#[derive(Clone, Copy)]
pub struct Key {
    /// Its name with its section, `limits.streams`.
    pub name: &'static str,
    /// What sort of value it has.
    pub kind: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Shows it as a file would have it; `none` for what is not set.
    pub get: fn(&Settings) -> String,
    /// Sets it; the error says what would be right.
    pub set: fn(&mut Settings, &Value) -> Result<(), String>,
}

impl Key {
    /// Its section.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its name within its section.
    pub fn short(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What sort of value stands at a place.
const fn kind<T: Setting>(_: fn(&Settings) -> &T) -> &'static str {
    T::KIND
}

macro_rules! keys {
    (@entry $name:literal, size, $($path:ident).+, $doc:literal) => {
        Key {
            name: $name,
            kind: Size::KIND,
            doc: $doc,
            get: |settings| Size(settings.$($path).+ as u64).show(),
            set: |settings, value| {
                let Size(bytes) = Size::read(value)?;
                settings.$($path).+ =
                    bytes.try_into().map_err(|_| format!("{value} is more than this machine can address"))?;
                Ok(())
            },
        }
    };
    (@entry $name:literal, secret, $($path:ident).+, $doc:literal) => {
        Key {
            name: $name,
            kind: SharedKey::KIND,
            doc: $doc,
            get: |settings| SharedKey(settings.$($path).+).show(),
            set: |settings, value| {
                let SharedKey(key) = SharedKey::read(value)?;
                settings.$($path).+ = key;
                Ok(())
            },
        }
    };
    (@entry $name:literal, plain, $($path:ident).+, $doc:literal) => {
        Key {
            name: $name,
            kind: kind(|settings| &settings.$($path).+),
            doc: $doc,
            get: |settings| settings.$($path).+.show(),
            set: |settings, value| {
                settings.$($path).+ = Setting::read(value)?;
                Ok(())
            },
        }
    };
    ($($sort:ident $name:literal => $($path:ident).+, $doc:literal;)+) => {
        /// All settings, in the order of the reference.
        pub static KEYS: &[Key] = &[$(keys!(@entry $name, $sort, $($path).+, $doc)),+];
    };
}

keys! {
    plain "network.listen" => node.network.listen,
        "Where other nodes reach this one: TCP (`/ip4/0.0.0.0/tcp/4001`), QUIC (`/ip4/0.0.0.0/udp/4001/quic-v1`).";
    plain "network.external" => node.network.external,
        "Addresses under which others reach it, where they are not those it listens on.";
    plain "network.bootstrap" => node.network.bootstrap,
        "Peers to begin with, each as `/ip4/…/tcp/…/p2p/ID`. Those that are down are tried again.";
    plain "network.mdns" => node.network.mdns,
        "Find peers on the local network by multicast DNS.";
    plain "network.allow" => node.network.allow,
        "Only these peer ids may connect; not set: everybody.";
    secret "network.pre_shared_key" => node.network.pre_shared_key,
        "Only nodes with the same key can connect. TCP only.";
    plain "network.kad_protocol" => node.network.kad_protocol,
        "Name of Kademlia's protocol. Under `/ipfs/kad/1.0.0` the extensions (withdrawal, pages) are not used.";
    plain "limits.connections" => node.limits.connections,
        "Connections to other nodes, both ways.";
    plain "limits.connections_per_peer" => node.limits.connections_per_peer,
        "Connections to one other node.";
    plain "limits.pending_incoming" => node.limits.pending_incoming,
        "Connections from others whose handshake is not over.";
    plain "limits.streams" => node.limits.streams,
        "Streams of one connection: at most so many calls are in flight on it. Up to 4,096.";
    plain "limits.kad_streams" => node.limits.kad_streams,
        "Streams for Kademlia that one connection may have opened.";
    plain "limits.kad_rate" => node.limits.kad_rate,
        "Kademlia requests a second of one connection; twice that in a burst.";
    plain "limits.call_rate" => node.limits.call_rate,
        "Calls a second of one connection; twice that in a burst. More are answered as full.";
    plain "limits.served_calls" => node.limits.served_calls,
        "Calls of other nodes that are run at once. More are answered as full.";
    plain "limits.open_calls" => node.limits.open_calls,
        "Calls of users that are under way at once. More are answered by 429.";
    size "limits.request_body" => node.limits.request_body,
        "A request's body. Larger ones are answered by 413.";
    size "limits.response_body" => node.limits.response_body,
        "An answer's body.";
    size "limits.replay_body" => node.limits.replay_body,
        "A body is kept up to this size, so that a call can be tried elsewhere; a larger one is sent once.";
    size "limits.head" => node.limits.head,
        "Method, path, query and headers together.";
    plain "limits.map_results" => node.limits.map_results,
        "Results of a manycall that are made before anybody takes one.";
    plain "timeouts.call" => node.timeouts.call,
        "For an answer, where the call does not say.";
    plain "timeouts.call_max" => node.timeouts.call_max,
        "The longest that a call may ask for.";
    plain "timeouts.dial" => node.timeouts.dial,
        "For a connection to another node to stand.";
    plain "timeouts.stall" => node.timeouts.stall,
        "For the next bytes of a message that has begun, or of a body between nodes.";
    plain "timeouts.idle" => node.timeouts.idle,
        "Until a connection that nobody uses is closed.";
    plain "timeouts.idle_stream" => node.timeouts.idle_stream,
        "Until a stream that waits for its next call is closed.";
    plain "timeouts.drain" => node.timeouts.drain,
        "For calls under way when the node is told to stop.";
    plain "http.listen" => http_listen,
        "Where the HTTP API listens.";
    plain "http.user" => user,
        "Who may use `/system/…`, with the password.";
    plain "http.password_file" => password_file,
        "The file with the password; not set: nobody is asked for one.";
    plain "http.open" => open,
        "Serve `/system/…` to other machines although nobody is asked for a password.";
    plain "http.connections" => http.connections,
        "Connections at once; others wait until one closes.";
    plain "http.head_timeout" => http.head_timeout,
        "For a request's head, and for a connection's next request.";
    plain "http.stall_timeout" => http.stall_timeout,
        "For the next bytes of a request's body.";
    plain "http.item_timeout" => http.item_timeout,
        "For the next item of a streamed manycall.";
    size "http.json_limit" => http.json_limit,
        "A body that is read whole: deployments, secrets, a manycall's list of items.";
    size "http.item_limit" => http.item_limit,
        "One item of a streamed manycall.";
    plain "runtime.kind" => runtime.kind,
        "What runs functions: those inside the node, or an OpenFaaS gateway.";
    plain "runtime.cores" => runtime.cores,
        "`builtin`: calls of `cpu` and `pi` that compute at once; 0: one a core.";
    plain "runtime.gateway" => runtime.gateway,
        "`openfaas`: the gateway's URL.";
    plain "runtime.gateway_user" => runtime.gateway_user,
        "`openfaas`: the user at the gateway.";
    plain "runtime.gateway_password_file" => runtime.gateway_password_file,
        "`openfaas`: the file with the password at the gateway; not set: it asks for none.";
    plain "runtime.poll_interval" => runtime.poll_interval,
        "`openfaas`: how often the gateway is asked what it hosts.";
    plain "runtime.timeout" => runtime.timeout,
        "`openfaas`: how long the gateway may take to answer such a question.";
    plain "runtime.concurrency" => runtime.concurrency,
        "`openfaas`: calls that one replica runs at once, where neither its annotation nor `max_inflight` says so.";
    plain "runtime.queue" => runtime.queue,
        "`openfaas`: calls of a function that may wait in the node, where its annotation does not say so.";
    plain "calls.policy" => node.core.faas.anycall,
        "How a call chooses its provider, where it does not say.";
    plain "calls.map_policy" => node.core.faas.manycall,
        "How a manycall spreads its items, where it does not say.";
    plain "calls.max_attempts" => node.core.faas.max_attempts,
        "Attempts of one call, refusals by full providers not counted.";
    plain "calls.cache_ttl" => node.core.faas.cache_ttl,
        "How long providers that were found are used without another look-up.";
    plain "calls.negative_ttl" => node.core.faas.negative_ttl,
        "How long it is believed that nobody hosts a function.";
    plain "calls.cache_functions" => node.core.faas.cache_functions,
        "Functions whose providers are kept in mind.";
    plain "calls.backoff_initial" => node.core.faas.backoff_initial,
        "First pause when every provider has failed or is full; doubles.";
    plain "calls.backoff_max" => node.core.faas.backoff_max,
        "The longest such pause.";
    plain "calls.retry_after" => node.core.faas.retry_after,
        "How long a provider is left alone that is full and does not say until when.";
    plain "calls.avoid" => node.core.faas.avoid,
        "How long a provider that failed is avoided; doubles with each failure in a row.";
    plain "calls.probe_interval" => node.core.faas.probe_interval,
        "A node with calls in flight that was silent for so long is asked for a sign of life.";
    plain "calls.probe_misses" => node.core.faas.probe_misses,
        "After so many unanswered in a row it counts as dead.";
    plain "calls.entry_queue" => node.core.faas.entry_queue,
        "Calls that may wait here while every provider is full. More are answered by 429.";
    plain "calls.manycall_window" => node.core.faas.manycall_window,
        "Items of manycalls in flight at one node, at most.";
    plain "calls.probe_first" => node.core.faas.probe_first,
        "`least-loaded` and `power-of-two` ask for the load first.";
    plain "kademlia.k" => node.core.kad.k,
        "Size of a bucket, and number of nodes that keep a record.";
    plain "kademlia.alpha" => node.core.kad.alpha,
        "Requests of a look-up at once.";
    plain "kademlia.request_timeout" => node.core.kad.request_timeout,
        "For the answer to one request.";
    plain "kademlia.lookup_timeout" => node.core.kad.lookup_timeout,
        "For a whole look-up.";
    plain "kademlia.server" => node.core.kad.server,
        "Answers requests of others; a client only asks.";
    plain "kademlia.provider_ttl" => node.core.kad.provider_ttl,
        "How long it is kept that another node hosts a function.";
    plain "kademlia.republish_interval" => node.core.kad.republish_interval,
        "How often a hosted function is announced again.";
    plain "kademlia.max_providers_per_key" => node.core.kad.max_providers_per_key,
        "Providers that are kept of one function.";
    plain "kademlia.refresh_interval" => node.core.kad.refresh_interval,
        "How often each bucket of the routing table is refreshed.";
    plain "kademlia.disjoint_paths" => node.core.kad.disjoint_paths,
        "Disjoint paths of a look-up.";
    plain "experiment.enabled" => experiment,
        "Takes part in an experiment: `/api/v1/experiment/…` commands the node, and it joins only at that word. Never on a node that strangers reach.";
}
