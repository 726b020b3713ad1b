//! Reads interfaces such as those of `ui/src/contract.ts`, as far as that file uses TypeScript, and holds JSON against them.

use serde_json::Value;
use std::collections::BTreeMap;

/// A type of the contract.
#[derive(Debug, Clone)]
enum Type {
    /// Exactly these keys.
    Object(BTreeMap<String, Type>),
    Array(Box<Type>),
    Tuple(Vec<Type>),
    /// Any of these.
    Union(Vec<Type>),
    /// Any keys, values of this type.
    Record(Box<Type>),
    /// The type of a key that may be absent (`key?:`).
    Optional(Box<Type>),
    /// A name, or a literal as it is written.
    Name(String),
}

/// All exported types by name.
#[derive(Debug)]
pub(crate) struct Contract {
    types: BTreeMap<String, Type>,
}

impl Contract {
    /// Reads the text of a contract.
    pub(crate) fn of(text: &str) -> Self {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut types = BTreeMap::new();
        while parser.next_is("export") {
            let keyword = parser.take();
            let name = parser.take();
            parser.next_is("=");
            types.insert(name, parser.union());
            assert!(keyword == "interface" || parser.next_is(";"), "a type ends in `;`");
        }
        assert!(parser.at == parser.tokens.len(), "read up to `{}`", parser.tokens[parser.at]);
        Self { types }
    }

    /// Returns where `value` is not of the type named `name`, one line each.
    pub(crate) fn misfits(&self, name: &str, value: &Value) -> Vec<String> {
        let mut misfits = Vec::new();
        self.compare(&Type::Name(name.into()), value, name, &mut misfits);
        misfits
    }

    fn compare(&self, wanted: &Type, value: &Value, path: &str, misfits: &mut Vec<String>) {
        match (wanted, value) {
            (Type::Name(name), _) if self.types.contains_key(name) => {
                self.compare(&self.types[name], value, path, misfits);
            }
            (Type::Object(fields), Value::Object(found)) => {
                let keys = fields.keys().chain(found.keys().filter(|key| !fields.contains_key(*key)));
                for key in keys {
                    let path = format!("{path}.{key}");
                    match (fields.get(key), found.get(key)) {
                        (Some(field), Some(value)) => self.compare(field, value, &path, misfits),
                        (Some(Type::Optional(_)), None) => {}
                        (Some(_), None) => misfits.push(format!("{path} is missing")),
                        (None, _) => misfits.push(format!("{path} is not in the contract")),
                    }
                }
            }
            (Type::Optional(inner), _) => self.compare(inner, value, path, misfits),
            (Type::Array(item) | Type::Record(item), _) if value.is_array() || value.is_object() => {
                let items = value.as_array().into_iter().flatten();
                let values = value.as_object().into_iter().flat_map(serde_json::Map::values);
                for (index, found) in items.chain(values).enumerate() {
                    self.compare(item, found, &format!("{path}[{index}]"), misfits);
                }
                if matches!(wanted, Type::Array(_)) != value.is_array() {
                    misfits.push(format!("{path} is {value}"));
                }
            }
            (Type::Tuple(items), Value::Array(found)) if items.len() == found.len() => {
                items.iter().zip(found).for_each(|(item, found)| self.compare(item, found, path, misfits));
            }
            (Type::Union(members), _) => {
                let misfits_of = |member: &Type| {
                    let mut misfits = Vec::new();
                    self.compare(member, value, path, &mut misfits);
                    misfits
                };
                let all: Vec<_> = members.iter().map(misfits_of).collect();
                if !all.iter().any(Vec::is_empty) {
                    misfits.extend(all.into_iter().next().unwrap_or_default());
                }
            }
            (Type::Name(name), _) if is_of(name, value) => {}
            _ => misfits.push(format!("{path} is {value}, not {wanted:?}")),
        }
    }
}

/// Whether `value` is of a type that TypeScript has itself, or the literal `name`.
fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "unknown" => true,
        literal => serde_json::from_str::<Value>(literal).is_ok_and(|literal| literal == *value),
    }
}

/// Splits into words, literals and signs; comments are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut text = text.to_owned();
    while let Some(start) = text.find("/*") {
        let end = text[start..].find("*/").expect("a comment ends") + start + 2;
        text.replace_range(start..end, "");
    }
    let mut tokens = Vec::new();
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                '"' => rest[1..].find('"').expect("a literal ends") + 2,
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            tokens.push(rest[..length].to_owned());
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

struct Parser {
    tokens: Vec<String>,
    at: usize,
}

impl Parser {
    fn take(&mut self) -> String {
        let token = self.tokens.get(self.at).cloned().unwrap_or_default();
        self.at += 1;
        token
    }

    /// Takes `token` if it comes next.
    fn next_is(&mut self, token: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|next| next == token);
        self.at += usize::from(is);
        is
    }

    fn union(&mut self) -> Type {
        self.next_is("|");
        let mut members = vec![self.array()];
        while self.next_is("|") {
            members.push(self.array());
        }
        if members.len() == 1 { members.remove(0) } else { Type::Union(members) }
    }

    fn array(&mut self) -> Type {
        let mut item = self.single();
        while self.next_is("[") {
            assert!(self.next_is("]"), "an array type ends in `[]`");
            item = Type::Array(Box::new(item));
        }
        item
    }

    fn single(&mut self) -> Type {
        match self.take().as_str() {
            "{" => {
                let mut fields = BTreeMap::new();
                while !self.next_is("}") {
                    let name = self.take();
                    let is_optional = self.next_is("?");
                    assert!(self.next_is(":"), "`{name}` has a type");
                    let field = self.union();
                    fields.insert(name, if is_optional { Type::Optional(Box::new(field)) } else { field });
                    let _ = self.next_is(";") || self.next_is(",");
                }
                Type::Object(fields)
            }
            "(" => {
                let inner = self.union();
                assert!(self.next_is(")"), "a parenthesis closes");
                inner
            }
            "[" => {
                let mut items = Vec::new();
                while !self.next_is("]") {
                    items.push(self.union());
                    self.next_is(",");
                }
                Type::Tuple(items)
            }
            "Partial" => self.arguments().remove(0),
            "Record" => Type::Record(Box::new(self.arguments().remove(1))),
            name => Type::Name(name.to_owned()),
        }
    }

    fn arguments(&mut self) -> Vec<Type> {
        assert!(self.next_is("<"), "it takes arguments");
        let mut arguments = Vec::new();
        while !self.next_is(">") {
            arguments.push(self.union());
            self.next_is(",");
        }
        arguments
    }
}
