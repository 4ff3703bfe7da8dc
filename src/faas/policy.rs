//! How a call, and a manycall, choose among providers.

use std::fmt;
use std::str::FromStr;

/// How one call chooses its provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub enum AnycallPolicy {
    /// The local runtime if it has a free slot, else the nearest provider with one; when there is none, the local
    /// queue, then the nearest provider's.
    #[default]
    LocalFirst,
    /// Never routed: what each site had before.
    LocalOnly,
    /// Client to runtime, no node between: the floor to compare with. Carried out by the driver.
    Direct,
    /// Least smoothed round-trip time.
    Nearest,
    /// Fewest of this node's own requests in progress.
    LeastOutstanding,
    /// Least load by what answers carried, of all providers.
    LeastLoaded,
    /// The less loaded of two random providers (Mitzenmacher, "The Power of Two Choices", IEEE TPDS 12, 2001).
    PowerOfTwo,
    /// Uniformly at random.
    Random,
    /// In turn.
    RoundRobin,
    /// All providers at once, the first answer wins. A call that may not run twice goes to the nearest one only.
    Race,
}

/// How a manycall spreads its items.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub enum ManycallPolicy {
    /// Split evenly at submission.
    Static,
    /// A bounded window of items in flight per provider; the next item goes to who is free.
    #[default]
    LateBinding,
    /// Late binding, and copies of stragglers that may run twice.
    Backup,
}

/// A name that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown policy {found:?}; valid are {valid}")]
pub struct UnknownPolicy {
    /// The name.
    pub found: String,
    /// The names there are.
    pub valid: String,
}

macro_rules! names {
    ($type:ty, $($variant:path => $name:literal),+ $(,)?) => {
        impl $type {
            /// Every policy with the name that scenarios, headers and results use.
            pub const NAMES: &'static [(Self, &'static str)] = &[$(($variant, $name)),+];

            /// The name that scenarios, headers and results use.
            pub fn name(self) -> &'static str {
                match self { $($variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownPolicy;

            fn from_str(found: &str) -> Result<Self, UnknownPolicy> {
                Self::NAMES.iter().find(|(_, name)| *name == found).map(|(policy, _)| *policy).ok_or_else(|| {
                    let valid: Vec<_> = Self::NAMES.iter().map(|(_, name)| *name).collect();
                    UnknownPolicy { found: found.to_owned(), valid: valid.join(", ") }
                })
            }
        }
    };
}

names!(AnycallPolicy,
    AnycallPolicy::LocalFirst => "local-first",
    AnycallPolicy::LocalOnly => "local-only",
    AnycallPolicy::Direct => "direct",
    AnycallPolicy::Nearest => "nearest",
    AnycallPolicy::LeastOutstanding => "least-outstanding",
    AnycallPolicy::LeastLoaded => "least-loaded",
    AnycallPolicy::PowerOfTwo => "power-of-two",
    AnycallPolicy::Random => "random",
    AnycallPolicy::RoundRobin => "round-robin",
    AnycallPolicy::Race => "race",
);

names!(ManycallPolicy,
    ManycallPolicy::Static => "static",
    ManycallPolicy::LateBinding => "late-binding",
    ManycallPolicy::Backup => "backup",
);
