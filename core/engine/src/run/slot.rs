//! A place in memory for one product.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::product::{Product, ProductKind};
use crate::store::{Artefact, LoadError, Store};

/// Holds a product while readers need it. Readers that come together load the artefact once.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    product: Mutex<Option<Arc<dyn Product>>>,
    /// What readers of late ports hold: shared between them, dropped by the last.
    lent: Mutex<Option<Weak<dyn Product>>>,
}

impl Slot {
    /// Puts a product that was just made.
    pub(crate) fn fill(&self, product: Arc<dyn Product>) {
        *self.product.lock().unwrap_or_else(PoisonError::into_inner) = Some(product);
    }

    /// The product, from memory or from the store.
    pub(crate) fn get(
        &self,
        store: &Store,
        kind: ProductKind,
        artefact: &Artefact,
    ) -> Result<Arc<dyn Product>, LoadError> {
        let mut place = self.product.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(product) = place.as_ref() {
            return Ok(Arc::clone(product));
        }
        let product = store.load(kind, artefact)?;
        *place = Some(Arc::clone(&product));
        Ok(product)
    }

    /// The product for a reader of a late port: it stays only as long as readers hold it.
    pub(crate) fn lend(
        &self,
        store: &Store,
        kind: ProductKind,
        artefact: &Artefact,
    ) -> Result<Arc<dyn Product>, LoadError> {
        if let Some(product) = self.product.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(Arc::clone(product));
        }
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(product) = lent.as_ref().and_then(Weak::upgrade) {
            return Ok(product);
        }
        let product = store.load(kind, artefact)?;
        *lent = Some(Arc::downgrade(&product));
        Ok(product)
    }

    /// Forgets the product.
    pub(crate) fn drop_product(&self) {
        *self.product.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Bytes that the product occupies; 0 when the slot is empty or being filled.
    pub(crate) fn bytes(&self) -> u64 {
        self.product.try_lock().ok().and_then(|p| p.as_ref().map(|p| p.resident_bytes())).unwrap_or(0)
    }
}
