//! A JSON value that is taken apart to be mended.

use gateway_translate::{Json, Kind, Malformed, Reader};
use gateway_types::Raw;

/// A JSON value; members keep their order, keys and scalars stay as they were written: keys escaped,
/// scalars as JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'b> {
    /// Its members.
    Object(Vec<(&'b str, Node<'b>)>),
    /// Its elements.
    Array(Vec<Node<'b>>),
    /// A string, a number, a truth value or `null`.
    Leaf(&'b str),
}

impl<'b> Node<'b> {
    /// Reads a text. A value below `depth` levels becomes an object without members.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn read(text: &'b str, depth: usize) -> Result<Self, Malformed> {
        read(&mut Reader::new(text), depth)
    }

    /// Writes it.
    pub fn write(&self, json: &mut Json) {
        match self {
            Self::Leaf(raw) => {
                json.raw(Raw::from_json(raw));
            }
            Self::Array(elements) => {
                json.array(|json| elements.iter().for_each(|element| element.write(json)));
            }
            Self::Object(members) => {
                json.object(|json| {
                    for (key, value) in members {
                        value.write(json.key(key));
                    }
                });
            }
        }
    }

    /// How many values there are in it, itself included.
    pub fn size(&self) -> usize {
        1 + match self {
            Self::Object(members) => members.iter().map(|(_, node)| node.size()).sum(),
            Self::Array(elements) => elements.iter().map(Self::size).sum(),
            Self::Leaf(_) => 0,
        }
    }
}

fn read<'b>(r: &mut Reader<'b>, depth: usize) -> Result<Node<'b>, Malformed> {
    let Some(below) = depth.checked_sub(1) else {
        return r.skip().map(|()| Node::Object(Vec::new()));
    };
    Ok(match r.kind()? {
        Kind::Object => {
            let mut members = Vec::new();
            r.object::<Malformed>(|r, key| {
                members.push((key.escaped(), read(r, below)?));
                Ok(())
            })?;
            Node::Object(members)
        }
        Kind::Array => {
            let mut elements = Vec::new();
            r.array::<Malformed>(|r| {
                elements.push(read(r, below)?);
                Ok(())
            })?;
            Node::Array(elements)
        }
        _ => Node::Leaf(r.raw()?.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_as_it_was_but_for_what_lies_too_deep() {
        let text = r#"{"b":[1.50,"\u00e9",null],"a":{"x":{}}}"#;
        for (depth, wanted, size) in
            [(9, text, 7), (2, r#"{"b":[{},{},{}],"a":{"x":{}}}"#, 7), (1, r#"{"b":{},"a":{}}"#, 3)]
        {
            let node = Node::read(text, depth).expect("JSON");
            let mut json = Json::new();
            node.write(&mut json);
            assert_eq!((json.into_string().as_str(), node.size()), (wanted, size));
        }
        assert!(Node::read(r#"{"a":"#, 9).is_err());
    }
}
