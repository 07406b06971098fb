//! Typed, named ports. The compiler checks the stage, the loader checks the graph.

use std::marker::PhantomData;

use crate::product::{ProductKind, ProductType};

macro_rules! port_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            /// The port's name in the graph file.
            pub name: &'static str,
            /// One line for the manual.
            pub doc: &'static str,
            product: PhantomData<fn() -> T>,
        }

        impl<T> $name<T> {
            /// A port with its name in the graph file and one line of documentation.
            #[must_use]
            pub const fn new(name: &'static str, doc: &'static str) -> Self {
                Self { name, doc, product: PhantomData }
            }
        }
    };
}

port_type! {
    /// An input that must be wired.
    In
}
port_type! {
    /// An input that may be absent.
    Opt
}
port_type! {
    /// An input that takes any number of products, in the order of the graph file.
    Many
}
port_type! {
    /// An output.
    Out
}

/// How many products an input port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// Any number.
    Many,
}

/// One input port of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPort {
    /// Name in the graph file.
    pub name: String,
    /// One line for the manual.
    pub doc: String,
    /// Type of product.
    pub product: ProductKind,
    /// How many products.
    pub arity: Arity,
    /// Whether products are read when the stage asks for them, not before it starts.
    pub is_late: bool,
}

/// One output port of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPort {
    /// Name in the graph file.
    pub name: String,
    /// One line for the manual.
    pub doc: String,
    /// Type of product.
    pub product: ProductKind,
}

/// The typed inputs and outputs of a stage, in declaration order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// Input ports.
    pub inputs: Vec<InputPort>,
    /// Output ports.
    pub outputs: Vec<OutputPort>,
}

impl Signature {
    /// No ports yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a required input.
    #[must_use]
    pub fn input<T: ProductType>(self, port: &In<T>) -> Self {
        self.push_input(port.name, port.doc, ProductKind::of::<T>(), Arity::One)
    }

    /// Adds an optional input.
    #[must_use]
    pub fn optional<T: ProductType>(self, port: &Opt<T>) -> Self {
        self.push_input(port.name, port.doc, ProductKind::of::<T>(), Arity::Optional)
    }

    /// Adds an input for any number of products.
    #[must_use]
    pub fn many<T: ProductType>(self, port: &Many<T>) -> Self {
        self.push_input(port.name, port.doc, ProductKind::of::<T>(), Arity::Many)
    }

    /// Makes an input port that was added before a late one: its products are read when the stage asks for them, and leave memory
    /// when the stage drops them. For stages that take many images one after the other.
    #[must_use]
    pub fn late(mut self, port: &str) -> Self {
        debug_assert!(self.find_input(port).is_some(), "no input port {port:?}");
        self.inputs.iter_mut().filter(|p| p.name == port).for_each(|p| p.is_late = true);
        self
    }

    /// Adds an output.
    #[must_use]
    pub fn output<T: ProductType>(mut self, port: &Out<T>) -> Self {
        self.outputs.push(OutputPort {
            name: port.name.to_owned(),
            doc: port.doc.to_owned(),
            product: ProductKind::of::<T>(),
        });
        self
    }

    fn push_input(mut self, name: &str, doc: &str, product: ProductKind, arity: Arity) -> Self {
        let (name, doc) = (name.to_owned(), doc.to_owned());
        self.inputs.push(InputPort { name, doc, product, arity, is_late: false });
        self
    }

    /// The input port of this name.
    #[must_use]
    pub fn find_input(&self, name: &str) -> Option<&InputPort> {
        self.inputs.iter().find(|p| p.name == name)
    }

    /// The output port of this name.
    #[must_use]
    pub fn find_output(&self, name: &str) -> Option<&OutputPort> {
        self.outputs.iter().find(|p| p.name == name)
    }
}
