//! JSON, as much as the protocol needs: no crate is to be downloaded for a test.
use std::fmt;

#[derive(Clone, Debug)]
pub enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
}

impl Json {
    /// The entry of a map; null when there is none.
    pub fn get(&self, key: &str) -> &Json {
        match self {
            Json::Map(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map_or(&Json::Null, |(_, value)| value),
            _ => &Json::Null,
        }
    }

    /// With one more entry, in front.
    pub fn with(self, key: &str, value: impl Into<Json>) -> Json {
        let mut entries = vec![(key.to_string(), value.into())];
        if let Json::Map(more) = self {
            entries.extend(more);
        }
        Json::Map(entries)
    }

    pub fn parse(text: &str) -> Json {
        Reader { rest: text }.value()
    }
}

/// A map, written as JSON is.
macro_rules! json {
    ({$($key:literal: $value:expr),* $(,)?}) => {
        $crate::json::Json::Map(vec![$(($key.to_string(), $crate::json::Json::from($value))),*])
    };
}
pub(crate) use json;

macro_rules! from {
    ($($rust:ty => $value:ident $make:expr),* $(,)?) => {$(
        impl From<$rust> for Json {
            fn from($value: $rust) -> Json {
                $make
            }
        }
    )*};
}
from! {
    bool => flag Json::Bool(flag),
    i64 => number Json::Int(number),
    f64 => number Json::Double(number),
    &str => text Json::Text(text.to_string()),
    String => text Json::Text(text),
    Vec<Json> => list Json::List(list),
    &[i64] => numbers Json::List(numbers.iter().map(|number| Json::Int(*number)).collect()),
    Option<i64> => number number.map_or(Json::Null, Json::Int),
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(flag) => write!(f, "{}", flag),
            Json::Int(number) => write!(f, "{}", number),
            Json::Double(number) if number.is_finite() => write!(f, "{:?}", number), // with a point: 1.0 is not 1
            Json::Double(number) => write_text(f, &number.to_string().replace("inf", "Inf")), // JSON has no such numbers
            Json::Text(text) => write_text(f, text),
            Json::List(entries) => {
                for (i, entry) in entries.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "[" } else { "," }, entry)?;
                }
                f.write_str(if entries.is_empty() { "[]" } else { "]" })
            }
            Json::Map(entries) => {
                for (i, (key, entry)) in entries.iter().enumerate() {
                    f.write_str(if i == 0 { "{" } else { "," })?;
                    write_text(f, key)?;
                    write!(f, ":{}", entry)?;
                }
                f.write_str(if entries.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{}", letter)?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(letter))?,
            _ => write!(f, "{}", letter)?,
        }
    }
    f.write_str("\"")
}

/// What it reads was written by the runner of the kit; it panics at anything else.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn peek(&mut self) -> char {
        self.rest = self.rest.trim_start();
        self.rest.chars().next().expect("more")
    }

    fn take(&mut self) -> char {
        let letter = self.rest.chars().next().expect("more");
        self.rest = &self.rest[letter.len_utf8()..];
        letter
    }

    fn takes(&mut self, letter: char) -> bool {
        let found = self.peek() == letter;
        if found {
            self.take();
        }
        found
    }

    fn value(&mut self) -> Json {
        match self.peek() {
            '{' => Json::Map(self.entries('}', |reader| {
                let key = reader.text();
                assert!(reader.takes(':'));
                (key, reader.value())
            })),
            '[' => Json::List(self.entries(']', Self::value)),
            '"' => Json::Text(self.text()),
            't' => self.word("true", Json::Bool(true)),
            'f' => self.word("false", Json::Bool(false)),
            'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Json {
        self.rest = self.rest.strip_prefix(word).expect(word);
        value
    }

    fn entries<T>(&mut self, end: char, entry: impl Fn(&mut Self) -> T) -> Vec<T> {
        let mut entries = Vec::new();
        self.take();
        while !self.takes(end) {
            entries.push(entry(self));
            self.takes(',');
        }
        entries
    }

    fn number(&mut self) -> Json {
        let end = self
            .rest
            .find(|letter: char| !"+-.eE0123456789".contains(letter))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.parse()
            .map(Json::Int)
            .unwrap_or_else(|_| Json::Double(word.parse().expect("a number")))
    }

    fn text(&mut self) -> String {
        assert!(self.takes('"'));
        let mut units = Vec::new(); // UTF-16, in which escapes are written
        loop {
            match self.take() {
                '"' => return String::from_utf16(&units).expect("pairs"),
                '\\' => units.push(self.escaped()),
                letter => units.extend_from_slice(letter.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escaped(&mut self) -> u16 {
        match self.take() {
            'n' => 10,
            't' => 9,
            'r' => 13,
            'b' => 8,
            'f' => 12,
            'u' => {
                let (digits, rest) = self.rest.split_at(4);
                self.rest = rest;
                u16::from_str_radix(digits, 16).expect("four digits")
            }
            letter => letter as u16,
        }
    }
}
