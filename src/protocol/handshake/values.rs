//! Values that an application attaches to a connection when it accepts the request.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "server")]
use std::sync::Weak;

/// Any number of values, at most one of each type. Clones share them; without any, this is one null
/// pointer.
#[derive(Clone, Default)]
pub(crate) struct Values(Option<Arc<Vec<Value>>>);

/// Refers to values, but does not keep them: the thread that drops it never drops a value of the user's.
#[cfg(feature = "server")]
#[derive(Debug, Clone, Default)]
pub(crate) struct WeakValues(Weak<Vec<Value>>);

type Value = Arc<dyn Any + Send + Sync>;

impl Values {
    /// Adds a value, and replaces the one of the same type.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        let values = Arc::make_mut(self.0.get_or_insert_default());
        values.retain(|value| !value.as_ref().is::<T>());
        values.push(Arc::new(value));
    }
}

#[cfg(feature = "server")]
impl Values {
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let mut values = self.0.iter().flat_map(|values| values.iter());
        let value = values.find(|value| value.as_ref().is::<T>())?;
        Arc::clone(value).downcast::<T>().ok()
    }

    pub(crate) fn downgrade(&self) -> WeakValues {
        WeakValues(self.0.as_ref().map(Arc::downgrade).unwrap_or_default())
    }
}

#[cfg(feature = "server")]
impl WeakValues {
    /// Returns a value, as long as the [`Values`] exist.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Values(Some(self.0.upgrade()?)).get()
    }
}

/// Values are of any type, so they are only compared by identity: clones are equal.
impl PartialEq for Values {
    fn eq(&self, other: &Values) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Eq for Values {}

/// The values may be secrets: shows only how many there are.
impl fmt::Debug for Values {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.as_ref().map_or(0, |values| values.len());
        write!(f, "{count}")
    }
}
