//! The wire format: protobuf as in libp2p's kad-dht specification, each message after its length as an unsigned varint.

mod size;

pub use size::{MAX_ANSWER_BYTES, providers_per_answer, request_len, response_len};
