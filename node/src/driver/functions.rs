//! What stands behind the core's handles of functions: names.

use edge_faas_core::context::FunctionTable;
use edge_faas_core::key::FunctionHandle;
use std::collections::HashMap;
use std::sync::Arc;

/// Functions below which none is swept. Above what the core's cache holds: what it has evicted is swept.
const SWEEP_MIN: usize = 16_384;

/// The functions that have a handle.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) table: FunctionTable,
    names: Vec<Option<Arc<str>>>,
    by_name: HashMap<Arc<str>, FunctionHandle>,
    free: Vec<FunctionHandle>,
    sweep_at: usize,
}

impl Default for Functions {
    fn default() -> Self {
        Functions {
            table: FunctionTable::default(),
            names: Vec::new(),
            by_name: HashMap::new(),
            free: Vec::new(),
            sweep_at: SWEEP_MIN,
        }
    }
}

impl Functions {
    /// The handle of a function; a new one where it has none.
    pub(super) fn handle(&mut self, name: &str) -> FunctionHandle {
        if let Some(handle) = self.by_name.get(name) {
            return *handle;
        }
        let shared: Arc<str> = name.into();
        let handle = match self.free.pop() {
            Some(handle) => {
                self.table.set(handle, name, false);
                self.names[handle.index()] = Some(shared.clone());
                handle
            }
            None => {
                self.names.push(Some(shared.clone()));
                self.table.push(name, false)
            }
        };
        self.by_name.insert(shared, handle);
        handle
    }

    pub(super) fn find(&self, name: &str) -> Option<FunctionHandle> {
        self.by_name.get(name).copied()
    }

    /// The name; empty for a handle that is free.
    pub(super) fn name(&self, handle: FunctionHandle) -> &str {
        self.names.get(handle.index()).and_then(Option::as_deref).unwrap_or_default()
    }

    /// A provider's word on whether the function may run twice.
    pub(super) fn set_idempotent(&mut self, handle: FunctionHandle, idempotent: bool) {
        let name = self.name(handle);
        if !name.is_empty() && self.table.get(handle).idempotent != idempotent {
            let name = name.to_owned();
            self.table.set(handle, &name, idempotent);
        }
    }

    /// Handles in use.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True when a sweep is worth while.
    pub(super) fn is_crowded(&self) -> bool {
        self.len() >= self.sweep_at
    }

    /// Frees every handle that `marked` says nothing of.
    pub(super) fn sweep(&mut self, marked: &[bool]) {
        for (index, slot) in self.names.iter_mut().enumerate() {
            if !marked.get(index).copied().unwrap_or(false)
                && let Some(name) = slot.take()
            {
                self.by_name.remove(&name);
                self.free.push(FunctionHandle(index as u32));
            }
        }
        self.sweep_at = (self.len() * 2).max(SWEEP_MIN);
    }

    /// Slots of the table, for a sweep's marks.
    pub(super) fn slots(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swept_handles_get_another_name() {
        let mut functions = Functions::default();
        let (a, b) = (functions.handle("a"), functions.handle("b"));
        functions.set_idempotent(a, true);
        functions.sweep(&[false, true]);
        assert_eq!((functions.find("a"), functions.find("b")), (None, Some(b)));
        assert_eq!(functions.handle("c"), a);
        assert_eq!(functions.name(a), "c");
        assert!(!functions.table.get(a).idempotent);
    }
}
