//! Names of products in a graph file: `node.port`, `mags[Y].table`.

/// A product as a file names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProductName<'a> {
    pub(crate) node: &'a str,
    /// The element of an expanded node.
    pub(crate) element: Option<&'a str>,
    pub(crate) port: &'a str,
}

impl<'a> ProductName<'a> {
    /// Reads a name; `None` when it has another form.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (node, element, port) = match text.split_once('[') {
            Some((node, rest)) => {
                let (element, port) = rest.split_once("].")?;
                (node, Some(element), port)
            }
            None => {
                let (node, port) = text.split_once('.')?;
                (node, None, port)
            }
        };
        let is_complete = !node.is_empty() && !port.is_empty() && !port.contains(['.', '[', ']']);
        is_complete.then_some(Self { node, element, port })
    }
}
